"""The bounce sample of one worker raises suspicion; the exact count from the ledger decides."""

import asyncio
from contextlib import suppress

import pytest
import structlog

from channels.base import Verdict
from consumers.email import bounce_monitor, bounce_stops
from consumers.email.bounce_sample import RECOUNT_GROWTH, BounceSample, PlanSample
from consumers.email.policy import EmailSendPolicy
from consumers.ledger.errors import LedgerError
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, ChannelName, PlanKey, Status
from producers.bus import NoReply
from tests.support.bounce_pipeline import BouncePipeline, refusal
from tests.support.scripted_channel import OK

LATER = refusal("4.2.1", Verdict.DEFERRED)
PLAN = PlanKey(ChannelName.EMAIL, "tin", 1)


@pytest.fixture
def new_bounce_pipeline(bus, tmp_path):
    return lambda count, **provider: BouncePipeline(bus, tmp_path, count, **provider)


@pytest.fixture
def counted_plans(monkeypatch):
    """Return the plans that were counted in the ledger."""
    plans, real = [], bounce_monitor.count_in_ledger

    async def counted(ledger, plan):
        plans.append(plan)
        return await real(ledger, plan)

    monkeypatch.setattr(bounce_monitor, "count_in_ledger", counted)
    return plans


async def send_once(loa: BouncePipeline, plan: PlanKey) -> None:
    for number in range((await loa.ledger.plan(plan)).value.count):
        with suppress(RetryLater):
            await loa.work(plan, number)


async def test_after_a_restart_what_was_put_off_is_not_all(new_bounce_pipeline, counted_plans):
    loa = new_bounce_pipeline(3000)
    slow = loa.readers.ids[1900:]
    loa.answers = dict.fromkeys(slow, LATER)
    plan = await loa.plan()
    await send_once(loa, plan)
    loa.worker.policy = restarted = EmailSendPolicy(loa.bus, loa.worker.semaphore, loa.clock)
    loa.answers = dict.fromkeys(slow[::9], refusal("5.1.1"))
    loa.clock.advance(7200)
    await send_once(loa, plan)
    await restarted.refresh()
    assert await loa.status_counts(plan) == {Status.DELIVERED: 2877, Status.FAILED: 123}
    assert (await bounce_stops.load_stops(loa.bus)).plans == {}, "4 % of all, 11 % of what it saw"
    assert counted_plans == [plan], "a false alarm counts the ledger once"
    count = restarted.sample.plans[plan]
    assert (count.mails, count.codes) == (3000, {"5.1.1": 123})


async def test_eight_connections_alarmed_together_ask_once(new_bounce_pipeline, counted_plans):
    loa = new_bounce_pipeline(2000, connections=8)
    loa.answers = dict.fromkeys(loa.readers.ids[::9], refusal("5.1.1"))
    plan = await loa.plan()
    said = [loa.answers.get(one, OK) for one in loa.readers.ids[:1000]]
    batches = [BatchKey(*plan, number) for number in range(4)]
    outcomes = dict(enumerate(said))
    await asyncio.gather(*(loa.sending.after_commit(batch, outcomes) for batch in batches))
    assert counted_plans == [plan]
    assert not loa.sending.is_stopped(plan), "nothing is in the ledger"


async def test_eight_connections_wait_for_a_silent_bus_at_once(new_bounce_pipeline, monkeypatch):
    async def silent(*_):
        tries.append(1)
        await asyncio.sleep(0)
        raise NoReply("no answer")

    tries: list[int] = []
    monkeypatch.setattr(bounce_monitor, "count_in_ledger", silent)
    loa, batch = new_bounce_pipeline(1), BatchKey(*PLAN, 0)
    outcomes = dict.fromkeys(range(1000), refusal("5.1.1"))
    await asyncio.gather(*(loa.sending.after_commit(batch, outcomes) for _ in range(8)))
    assert len(tries) == 1
    await loa.sending.after_commit(batch, {0: OK})
    assert len(tries) == 2, "the next window brings it up again"


def test_what_the_ledger_has_said_holds_for_a_hundredth_more_mails():
    tally, bad = BounceSample(), [refusal("5.1.1")]
    assert tally.add_window(PLAN, bad * 999, 0.0).is_large_enough is False
    assert tally.add_window(PLAN, bad, 0.0).is_large_enough
    tally.replace_with_ledger_count(PLAN, 10_000, bounce_monitor.recipient_codes(["5.1.1"] * 990))
    count = tally.add_window(PLAN, bad * 99, 0.0)
    assert (count.is_large_enough, count.suspected_stop(0.0)) == (False, None)
    count = tally.add_window(PLAN, bad, 0.0)
    assert count.mails == 10_000 * RECOUNT_GROWTH
    assert count.is_large_enough
    assert count.suspected_stop(0.0).is_stopped


@pytest.mark.parametrize(
    ("mails", "failed", "state"),
    [
        (99, 99, None), (100, 9, None), (100, 10, "stopped"), (999, 99, None),
        (1000, 49, None), (1000, 50, "warned"), (1000, 99, "warned"), (1000, 100, "stopped"),
        (20_000, 999, None), (20_000, 1000, "warned"),
    ],
)  # fmt: skip
def test_how_much_is_suspect(mails, failed, state):
    codes = bounce_monitor.recipient_codes(["5.1.1"] * failed)
    found = PlanSample(mails, codes).suspected_stop(0.0)
    assert (found and found.state) == state


async def test_a_warning_stands_and_is_not_asked_for_again(new_bounce_pipeline, counted_plans):
    loa = new_bounce_pipeline(2500)
    loa.answers = dict.fromkeys(loa.readers.ids[::15], refusal("5.1.1"))
    plan = await loa.plan()
    await send_once(loa, plan)
    assert counted_plans == [plan]
    assert (await bounce_stops.load_stops(loa.bus)).plans[str(plan)].state == "warned"
    assert loa.sending.suspected_plans() == []


async def test_a_ledger_that_cannot_be_counted_stops_no_batch(new_bounce_pipeline, monkeypatch):
    async def counted(*_):
        raise LedgerError("state.email.tin.1.0 is missing")

    loa = new_bounce_pipeline(1000)
    loa.answers = dict.fromkeys(loa.readers.ids[::9], refusal("5.1.1"))
    loa.answers[loa.readers.ids[-1]] = refusal("4.7.0", Verdict.DEFERRED)
    plan = await loa.plan()
    monkeypatch.setattr(bounce_monitor, "count_in_ledger", counted)
    with structlog.testing.capture_logs() as logs:
        await send_once(loa, plan)
        loa.answers = {}
        loa.clock.advance(7200)
        await send_once(loa, plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 889, Status.FAILED: 111}
    assert {"bus_trouble", "mail_slowed"} <= {one["event"] for one in logs}, "the pace is minded"
    assert not loa.sending.is_stopped(plan)


async def test_a_look_that_is_answered_late_takes_no_stop_back(new_bounce_pipeline, monkeypatch):
    loa = new_bounce_pipeline(1000)
    loa.answers = dict.fromkeys(loa.readers.ids[::9], refusal("5.1.1"))
    plan = await loa.plan()
    other = bounce_stops.BounceStop(state="stopped", at=loa.clock(), mails=1000, failed=500)
    await bounce_stops.apply_verdict(loa.bus, PLAN, other)
    control = loa.bus.bucket("control")
    many, read, go = control.get_many, asyncio.Event(), asyncio.Event()

    async def late(keys, **options):
        found = await many(keys, **options)
        read.set()
        await go.wait()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(type(control), "get_many", lambda _, *keys, **given: late(*keys, **given))
        looking = asyncio.create_task(loa.sending.refresh())
        await read.wait()
    sending = asyncio.create_task(send_once(loa, plan))
    while loa.sending.sample.plans.get(plan, PlanSample()).mails < 1000:
        await asyncio.sleep(0)
    for _ in range(50):  # longer than a ledger count and the write of a stop take without waiting
        await control.get(bounce_stops.STOPS_KEY)
    go.set()
    await asyncio.gather(looking, sending)
    assert loa.sending.is_stopped(plan)


async def test_every_mail_with_a_final_word_is_one_of_the_mails(new_bounce_pipeline):
    loa = new_bounce_pipeline(22)
    plan = await loa.plan()
    batch = BatchKey(*plan, 0)
    held = await loa.ledger.state(batch)
    rows = dict(enumerate(b"dDxXkK" + b"pPsSrRuUeEwWvVpp"))
    await loa.ledger.swap(batch, held, held.value.with_rows(rows, {}), until=float("inf"))
    assert await bounce_monitor.count_in_ledger(loa.ledger, plan) == (6, {})
    assert await loa.brake.count_mails(plan) == 6
    assert await bounce_monitor.count_in_ledger(loa.ledger, PLAN) == (0, {})
