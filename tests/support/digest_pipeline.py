"""A ministry that mails digests: real bus, ledger, planner and worker, and a virtual clock."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.base import Content, Deadline, Outcome, Recipient, Verdict
from consumers.check.checker import LedgerRules
from consumers.check.context import CheckContext
from consumers.digests.build import DigestBuilder
from consumers.digests.recipients import DigestRecipients
from consumers.digests.reissue import AffectedDigestFinder, DigestReissuer
from consumers.digests.schedule import DigestSchedule
from consumers.digests.service import DigestService
from consumers.digests.store import DigestStore
from consumers.directory.audience import PreferenceIndex
from consumers.directory.digest_audience import DigestAudience, DigestQuery
from consumers.directory.follow import parse_change
from consumers.directory.store import DirectoryStore
from consumers.dispatch.audience import SubscriberAudience
from consumers.dispatch.handler import Dispatcher
from consumers.dispatch.supersede import Supersession
from consumers.intake import items
from consumers.intake.items import Item, ItemSummary, Position
from consumers.intake.repository import ItemRepository
from consumers.ledger import codec
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.recipients import Contact
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication, StoredPublication
from contracts.subscriptions.digest import Digest
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus, Change
from tests.support.clock import FakeClock
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.publications import a_publication
from tests.support.scripted_channel import ScriptedChannel
from tests.support.services import new_dispatcher, store_publication

EMAIL = ChannelName.EMAIL
DAY_S = 86400.0
FRIDAY = datetime(2027, 1, 15, 8, 0, tzinfo=UTC).timestamp()  # 15:00 in Vietnam
SATURDAY = PlanKey(EMAIL, "digest-daily-2027-01-16", 1)
OTHER = "viec-lam"
BUSY = Outcome(Verdict.DEFERRED, "451")


class DirectoryReaders:
    """Subscribers in a directory file of their own."""

    def __init__(self, path, clock) -> None:
        self.store, self.clock, self.seq = DirectoryStore(path), clock, 0
        self.audience = PreferenceIndex(self.store)
        self.subscribers: dict[str, Subscriber] = {}

    def add(self, id: str, **wishes: Any) -> None:
        self.put(Subscriber(id=id, email=f"{id}@example.com", **wishes))

    def put(self, one: Subscriber) -> None:
        self.subscribers[one.id], self.seq = one, self.seq + 1
        data = one.model_dump_json().encode()
        self.store.apply([parse_change(Change(f"s.{one.id}", data, self.seq))], self.seq)

    def set_frequency(self, id: str, frequency: str) -> None:
        """Change a subscriber's frequency from now on."""
        at = datetime.fromtimestamp(self.clock(), UTC)
        self.put(self.subscribers[id].with_frequency(frequency, at))

    async def ready(self) -> None:
        """Return at once: the file is always up to date."""

    def count(self, publication: Publication) -> int:
        return self.audience.count(publication)

    def ids_after(self, publication: Publication, last: str, limit: int) -> list[str]:
        return self.audience.ids_after(publication, last, limit)

    def digest_audience(self, gathering: DigestQuery) -> DigestAudience:
        return DigestAudience(self.store, gathering)

    def lookup(self, ids) -> dict[str, Contact]:
        return self.store.contacts(ids, self.clock())


@dataclass
class DigestRecorder(ScriptedChannel):
    """Records each recipient's texts and mails, and texts that were outdated when they left."""

    effects: dict[str, list[tuple[str, str, int, bool]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    previously_received: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    newest_revisions: dict[str, int] = field(default_factory=dict)
    planned_keys: set[str] = field(default_factory=set)
    outdated: list[tuple[str, str, int]] = field(default_factory=list)

    def render(self, content: Content) -> Any:
        return content

    def answer_row(self, rendered: Any, row: Recipient, expired: Deadline) -> Outcome:
        if expired():
            return Outcome(Verdict.UNSENT)
        said = self.answer(row)
        if said.verdict is Verdict.DELIVERED:
            for text in picked_items(rendered, row.picks):
                self.record(rendered, text, row)
        return said

    def record(self, rendered: Any, text: Publication, row: Recipient) -> None:
        mail = rendered.key if isinstance(rendered, Digest) else text.key
        earlier = tuple(f"{one.content_id}.{one.revision}" for one in row.earlier_mails)
        self.previously_received[row.id, mail] = earlier
        self.effects[row.id].append((mail, text.content_id, text.revision, row.correction))
        if text.revision < self.newest_revisions.get(text.content_id, 0):
            self.outdated.append((row.id, mail, text.revision))

    def planned(self, one: Publication) -> None:
        """Record a planned text: older ones count as outdated from now on."""
        self.planned_keys.add(one.key)
        newest = self.newest_revisions.get(one.content_id, 0)
        self.newest_revisions[one.content_id] = max(one.revision, newest)

    def is_planned(self, released: StoredPublication) -> bool:
        return released.publication.key in self.planned_keys

    def items(self, id: str) -> list[tuple[str, int]]:
        """Return a recipient's items in order."""
        return [(item, revision) for _, item, revision, _ in self.effects[id]]

    def mails(self, id: str) -> list[str]:
        return list(dict.fromkeys(mail for mail, *_ in self.effects[id]))


def picked_items(rendered: Any, picks: int) -> list[Publication]:
    if not isinstance(rendered, Digest):
        return [rendered]
    assert picks, "nobody gets an empty mail"
    return [text for number, text in rendered.texts.items() if picks >> number & 1]


class DigestPipeline(DeliveryPipeline):
    """One channel with digests, wired as the composition root does."""

    def __init__(self, bus: Bus, folder, now: float = FRIDAY) -> None:
        clock = FakeClock(now)
        self.recorder, self.start = DigestRecorder(), 1
        self.directory = DirectoryReaders(folder / "folk.sqlite", clock)
        super().__init__(bus, folder, self.directory, self.recorder)
        self.clock.now = now
        self.directory.clock = self.clock
        self.register = ItemRepository(bus)
        self.planner, self.service = self.new_planner(bus), self.new_service(bus)

    def new_planner(self, bus) -> Dispatcher:
        ledger, waker = Ledger(bus), Waker(bus)
        fence, register = Supersession(ledger, waker, self.clock), ItemRepository(bus)
        return new_dispatcher(
            bus, SubscriberAudience(self.readers), register, self.clock,
            ledger=ledger, waker=waker, supersession=fence,
            digests=AffectedDigestFinder(DigestStore(bus), fence),
        )  # fmt: skip

    def new_service(self, bus) -> DigestService:
        ledger, waker = Ledger(bus), Waker(bus)
        book, register = DigestStore(bus), ItemRepository(bus)
        return DigestService(
            ledger, waker, Supersession(ledger, waker, self.clock), book,
            DigestBuilder(bus, book, register, DigestSchedule(), self.clock),
            DigestReissuer(bus, register, self.clock),
            DigestRecipients(bus, ledger, book, self.readers, self.clock), clock=self.clock,
        )  # fmt: skip

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    async def release(
        self, content_id: str, revision: int = 1, **changes: Any
    ) -> StoredPublication:
        """Register a position, then publish it, as `consumers.intake.release` does."""
        at = self.now()
        times = {"first_released_at": at, "released_at": at}
        if revision > 1 and "action" not in changes:
            changes["action"] = "corrected"
        one = a_publication(content_id=content_id, revision=revision, **times, **changes)
        await self.record_item(one)
        released = await store_publication(self.bus, one)
        await self.record_position(one, released.seq)
        return released

    async def record_item(self, one: Publication) -> None:
        def move(found: Item | None) -> Item:
            item = found or Item(unit=one.unit)
            if one.action == "withdrawn":
                return items.release_withdrawal(item, one.revision, one.released_at)
            return items.release(
                item, one.revision, ItemSummary.of(one), one.released_at, one.not_before
            )

        await self.register.update_item(one.content_id, move)
        await self.record_position(one, None)

    async def record_position(self, one: Publication, seq: int | None) -> None:
        position = Position(
            event_id="e", hash="h", unit=one.unit, kind="submitted", state="released",
            at=one.released_at, not_before=one.not_before, seq=seq,
        )  # fmt: skip
        await self.register.update_position(one.content_id, one.revision, lambda _: position)

    async def dispatch(
        self, released: StoredPublication, planner: Dispatcher | None = None
    ) -> bool:
        """Plan a publication; False if the stream would deliver it again."""
        try:
            await (planner or self.planner).on_publication(released)
        except RetryLater:
            return False
        self.recorder.planned(released.publication)
        return True

    async def release_and_plan(
        self, content_id: str, revision: int = 1, **changes: Any
    ) -> StoredPublication:
        """Release a position and plan it."""
        released = await self.release(content_id, revision, **changes)
        await self.repeat_until_done(lambda: self.dispatch(released))
        return released

    async def repeat_until_done(self, step) -> None:
        """Repeat *step*, and deliver what is due meanwhile."""
        for _ in range(20):
            if await step():
                return
            await self.deliver()
            self.clock.advance(5.0)
        raise AssertionError("never done")

    async def run_service(self, service: DigestService | None = None) -> bool:
        try:
            await (service or self.service).run_once()
        except RetryLater:
            return False
        return True

    async def pass_days(self, days: float = 1.0) -> None:
        """Advance the clock, and run what is due then."""
        self.clock.advance(days * DAY_S)
        await self.repeat_until_done(self.run_service)

    async def deliver(self) -> None:
        """Work on every open batch."""
        last, first_open = await self.ledger.bucket.last_seq(), None
        async for key, value in self.ledger.bucket.values("state.", start=self.start):
            if not codec.decode_state(value.data).closed_at:
                first_open = first_open or value.revision
                await self.wake(BatchKey.parse(key.removeprefix("state.")))
        self.start = first_open or last + 1

    async def deliver_next(self, days: float = 1.0) -> None:
        """Pass a day, and deliver its digest."""
        await self.pass_days(days)
        await self.deliver()

    def items(self, id: str) -> list[tuple[str, int]]:
        return self.recorder.items(id)

    def mails(self, id: str) -> list[str]:
        return self.recorder.mails(id)

    async def wake(self, batch: BatchKey) -> None:
        try:
            await self.worker.on_wake_up(WakeUp(batch=str(batch), lane="bulk"))
        except RetryLater:
            return

    async def violations(self) -> list[tuple[str, str]]:
        """Return the findings of `loa check --deep` in the ledger."""
        context = CheckContext(self.bus, self.clock, deep=True, recheck_after_s=0.0)
        return [(one.rule, one.key) for one in await LedgerRules(context).violations()]

    async def picks(self, plan: PlanKey) -> dict[str, int]:
        cursor = (await self.ledger.plan(plan)).value
        found: dict[str, int] = {}
        for number in range(cursor.count):
            found |= (await self.ledger.rows(BatchKey(*plan, number))).item_masks
        return found


def later(clock: FakeClock, **span: float) -> datetime:
    return datetime.fromtimestamp(clock(), UTC) + timedelta(**span)


@asynccontextmanager
async def open_digest_pipeline(bus: Bus, folder) -> AsyncIterator[DigestPipeline]:
    pipeline = DigestPipeline(bus, folder)
    await pipeline.run_service()  # the first window begins
    with closing(pipeline.directory.store):
        yield pipeline
