"""A relay that refuses a few addresses stops no other row; one that turns all away is seen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from consumers.case_notices.recipients import CaseNotices
from consumers.channel_health import breaker
from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.channel_health.rejections import (
    CONSECUTIVE_LIMIT,
    VERIFIED_LIMIT,
    WINDOW_SIZE,
    RecipientRef,
    RejectionWindow,
    mostly_rejected,
    recipient_refs,
)
from consumers.ledger.wakeups import WakeUp
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import Permit
from consumers.subscribers.quota import HourlyMailQuota
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.transactional import TransactionalMailer, TransactionalRecipients
from consumers.suppression.store import SuppressionStore
from contracts import keys, subjects
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from contracts.subscriptions.transactional import (
    NOTIFICATION_KINDS,
    TransactionalKind,
    TransactionalMail,
)
from tests.support.email_pipeline import EmailPipeline
from tests.support.smtp_receiver import SmtpReceiver

EMAIL = ChannelName.EMAIL
NO = b"554 5.7.1 Recipient address rejected: Access denied"
AWAY = Outcome(Verdict.HELD, "554 5.7.1", 300.0, policy_rejected=True, code="5.7.1")
ENDED = Outcome(Verdict.FAILED, "554 5.7.1", policy_rejected=True, code="5.7.1")
OK, DOUBT = Outcome(Verdict.DELIVERED), Outcome(Verdict.DOUBT, "timeout")
GONE = Outcome(Verdict.FAILED, "550 5.1.1", code="5.1.1")


def readers(count, start=0):
    return [RecipientRef(f"r{number}") for number in range(start, start + count)]


def strangers(count, start=0):
    return [RecipientRef(f"letter-{id}", unverified=True) for id in range(start, start + count)]


def told(*parts):
    door = RejectionWindow()
    for who, outcome in parts:
        door.record(dict.fromkeys(who, outcome))
    return door


# ---- the rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "shut"),
    [
        ([(readers(VERIFIED_LIMIT - 1), AWAY)], False),
        ([(readers(VERIFIED_LIMIT), AWAY)], True),
        ([(readers(VERIFIED_LIMIT), AWAY), (readers(VERIFIED_LIMIT, 50), OK)], False),
        ([(readers(VERIFIED_LIMIT), OK), (readers(VERIFIED_LIMIT + 1, 50), AWAY)], True),
        ([(readers(WINDOW_SIZE), OK), (readers(VERIFIED_LIMIT, 200), AWAY)], False),
        ([(readers(WINDOW_SIZE), OK), (readers(WINDOW_SIZE // 2 + 1, 200), AWAY)], True),
        ([(readers(9), AWAY)] * 50, False),
        ([(strangers(CONSECUTIVE_LIMIT - 1), ENDED)], False),
        ([(strangers(CONSECUTIVE_LIMIT), ENDED)], True),
        ([(strangers(CONSECUTIVE_LIMIT - 1), ENDED), (readers(1), OK)], False),
        ([(strangers(30), ENDED), (readers(1), OK), (strangers(30, 30), ENDED)], False),
        ([(strangers(30), ENDED), (readers(1), GONE), (strangers(30, 30), ENDED)], False),
        ([(strangers(30), ENDED), (readers(1), DOUBT), (strangers(30, 30), ENDED)], True),
        ([(readers(10), OK), (strangers(40), ENDED), (readers(10, 50), AWAY)], True),
    ],
)
def test_of_many_readers_most_shut_the_door_and_of_strangers_only_a_long_row(parts, shut):
    assert told(*parts).blocks_us is shut


@given(st.lists(st.integers(0, 400), max_size=300), st.integers(1, CONSECUTIVE_LIMIT - 1))
def test_strangers_reach_nothing_where_one_of_so_many_mails_is_taken(numbers, every):
    door = RejectionWindow()
    for turn, number in enumerate(numbers):
        [who] = strangers(1, number)
        door.record({who: ENDED})
        if turn % every == 0:
            door.record({RecipientRef("somebody"): OK})
        assert not door.blocks_us
    assert len(door.results) <= WINDOW_SIZE


def test_a_reader_is_known_by_id_and_a_letter_by_its_name():
    batch = BatchKey(EMAIL, "tin", 1, 0)
    assert recipient_refs(batch, ["a", "b", "c"], {2: AWAY}) == [RecipientRef("c")]
    letter = batch._replace(content_id=keys.transactional_content_id("somebody"))
    refs = recipient_refs(letter, [""], {0: AWAY})
    assert refs == [RecipientRef(letter.content_id, unverified=True)]


@pytest.mark.parametrize(
    ("window", "speaks", "most"),
    [
        ([AWAY], None, True),
        ([ENDED], None, True),
        ([AWAY] * 25, None, True),
        ([AWAY] * 13 + [OK] * 12, True, True),
        ([AWAY, OK], True, False),
        ([AWAY, DOUBT, DOUBT], False, True),
        ([OK], True, False),
    ],
)
def test_whom_it_turns_away_says_nothing_of_the_channel_by_the_window(window, speaks, most):
    assert (breaker.score_window(window), mostly_rejected(window)) == (speaks, most)


def test_after_a_strangers_probe_no_other_lane_waits_and_after_its_own_it_does():
    shy = breaker.fail(Breaker(), "a", "554", 100.0, unverified_only=True)
    assert not breaker.is_probe_due(shy, 101.0)
    assert [breaker.is_probe_due(shy, 101.0, lane) for lane in Lane] == [True, False, True, True]
    tries = breaker.start_probe(shy, "a", 101.0, Lane.BULK)
    assert not breaker.is_probe_due(tries, 101.0, Lane.URGENT), "one at a time"
    failed = breaker.fail(tries, "a", "554", 102.0)
    assert not any(breaker.is_probe_due(failed, 103.0, lane) for lane in Lane)
    assert not breaker.succeed_probe(tries, "a", 102.0).shy


# ---- the guard --------------------------------------------------------------------------------


async def test_a_letters_failed_probe_wakes_the_other_lanes_and_its_own_waits(gate, clock):
    for who in strangers(CONSECUTIVE_LIMIT):
        await gate.record_window([ENDED], [who])
    assert (gate.current.state, gate.current.reason) == (BreakerState.OPEN, "554 5.7.1")
    clock.advance(6)
    permit = Permit(Lane.NOTICE)
    with gate.probe_scope(permit):
        assert await gate.may_proceed(permit)
        for lane in (Lane.NORMAL, Lane.URGENT, Lane.NOTICE):
            gate.wait_s(BatchKey(EMAIL, "tin", 1, lane.rank), lane)
        await gate.record_window([ENDED], strangers(1, 900))
    assert gate.current.state is BreakerState.OPEN
    assert [lane for _, lane in gate.woken] == [Lane.URGENT, Lane.NORMAL]
    assert not await gate.may_proceed(Permit(Lane.NOTICE))
    assert await gate.may_proceed(Permit(Lane.NORMAL))
    await gate.record_window([OK], readers(1))
    assert gate.current.is_closed


async def test_a_probe_that_is_mostly_turned_away_has_failed(gate, clock):
    await gate.record_refused_session("away")
    clock.advance(5)
    assert await gate.may_proceed(Permit(Lane.URGENT))
    await gate.record_window([AWAY, AWAY, OK], readers(3))
    assert (gate.current.state, gate.current.failures) == (BreakerState.OPEN, 2)
    assert not await gate.may_proceed(Permit(Lane.URGENT)), "these were no strangers"


# ---- a worker before a relay ------------------------------------------------------------------


class LetterPipeline(EmailPipeline):
    """It sends letters, too."""

    def __init__(self, bus, folder, count, port):
        super().__init__(bus, folder, count, port)
        people = SubscriberStore(bus, b"a secret")
        notices = CaseNotices(bus, self.ledger, self.waker)
        self.letters = TransactionalMailer(
            bus, notices, people, self.clock, HourlyMailQuota(bus, 0, self.clock)
        )
        suppressions = SuppressionStore(bus, b"a secret for tests")
        self.worker.strategies = [TransactionalRecipients(bus, suppressions)]

    async def write(self, address, kind=TransactionalKind.CONFIRM) -> BatchKey:
        now = datetime.fromtimestamp(self.clock(), UTC)
        letter = TransactionalMail(
            kind=kind, address=address, path="/dang-ky/xac-nhan/abc",
            at=now, expires_at=now + timedelta(hours=72),
        )  # fmt: skip
        batch = BatchKey(EMAIL, await self.letters.send(letter), 1, 0)
        await self.worker.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NOTICE))
        return batch

    async def breaker(self):
        return await self.circuit.update(lambda one: one)


@pytest.fixture
def new_letter_pipeline(bus, tmp_path):
    return lambda port, count=3: LetterPipeline(bus, tmp_path, count, port)


def blocked(count):
    return {("RCPT", f"n{number}@blocked.example"): NO for number in range(count)}


@pytest.mark.promise("8.5")
async def test_letters_turned_away_end_and_an_urgent_item_leaves_at_once(new_letter_pipeline):
    async with SmtpReceiver(script=blocked(20)) as receiver:
        loa = new_letter_pipeline(receiver.port)
        for number in range(20):
            batch = await loa.write(f"n{number}@blocked.example")
            entry = await loa.entry_of(batch)
            assert (entry.rows, entry.notes[0].reason) == (b"x", "554 5.7.1")
        assert (await loa.breaker()) == Breaker(), "it was never opened"
        assert not await loa.bus.bucket(subjects.NOTICES.name).keys(""), "and none is kept"
        urgent = await loa.plan(lane=Lane.URGENT)
        await loa.work(urgent, lane=Lane.URGENT)
        assert await loa.status_counts(urgent) == {Status.DELIVERED: 3}


@pytest.mark.parametrize("kind", TransactionalKind)
async def test_a_letter_to_ask_for_again_ends_and_one_on_an_act_waits(new_letter_pipeline, kind):
    async with SmtpReceiver(script=blocked(1)) as receiver:
        loa = new_letter_pipeline(receiver.port)
        entry = await loa.entry_of(await loa.write("n0@blocked.example", kind))
        assert entry.rows == (b"r" if kind in NOTIFICATION_KINDS else b"x")
        assert (await loa.breaker()).is_closed


@pytest.mark.promise("8.5")
async def test_letters_alone_show_that_all_are_refused_and_no_item_waits(new_letter_pipeline):
    async with SmtpReceiver(always={"RCPT": NO}) as receiver:
        loa = new_letter_pipeline(receiver.port)
        for number in range(CONSECUTIVE_LIMIT):
            assert (await loa.breaker()).is_closed
            await loa.write(f"n{number}@blocked.example")
        assert (await loa.breaker()).state is BreakerState.OPEN
        with pytest.raises(RetryLater):
            await loa.write("another@example.com")
        receiver.always.clear()
        urgent = await loa.plan(lane=Lane.URGENT)
        await loa.work(urgent, lane=Lane.URGENT)
        assert await loa.status_counts(urgent) == {Status.DELIVERED: 3}
        assert (await loa.breaker()).is_closed


@pytest.mark.promise("8.5")
async def test_a_relay_that_refuses_every_reader_opens_the_breaker_alone(new_letter_pipeline):
    async with SmtpReceiver(always={"RCPT": b"554 5.7.1 Relay access denied"}) as receiver:
        loa = new_letter_pipeline(receiver.port, 100)
        plan = await loa.plan(content_id="tin")
        with pytest.raises(RetryLater):
            await loa.work(plan)
        assert not (await loa.breaker()).is_closed
        assert receiver.number < VERIFIED_LIMIT, "and the others are not tried"
        assert set(await loa.status_counts(plan)) == {Status.DEFERRED, Status.PENDING}
        receiver.always.clear()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 100}
        assert (await loa.breaker()).is_closed


async def test_a_reader_who_is_turned_away_waits_alone_and_the_batch_goes_on(new_letter_pipeline):
    async with SmtpReceiver(script={("RCPT", "r000001@example.com"): NO}) as receiver:
        loa = new_letter_pipeline(receiver.port, 100)
        plan = await loa.plan()
        await loa.work(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 99, Status.DEFERRED: 1}
        assert (await loa.breaker()).is_closed


async def test_a_relay_that_is_away_is_away_for_letters_too(new_letter_pipeline):
    async with SmtpReceiver() as receiver:
        loa = new_letter_pipeline(receiver.port)

        async def away(_relay, _timeout_s):
            raise Unreachable("no connection")

        loa.provider.pool.open = away
        with pytest.raises(RetryLater):
            await loa.write("an@example.com")
        assert not (await loa.breaker()).shy
