"""The breaker's rules as tables and walks, and the store that every process reads them from."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from channels.base import Outcome, Verdict
from consumers import breaker, circuit
from consumers.breaker import PROBE_S, RELAPSE_S, WAITS_S, Breaker, State
from consumers.circuit import Circuit
from contracts.delivery import ChannelName
from producers.bus import Bus
from tests.windows import DELIVERED, DOUBT, HELD, LOST, NO_TOKEN, NOT_ASKED, UNSENT

EMAIL = ChannelName.EMAIL
NOW = 1_800_000_000.0
OPEN = breaker.trip(Breaker(), "a", "no connection", NOW)


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
