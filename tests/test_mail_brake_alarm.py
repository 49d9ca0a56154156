"""What one worker has seen raises suspicion; the ledger, which knows all mails, judges."""

import asyncio
from contextlib import suppress

import pytest
import structlog

from channels.base import Verdict
from consumers.ledger.store import LedgerError
from consumers.mail import brake, brakes
from consumers.mail.sending import Sending
from consumers.mail.tally import AGAIN, Count, Tally
from consumers.settle import Later
from contracts.delivery import BatchKey, ChannelName, PlanKey, Status
from producers.bus import Silence
from tests.fakes import OK
from tests.mail_back import MailBack, refused

LATER = refused("4.2.1", Verdict.DEFERRED)
PLAN = PlanKey(ChannelName.EMAIL, "tin", 1)


@pytest.fixture
def house(bus, tmp_path):
    return lambda count, **provider: MailBack(bus, tmp_path, count, **provider)


@pytest.fixture
def asked(monkeypatch):
    """The publications about which the ledger was asked."""
    plans, real = [], brake.counted

    async def counted(ledger, plan):
        plans.append(plan)
        return await real(ledger, plan)

    monkeypatch.setattr(brake, "counted", counted)
    return plans


async def send_once(loa: MailBack, plan: PlanKey) -> None:
    for number in range((await loa.ledger.plan(plan)).value.count):
        with suppress(Later):
            await loa.work(plan, number)


async def test_after_a_restart_what_was_put_off_does_not_stand_for_all(house, asked):
    loa = house(3000)
    slow = loa.readers.ids[1900:]
    loa.answers = dict.fromkeys(slow, LATER)
    plan = await loa.plan()
    await send_once(loa, plan)
    loa.worker.conduct = restarted = Sending(loa.bus, loa.worker.gate, loa.clock)
    loa.answers = dict.fromkeys(slow[::9], refused("5.1.1"))
    loa.clock.forward(7200)
    await send_once(loa, plan)
    await restarted.look()
    assert await loa.counts(plan) == {Status.DELIVERED: 2877, Status.FAILED: 123}
    assert (await brakes.standing(loa.bus)).plans == {}, "4 % of all, 11 % of what it has seen"
    assert asked == [plan], "a false alarm counts the ledger once"
    count = restarted.tally.plans[plan]
    assert (count.mails, count.codes) == (3000, {"5.1.1": 123})


async def test_eight_connections_that_are_alarmed_together_ask_once(house, asked):
    loa = house(2000, connections=8)
    loa.answers = dict.fromkeys(loa.readers.ids[::9], refused("5.1.1"))
    plan = await loa.plan()
    said = [loa.answers.get(one, OK) for one in loa.readers.ids[:1000]]
    batches = [BatchKey(*plan, number) for number in range(4)]
    outcomes = dict(enumerate(said))
    await asyncio.gather(*(loa.sending.heard(batch, outcomes) for batch in batches))
    assert asked == [plan]
    assert not loa.sending.stops(plan), "nothing is in the ledger"


async def test_eight_connections_do_not_wait_for_a_silent_bus_one_after_the_other(
    house, monkeypatch
):
    async def silent(*_):
        tries.append(1)
        await asyncio.sleep(0)
        raise Silence("no answer")

    tries: list[int] = []
    monkeypatch.setattr(brake, "counted", silent)
    loa, batch = house(1), BatchKey(*PLAN, 0)
    outcomes = dict.fromkeys(range(1000), refused("5.1.1"))
    await asyncio.gather(*(loa.sending.heard(batch, outcomes) for _ in range(8)))
    assert len(tries) == 1
    await loa.sending.heard(batch, {0: OK})
    assert len(tries) == 2, "the next window brings it up again"


def test_what_the_ledger_has_said_holds_for_a_hundredth_more_mails():
    tally, bad = Tally(), [refused("5.1.1")]
    assert tally.add(PLAN, bad * 999, 0.0).enough is False
    assert tally.add(PLAN, bad, 0.0).enough
    tally.learn(PLAN, 10_000, brake.unreached(["5.1.1"] * 990))
    count = tally.add(PLAN, bad * 99, 0.0)
    assert (count.enough, count.suspicion(0.0)) == (False, None)
    count = tally.add(PLAN, bad, 0.0)
    assert count.mails == 10_000 * AGAIN
    assert count.enough
    assert count.suspicion(0.0).stops


@pytest.mark.parametrize(
    ("mails", "failed", "state"),
    [
        (99, 99, None), (100, 9, None), (100, 10, "stopped"), (999, 99, None),
        (1000, 49, None), (1000, 50, "warned"), (1000, 100, "stopped"),
    ],
)  # fmt: skip
def test_how_much_is_suspect(mails, failed, state):
    found = Count(mails, brake.unreached(["5.1.1"] * failed)).suspicion(0.0)
    assert (found and found.state) == state


async def test_a_warning_stands_and_is_not_asked_for_again(house, asked):
    loa = house(2500)
    loa.answers = dict.fromkeys(loa.readers.ids[::15], refused("5.1.1"))
    plan = await loa.plan()
    await send_once(loa, plan)
    assert asked == [plan]
    assert (await brakes.standing(loa.bus)).plans[str(plan)].state == "warned"
    assert loa.sending.suspects() == []


async def test_a_ledger_that_cannot_be_counted_does_not_stop_a_batch(house, monkeypatch):
    async def counted(*_):
        raise LedgerError("state.email.tin.1.0 is missing")

    loa = house(1000)
    loa.answers = dict.fromkeys(loa.readers.ids[::9], refused("5.1.1"))
    loa.answers[loa.readers.ids[-1]] = refused("4.7.0", Verdict.DEFERRED)
    plan = await loa.plan()
    monkeypatch.setattr(brake, "counted", counted)
    with structlog.testing.capture_logs() as logs:
        await send_once(loa, plan)
        loa.answers = {}
        loa.clock.forward(7200)
        await send_once(loa, plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 889, Status.FAILED: 111}
    assert {"bus_trouble", "mail_slowed"} <= {one["event"] for one in logs}, "the pace is minded"


async def test_a_look_that_is_answered_late_takes_no_stop_back(house, monkeypatch):
    loa = house(1000)
    loa.answers = dict.fromkeys(loa.readers.ids[::9], refused("5.1.1"))
    plan = await loa.plan()
    other = brakes.Brake(state="stopped", at=loa.clock(), mails=1000, failed=500)
    await brakes.apply(loa.bus, PLAN, other)
    control = loa.bus.bucket("control")
    many, read, go = control.many, asyncio.Event(), asyncio.Event()

    async def late(keys, **options):
        found = await many(keys, **options)
        read.set()
        await go.wait()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(type(control), "many", lambda one, *keys, **options: late(*keys, **options))
        looking = asyncio.create_task(loa.sending.look())
        await read.wait()
    sending = asyncio.create_task(send_once(loa, plan))
    while loa.sending.tally.plans.get(plan, Count()).mails < 1000:
        await asyncio.sleep(0)
    for _ in range(50):  # longer than it takes to ask the ledger and write a stop, if nobody waits
        await control.get(brakes.KEY)
    go.set()
    await asyncio.gather(looking, sending)
    assert loa.sending.stops(plan)


async def test_every_mail_of_which_something_final_was_said_is_one_of_the_mails(house):
    loa = house(22)
    plan = await loa.plan()
    batch = BatchKey(*plan, 0)
    held = await loa.ledger.state(batch)
    rows = dict(enumerate(b"dDxXkK" + b"pPsSrRuUeEwWvVpp"))
    await loa.ledger.swap(batch, held, held.value.put(rows, {}), until=float("inf"))
    assert await brake.counted(loa.ledger, plan) == (6, {})
    assert await loa.brake.mails(plan) == 6
    assert await brake.counted(loa.ledger, PLAN) == (0, {})
