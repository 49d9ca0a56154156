"""Case notices through the sandbox, from the event to the ledger: the status of the row."""

import pytest

from channels.zalo.factory import ChannelStores
from consumers.case_notices.message_ids import NoticeMessageIds
from consumers.ledger.entry import notice_entry
from consumers.runtime.errors import RetryLater
from consumers.zalo.stores import BusArticleStore, BusKeyValueStore
from contracts import subjects
from contracts.delivery import BatchKey, Status
from sandbox.zalo.state.templates import shipped_routes
from tests.support.case_pipeline import CASE, EMAIL, ZALO, CasePipeline
from tests.support.crashing_bus import crash_at
from tests.support.gateway_client import open_gateway, sample_event
from tests.support.zalo_notices import BY_PHONE, PHONE, USER_ID, add_person, open_zalo_notices

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
        worker.breaker_store.clock = self.notices.clock

    async def happens(self):
        """The next event, to a person of its own, is taken in."""
        self.number += 1
        mine = self.contact or {"phone": self.phone(self.number), "email": "a@example.com"}
        contact = mine | {"consent": True}
        event = sample_event("updated", id=f"e-{self.number}", contact=contact)
        answer = await self.pipeline.accepted(event)
        assert answer["revision"] == self.number
        entry = notice_entry(self.number, answer["event_id"], self.notices.clock())
        await self.pipeline.notices.start_batch(self.batch(), entry)
        return self.number

    def phone(self, number):
        return f"849{number:08d}"

    def batch(self, channel=ZALO, number=None):
        return BatchKey(channel, CASE, number or self.number, 0)

    async def works(self, number, channel=ZALO):
        """Woken as the queue does, until there is nothing to do now."""
        gate = self.pipeline.workers[channel].channel_gate
        for _ in range(ROUNDS):
            await gate.refresh(gate.current)  # as the service does once a second
            try:
                await self.pipeline.work(channel, number)
            except RetryLater as later:
                self.notices.clock.advance(later.delay_s)
            else:
                break
        return await self.pipeline.status(channel, number)

    async def due(self, number):
        return (await self.pipeline.ledger.state(self.batch(ZALO, number))).value.due


@pytest.fixture
async def notice_case(bus, clock, tmp_path):
    async with open_zalo_notices(tmp_path, clock) as notices, open_gateway(bus, clock) as gateway:
        account = notices.account
        notices.sent = NoticeMessageIds(bus)
        articles = BusArticleStore(bus, account.sandbox.settings.app_id)
        shared = BusKeyValueStore(bus, subjects.CONTROL.name)
        account.elsewhere = ChannelStores(
            account.token_vault, articles, account.key, shared, notices.sent
        )
        case = NoticeCase(CasePipeline(bus, gateway, tmp_path, clock), notices)
        await case.new_process()
        await notices.templates.register(shipped_routes())
        yield case


async def test_who_refuses_us_is_not_asked_again_and_gets_mail(notice_case):
    notice_case.phone = lambda number: "84912345678"
    notice_case.notices.account.fault(BY_PHONE, "refuse", code=-141)
    first = await notice_case.happens()
    assert await notice_case.works(first) == Status.SUPPRESSED
    second = await notice_case.happens()
    assert await notice_case.works(second) == Status.SUPPRESSED
    assert notice_case.notices.messages == []
    assert await notice_case.pipeline.status(EMAIL, second) == Status.PENDING


async def test_a_template_that_is_approved_late_lets_its_rows_go(notice_case):
    """Forty notices wait while Zalo's people look at the template."""
    notices = notice_case.notices
    await notices.set_template("2", status="PENDING_REVIEW")
    numbers = [await notice_case.happens() for _ in range(40)]
    for number in numbers:
        assert await notice_case.works(number) == Status.DEFERRED
    await notices.templates.apply_template_event(shipped_routes()["2"], state="ENABLE")
    notices.clock.now = max([await notice_case.due(number) for number in numbers]) + 1
    await notices.set_template("2", status="ENABLE")
    for number in numbers:
        assert await notice_case.works(number) == Status.DELIVERED
    assert len(notices.messages) == 40


@pytest.mark.parametrize(
    ("point", "messages", "ends"),
    [
        ("zalo.notice_due", 0, Status.UNKNOWN),
        ("zalo.notice_answered", 1, Status.UNKNOWN),
        ("zalo.notice_kept", 1, Status.DELIVERED),
    ],
)
@pytest.mark.parametrize("address", ["phone", "zalo_user_id"])
async def test_a_death_around_the_call_sends_nothing_twice(
    notice_case, point, messages, ends, address
):
    """The next process asks Zalo where it can; it never sends again."""
    add_person(notice_case.notices.account)
    notice_case.contact = {"phone": PHONE} if address == "phone" else {"zalo_user_id": USER_ID}
    number = await notice_case.happens()
    with crash_at(point):
        await notice_case.pipeline.work(ZALO, number)
    await notice_case.new_process()
    notice_case.notices.clock.advance(66)
    assert await notice_case.works(number) == ends
    assert len(notice_case.notices.messages) == messages
    assert await notice_case.notices.amount_reserved("notices") == 1
