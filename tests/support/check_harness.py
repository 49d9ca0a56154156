"""A ministry of which `loa check` may look at everything, and hands that spoil it."""

import json
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from channels.portal.channel import PortalChannel
from channels.portal.index.index import PortalIndex
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.writer.audit import FolderAudit
from consumers.channel_health.pauses import LegitimateWaits
from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from consumers.check.findings import Findings
from consumers.dead_letters.letter import MessageOrigin
from consumers.dead_letters.store import DeadLetterStore
from consumers.deliver.renderings import RenderCache
from consumers.ledger import codec
from consumers.zalo.stores import BusArticleStore
from contracts import envelope, subjects
from contracts.cloudevent import CloudEvent
from contracts.delivery import BatchKey, ChannelName
from contracts.errors import ContractError
from contracts.events import kind_of
from producers.bus import Bus
from tests.support.events import UNIT, event_id, register_unit
from tests.support.pipeline_harness import PipelineHarness
from tests.support.portal_dir import PORTAL_SITE, PUBLIC_URL, WORDS

APP = "app"
_CLOCK = re.compile(r"\d\d:\d\d")
DAY_S = 24 * 3600.0


async def acknowledge_all(bus: Bus, stream: str, durable: str) -> None:
    """Acknowledge all of a stream, as its service does once everything has followed.

    What a consumer calls pending can be behind: it says nothing of what was stored just now.
    """
    last = (await bus.stream_info(stream))["state"]["last_seq"]
    pull = await bus.js.pull_subscribe_bind(durable=durable, stream=stream)
    while (await bus.consumer_info(stream, durable))["ack_floor"]["stream_seq"] < last:
        for message in await pull.fetch(100, timeout=5.0):
            await message.ack_sync()
    await pull.unsubscribe()


class CheckHarness(PipelineHarness):
    """Everything is done as the services do it, and acknowledged; the portal is a real folder."""

    def __init__(self, bus: Bus, folder: Path, readers: Any = ("r1", "r2", "r3")) -> None:
        super().__init__(bus, folder, readers)
        self.portal = folder / "portal"
        self.public = self.portal / "public"
        self.has_portal = True  # known to this machine, even without its folder
        self.bucket = bus.bucket(subjects.LEDGER.name)
        self.notebook = BusArticleStore(bus, APP)
        self.services[ChannelName.EMAIL].provider.window = 500
        service = self.services[ChannelName.PORTAL]
        self.shop = PortalChannel(self.portal, PORTAL_SITE)
        service.worker.channel = self.shop
        service.worker.render_cache = RenderCache(bus, service.ledger, self.shop.render)

    async def open(self, **rules: Any) -> "CheckHarness":
        await register_unit(self.bus, UNIT, **rules)
        return self

    async def send(self, event: CloudEvent, unit: str = UNIT) -> str:
        """One event by way of the bus: stored, taken in or buried, acknowledged."""
        subject = subjects.content(unit, kind_of(event.type))
        headers = {"Content-Type": envelope.CONTENT_TYPE}
        ack = await self.bus.publish(subject, envelope.to_structured(event), headers=headers)
        try:
            await self.intake.handle(event, unit, kind_of(event.type), seq=ack.seq)
        except ContractError as broken:
            origin = MessageOrigin(subject=subject, stream="CONTENT", seq=ack.seq)
            body = envelope.to_structured(event)
            await DeadLetterStore(self.bus).bury("intake", origin, body, broken.errors)
        await acknowledge_all(self.bus, "CONTENT", subjects.INTAKE)
        return event_id(event, unit)

    async def deliver_all(self, content_id: str) -> None:
        """Every release reaches its readers, and Zalo's notes are written."""
        await self.deliver(content_id)
        for released in await self.released(content_id):
            publication = released.publication
            note = await self.notebook.read(content_id)
            shown = replace(note, article_id="a1", shown=publication.revision)
            await self.notebook.write(content_id, shown)
        for channel in ChannelName:
            await acknowledge_all(self.bus, "PUBLICATIONS", subjects.dispatch(channel))
        await self.forget_wake_ups()

    async def forget_wake_ups(self) -> None:
        """The services were woken by hand; what the queue still has would excuse everything."""
        await self.bus.connection.api_request(f"STREAM.PURGE.{subjects.DELIVER.name}")

    async def check(self, *, deep: bool = True, later_s: float = 0.0) -> Findings:
        context = CheckContext(
            self.bus,
            lambda: self.clock() + later_s,
            deep,
            excuses=lambda: LegitimateWaits(self.bus, self.clock).may_wait,
            recheck_after_s=0.0,
        )
        audit = FolderAudit(
            self.portal, SiteFiles(Site(PUBLIC_URL, WORDS)), is_here=self.has_portal
        )
        return await Checker(context, audit).run()

    async def violations(self, *, later_s: float = 0.0) -> list[tuple[str, str]]:
        findings = await self.check(later_s=later_s)
        assert findings.ok == (not findings.violations)
        assert all(one.detail for one in findings.violations)
        clocks = [one.detail for one in findings.violations if _CLOCK.search(one.detail)]
        assert all("+07" in detail for detail in clocks), "people read Vietnam's time"
        return sorted((one.rule, one.key) for one in findings.violations)

    # --- hands that spoil it

    async def state(self, batch: str, **changes: Any) -> None:
        value = await self.bucket.get(f"state.{batch}")
        entry = replace(codec.decode_state(value.data), **changes)
        await self.bucket.put(f"state.{batch}", codec.encode_state(entry))

    async def cursor(self, plan: str, **changes: Any) -> None:
        value = await self.bucket.get(f"plan.{plan}")
        cursor = replace(codec.decode_cursor(value.data), **changes)
        await self.bucket.put(f"plan.{plan}", codec.encode_cursor(cursor))

    async def rows(self, batch: str, *ids: str, corrections: frozenset[str] = frozenset()) -> None:
        await self.bucket.put(f"rows.{batch}", codec.encode_rows(ids, corrections))

    async def record(self, bucket: str, key: str, **changes: Any) -> None:
        """Change fields of a JSON record."""
        kept = self.bus.bucket(bucket)
        said = json.loads((await kept.get(key)).data)
        await kept.put(key, json.dumps(said | changes).encode())

    async def delete(self, stream: str, seq: int) -> None:
        await self.bus.connection.api_request(
            f"STREAM.MSG.DELETE.{stream}", {"seq": seq, "no_erase": True}
        )

    async def entry(self, batch: BatchKey | str):
        return codec.decode_state((await self.bucket.get(f"state.{batch}")).data)

    def index(self):
        """The portal's index, to be spoilt."""
        return closing(PortalIndex(self.portal / "state" / "index.sqlite"))

    async def close(self) -> None:
        await self.shop.close()
