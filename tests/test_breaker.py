"""The breaker's rules as tables and walks, and the guard that acts on them on a real bus."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.errors import Misconfigured, Unreachable
from consumers import breaker, circuit
from consumers.breaker import PROBE_S, RELAPSE_S, WAITS_S, Breaker, State
from consumers.circuit import Circuit
from consumers.guard import FRESH_S, Guard
from consumers.lanes import Pass
from consumers.settle import Later
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from producers.bus import Bus, Silence
from tests.fakes import People, Provider, people
from tests.test_delivery import House

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
NEXT_S = 5 + Lane.NORMAL.rank
"""When a normal batch is tried again after the first trouble."""
NOW = 1_800_000_000.0
OPEN = breaker.trip(Breaker(), "a", "no connection", NOW)
DELIVERED, DOUBT = Outcome(Verdict.DELIVERED), Outcome(Verdict.DOUBT)
UNSENT, LOST = Outcome(Verdict.UNSENT, "deadline"), Outcome(Verdict.UNSENT, "421", trouble=True)
NOT_ASKED = Outcome(Verdict.DEFERRED, "the article is not live", asked=False)
HELD, NO_TOKEN = Outcome(Verdict.HELD, "quota"), Outcome(Verdict.HELD, "token", trouble=True)


# ---- the rules --------------------------------------------------------------------------------


def test_trouble_opens_it_and_says_since_when_why_and_until_when():
    assert Breaker(State.OPEN, NOW, "no connection", 1, NOW + WAITS_S[0]) == OPEN
    assert breaker.trip(OPEN, "b", "another", NOW + 1) is OPEN, "it is open already"


def test_waits_grow_to_half_a_minute_and_no_further():
    now, one, waits = NOW, OPEN, []
    for _ in range(6):
        waits.append(one.until - now)
        now = one.until
        one = breaker.fail(breaker.probe(one, "a", now), "a", "no connection", now)
    assert waits == [5, 15, 30, 30, 30, 30]
    assert (one.since, one.failures) == (NOW, 7)


def test_one_probe_at_a_time_and_a_dead_one_is_replaced():
    early = breaker.probe(OPEN, "a", NOW + 4)
    assert early is OPEN
    first = breaker.probe(OPEN, "a", NOW + 5)
    assert (first.state, first.who) == (State.HALF_OPEN, "a")
    assert breaker.probe(first, "b", NOW + 5 + PROBE_S - 1) is first
    second = breaker.probe(first, "b", NOW + 5 + PROBE_S)
    assert second.who == "b"
    for late in (breaker.fail, breaker.succeed, breaker.abandon):
        arguments = ("x", NOW + 99) if late is breaker.fail else (NOW + 99,)
        assert late(second, "a", *arguments) is second, "only the last to try has a say"


def test_a_success_closes_it_and_an_empty_probe_makes_room_at_once():
    trying = breaker.probe(OPEN, "a", NOW + 5)
    closed = breaker.succeed(trying, "a", NOW + 6)
    assert (closed.state, closed.since, closed.reason) == (State.CLOSED, NOW + 6, "")
    left = breaker.abandon(trying, "a", NOW + 6)
    assert (left.state, left.failures) == (State.OPEN, 1)
    assert breaker.due(left, NOW + 6)


def test_a_relapse_goes_on_where_it_left_off_and_a_new_trouble_begins_anew():
    one = replace(OPEN, failures=3)
    closed = breaker.succeed(breaker.probe(one, "a", NOW + 5), "a", NOW + 6)
    soon = breaker.trip(closed, "a", "421", NOW + 7)
    assert (soon.failures, soon.until - NOW - 7) == (4, 30)
    later = breaker.trip(closed, "a", "421", NOW + 7 + RELAPSE_S)
    assert (later.failures, later.until - later.since) == (1, 5)


def test_a_worker_that_alone_has_trouble_does_not_stop_one_that_has_just_succeeded():
    closed = breaker.succeed(breaker.probe(OPEN, "b", NOW + 5), "b", NOW + 6)
    assert breaker.trip(closed, "a", "no connection", NOW + 10) is closed
    assert not breaker.trip(closed, "b", "no connection", NOW + 10).is_closed


def test_a_clock_that_was_set_back_keeps_nobody_waiting():
    assert breaker.due(OPEN, NOW - 86400)
    assert not breaker.due(Breaker(), NOW)


@pytest.mark.parametrize(
    ("window", "speaks"),
    [
        ([DELIVERED] * 25, True),
        ([Outcome(Verdict.FAILED)], True),
        ([Outcome(Verdict.DEFERRED, "451")], True),
        ([HELD], True),
        ([DELIVERED] * 10 + [DOUBT] + [UNSENT] * 14, True),
        ([DOUBT] + [UNSENT] * 24, False),
        ([LOST] * 25, False),
        ([NO_TOKEN], False),
        ([DELIVERED, DOUBT, DOUBT], False),
        ([UNSENT] * 25, None),
        ([NOT_ASKED], None),
        ([NOT_ASKED, DOUBT], False),
        ([], None),
    ],
    ids=str,
)
def test_a_window_speaks_for_the_channel_or_against_it_or_says_nothing(window, speaks):
    assert breaker.mark(window) is speaks


def test_three_bad_windows_of_late_open_it_when_they_are_half_of_all():
    assert not breaker.strained([False, False])
    assert breaker.strained([False, False, False])
    assert not breaker.strained([True] * 4 + [False] * 3)
    assert breaker.strained([True] * 4 + [False] * 4)


def test_what_is_stored_reads_back_and_an_older_note_reads_as_closed():
    assert breaker.decode(breaker.encode(OPEN)) == OPEN
    assert breaker.decode(b'{"until": 1, "reason": "no connection"}') == Breaker()
    newer = breaker.encode(OPEN).replace(b"{", b'{"added_later": 1, ')
    assert breaker.decode(newer) == OPEN


# ---- the store --------------------------------------------------------------------------------


async def test_every_process_sees_it_and_a_restart_changes_nothing(nats_server, bus, clock):
    await Circuit(bus, EMAIL, clock).change(lambda one: breaker.trip(one, "a", "away", clock()))
    async with await Bus.connect(nats_server.url) as other:
        assert (await circuit.breakers(other))[EMAIL].reason == "away"
        assert await circuit.tripped(other) == {EMAIL}


async def test_of_many_that_try_at_once_one_wins(bus, clock):
    mail = Circuit(bus, EMAIL, clock)
    await mail.change(lambda one: breaker.trip(one, "a", "away", clock()))
    clock.advance(5)

    async def attempt(who):
        now = await mail.change(lambda one: breaker.probe(one, who, clock()))
        return breaker.probes(now, who)

    won = await asyncio.gather(*(attempt(f"w{number}") for number in range(12)))
    assert won.count(True) == 1


async def test_an_outage_is_one_story_in_the_log(bus, clock):
    mail = Circuit(bus, EMAIL, clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await mail.change(lambda one: breaker.trip(one, "a", "away", clock()))
        for end in (breaker.fail, breaker.succeed):
            clock.advance(30)
            await mail.change(lambda one: breaker.probe(one, "a", clock()))
            more = ("away", clock()) if end is breaker.fail else (clock(),)
            await mail.change(lambda one, end=end, more=more: end(one, "a", *more))
    told = [(one["event"], one["log_level"], one.get("lasted_s")) for one in logs]
    assert told == [
        ("breaker_opened", "warning", None),
        ("breaker_half_open", "info", 30),
        ("breaker_stays_open", "info", 30),
        ("breaker_half_open", "info", 60),
        ("breaker_closed", "warning", 60),
    ]
    assert {one["reason"] for one in logs} == {"away"}


# ---- the guard --------------------------------------------------------------------------------


class Watch:
    """A guard, and whom it woke."""

    def __init__(self, bus, clock, who="a"):
        self.woken, self.pause = [], False
        self.guard = Guard(Circuit(bus, EMAIL, clock), who, self.wake, lambda: self.pause, clock)

    async def wake(self, batch, lane):
        self.woken.append((batch.number, lane))


@pytest.fixture
def watch(bus, clock):
    return Watch(bus, clock)


def a_batch(number=0):
    return BatchKey(EMAIL, "tin", 1, number)


async def test_a_refused_session_opens_it_unless_others_work_at_this_moment(watch, clock):
    await watch.guard.heard([DELIVERED])
    assert not await watch.guard.refused("too many connections")
    assert watch.guard.now.is_closed
    clock.advance(FRESH_S)
    assert await watch.guard.refused("no connection")
    assert watch.guard.now.state is State.OPEN


async def test_lost_connections_open_it_and_one_lost_connection_does_not(watch):
    for _ in range(2):
        await watch.guard.heard([DOUBT, UNSENT])
    assert watch.guard.now.is_closed
    await watch.guard.heard([LOST])
    assert (watch.guard.now.state, watch.guard.now.reason) == (State.OPEN, "421")


async def test_an_operators_matter_opens_it_and_a_quota_of_one_item_does_not(watch):
    for _ in range(9):
        await watch.guard.heard([HELD])
    assert watch.guard.now.is_closed
    for _ in range(8):
        await watch.guard.heard([NO_TOKEN])
    assert watch.guard.now.state is State.OPEN


async def test_of_two_batches_of_one_worker_only_one_tries(watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    permits = [Pass(Lane.URGENT), Pass(Lane.URGENT)]
    assert sorted(await asyncio.gather(*map(watch.guard.lets, permits))) == [False, True]


async def test_a_lower_lane_leaves_the_first_try_to_a_higher_one(watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    assert not await watch.guard.lets(Pass(Lane.BULK))
    assert not await watch.guard.lets(Pass(Lane.NORMAL))
    assert await watch.guard.lets(Pass(Lane.URGENT))


async def test_nobody_tries_during_a_pause(watch, clock):
    await watch.guard.refused("away")
    clock.advance(500)
    watch.pause = True
    assert not await watch.guard.lets(Pass(Lane.URGENT))
    assert watch.guard.now.state is State.OPEN


async def test_scouts_come_for_the_next_try_and_the_others_ever_later(watch, clock):
    await watch.guard.refused("away")
    assert watch.guard.wait_s(a_batch(0), Lane.URGENT) == 5
    assert watch.guard.wait_s(a_batch(1), Lane.BULK) == 5 + Lane.BULK.rank
    others = [watch.guard.wait_s(a_batch(number), Lane.URGENT) for number in range(2, 102)]
    assert 15 <= min(others) < max(others) <= 30
    assert len(set(others)) > 50, "spread"
    clock.advance(3600)
    watch.guard.scouts[Lane.URGENT] = watch.guard.scouts[Lane.URGENT]._replace(at=clock() + 9)
    others = [watch.guard.wait_s(a_batch(number), Lane.URGENT) for number in range(2, 102)]
    assert 900 <= min(others) < max(others) <= 1800


async def test_whoever_comes_when_the_scout_is_expected_takes_its_place(watch, clock):
    """Of several processes the queue may give the scout to another one."""
    await watch.guard.refused("away")
    watch.guard.wait_s(a_batch(0), Lane.URGENT)
    clock.advance(4.5)
    assert watch.guard.wait_s(a_batch(1), Lane.URGENT) == pytest.approx(0.5)
    assert watch.guard.wait_s(a_batch(0), Lane.URGENT) == pytest.approx(0.5), "both, near the end"


async def test_a_recovery_or_a_resume_wakes_the_scouts_most_urgent_first(watch, clock):
    await watch.guard.refused("away")
    for number, lane in enumerate((Lane.BULK, Lane.URGENT, Lane.NORMAL)):
        watch.guard.wait_s(a_batch(number), lane)
    clock.advance(5)
    permit = Pass(Lane.URGENT)
    async with watch.guard.judged(permit):
        assert await watch.guard.lets(permit)
        await watch.guard.heard([DELIVERED])
    assert watch.guard.now.is_closed
    assert watch.woken == [(1, Lane.URGENT), (2, Lane.NORMAL), (0, Lane.BULK)]
    watch.woken.clear()
    watch.pause = True
    await watch.guard.attend(watch.guard.now)
    watch.guard.wait_s(a_batch(4), Lane.NORMAL)
    watch.pause = False
    await watch.guard.attend(watch.guard.now)
    assert watch.woken == [(4, Lane.NORMAL)]


async def test_a_probe_without_an_answer_makes_room(watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    permit = Pass(Lane.URGENT)
    with pytest.raises(Later):
        async with watch.guard.judged(permit):
            assert await watch.guard.lets(permit)
            raise Later(1, "owned by another worker")
    assert (watch.guard.now.state, watch.guard.now.failures) == (State.OPEN, 1)
    assert await watch.guard.lets(Pass(Lane.URGENT)), "the next one, at once"


async def test_a_probe_that_a_restart_cut_short_is_given_up_at_the_start(bus, watch, clock):
    await watch.guard.refused("away")
    clock.advance(5)
    assert await watch.guard.lets(Pass(Lane.URGENT))
    heir = Watch(bus, clock)
    await heir.guard.attend(watch.guard.now)
    assert heir.guard.now.state is State.OPEN
    assert await heir.guard.lets(Pass(Lane.URGENT))


async def test_a_probe_that_began_although_the_answer_was_lost_makes_room(
    watch, clock, monkeypatch
):
    await watch.guard.refused("away")
    clock.advance(5)
    change = watch.guard.circuit.change

    async def unheard(move):
        await change(move)
        raise Silence("no answer")

    monkeypatch.setattr(watch.guard.circuit, "change", unheard)
    assert not await watch.guard.lets(Pass(Lane.URGENT))
    monkeypatch.setattr(watch.guard.circuit, "change", change)
    stands = await change(lambda one: one)
    assert stands.state is State.HALF_OPEN
    await watch.guard.attend(stands)
    assert await watch.guard.lets(Pass(Lane.URGENT)), "at once, and not when the lost one lapses"


async def test_a_silent_bus_changes_nothing(watch, monkeypatch):
    async def silent(_move):
        raise Silence("no answer")

    monkeypatch.setattr(watch.guard.circuit, "change", silent)
    assert not await watch.guard.refused("away")
    assert watch.guard.now.is_closed


# ---- a worker behind it -----------------------------------------------------------------------


@pytest.fixture
def house(bus, tmp_path):
    return lambda count=3, **kw: House(bus, tmp_path, People(people(count)), Provider(**kw))


async def again(loa, plan):
    with pytest.raises(Later) as later:
        await loa.work(plan)
    return later.value.delay_s


@pytest.mark.parametrize("down", [Unreachable("connect"), Misconfigured("AUTH 535")], ids=str)
async def test_while_it_is_open_nobody_dials_and_no_row_is_touched(house, down):
    loa = house(2, down=down)
    plan = await loa.plan()
    await again(loa, plan)
    before = await loa.entry(plan)
    loa.provider.down = AssertionError("dialled")
    assert [await again(loa, plan) for _ in range(3)] == [NEXT_S] * 3
    assert await loa.entry(plan) == before
    loa.provider.down = None
    loa.clock.forward(NEXT_S)
    await loa.work(plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 2}
    assert not await circuit.tripped(loa.bus)


async def test_what_is_over_ends_while_it_is_open_and_nobody_dials_for_it(house):
    loa = house(2, down=Unreachable("connect"))
    dated = await loa.plan(expires_at="2027-01-15T08:00:30Z")
    await again(loa, dated)
    assert await again(loa, dated) == NEXT_S
    loa.clock.forward(27)
    loa.provider.down = AssertionError("dialled")
    await loa.circuit.change(
        lambda one: replace(one, until=loa.clock() + 30)
    )  # somebody tried in vain
    loa.worker.guard.now = (await circuit.breakers(loa.bus))[EMAIL]
    assert await again(loa, dated) == 3, "not beyond its end"
    loa.clock.forward(3)
    with structlog.testing.capture_logs() as logs:
        await loa.work(dated)
    assert await loa.counts(dated) == {Status.EXPIRED: 2}
    assert ("rows_expired", 2) in [(one["event"], one.get("rows")) for one in logs]


async def test_a_row_that_only_waits_for_its_end_keeps_its_wake_up(house):
    later = [Outcome(Verdict.DEFERRED, "451"), Outcome(Verdict.DELIVERED)]
    loa = house(1, answer=lambda row: later.pop(0))
    plan = await loa.plan(expires_at="2027-01-15T08:00:04Z")
    await loa.work(plan)
    await loa.circuit.change(lambda one: breaker.trip(one, "b", "away", loa.clock()))
    loa.worker.guard.now = (await circuit.breakers(loa.bus))[EMAIL]
    loa.clock.forward(3.5)
    assert await again(loa, plan) == pytest.approx(0.5)
    loa.clock.forward(0.5)
    await loa.work(plan)
    assert await loa.counts(plan) == {Status.EXPIRED: 1}
