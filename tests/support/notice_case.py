"""A dossier whose notices a real Zalo channel delivers, down to the ledger row."""

from contextlib import asynccontextmanager

from channels.zalo.factory import ChannelStores
from consumers.case_notices.message_ids import NoticeMessageIds
from consumers.ledger.entry import notice_entry
from consumers.runtime.errors import RetryLater
from consumers.zalo.stores import BusArticleStore, BusKeyValueStore
from contracts import subjects
from contracts.delivery import BatchKey, Lane
from sandbox.zalo.state.templates import shipped_routes
from tests.support.case_pipeline import CASE, ZALO, CasePipeline
from tests.support.gateway_client import open_gateway, sample_event
from tests.support.zalo_notices import open_zalo_notices

ROUNDS = 6


class NoticeCase:
    """A dossier whose events are delivered by the real channel, or by mail."""

    def __init__(self, pipeline, notices):
        self.pipeline, self.notices = pipeline, notices
        self.number = 0
        self.contact = {}

    async def new_process(self):
        """A new channel and worker; only the bus remembers."""
        await self.notices.start()
        self.pipeline.providers[ZALO] = self.notices.channel
        self.pipeline.folder /= "next"
        self.pipeline.workers[ZALO] = worker = self.pipeline.worker(ZALO)
        for gate in worker.gates.values():
            gate.breaker_store.clock = self.notices.clock

    async def happens(self):
        """The next event, to a person of its own, is taken in."""
        self.number += 1
        mine = self.contact or {"phone": self.phone(self.number), "email": "a@example.com"}
        contact = mine | {"consent": True}
        event = sample_event("updated", id=f"e-{self.number}", contact=contact)
        answer = await self.pipeline.accepted(event)
        assert answer["revision"] == self.number
        entry = notice_entry(self.number, answer["event_id"], self.notices.clock())
        await self.pipeline.notices.start_batch(self.batch(self.number), entry)
        return self.number

    def phone(self, number):
        return f"849{number:08d}"

    def batch(self, number):
        return BatchKey(ZALO, CASE, number, 0)

    async def works(self, number):
        """Woken as the queue does, until there is nothing to do now."""
        gate = self.pipeline.workers[ZALO].gate_of(Lane.NOTICE)
        for _ in range(ROUNDS):
            await gate.refresh(gate.current)  # as the service does once a second
            try:
                await self.pipeline.work(ZALO, number)
            except RetryLater as later:
                self.notices.clock.advance(later.delay_s)
            else:
                break
        return await self.pipeline.status(ZALO, number)

    async def due(self, number):
        return (await self.pipeline.ledger.state(self.batch(number))).value.due


@asynccontextmanager
async def open_notice_case(bus, folder, clock):
    """The first process has started; the sandbox's templates serve every kind."""
    async with open_zalo_notices(folder, clock) as notices, open_gateway(bus, clock) as door:
        account = notices.account
        notices.sent = NoticeMessageIds(bus)
        notebook = BusArticleStore(bus, account.sandbox.settings.app_id)
        own = BusKeyValueStore(bus, subjects.CONTROL.name), notices.sent
        account.elsewhere = ChannelStores(account.token_vault, notebook, account.key, *own)
        case = NoticeCase(CasePipeline(bus, door, folder, clock), notices)
        await case.new_process()
        await notices.templates.register(shipped_routes())
        yield case
