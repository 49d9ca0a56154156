"""The breaker's rules as tables and walks, and the store that every process reads them from."""

import asyncio

import pytest
import structlog

from channels.base import Outcome, Verdict
from consumers.channel_health import breaker, breaker_store
from consumers.channel_health.breaker import (
    PROBE_TIMEOUT_S,
    PROBE_WAITS_S,
    RELAPSE_S,
    Breaker,
    BreakerState,
)
from consumers.channel_health.breaker_store import BreakerStore
from contracts.delivery import ChannelName
from producers.bus import Bus
from tests.support.watched_gate import DELIVERED, DOUBT, HELD, LOST, NO_TOKEN, NOT_ASKED, UNSENT

EMAIL = ChannelName.EMAIL
NOW = 1_800_000_000.0
OPEN = breaker.fail(Breaker(), "a", "no connection", NOW)


# ---- the rules --------------------------------------------------------------------------------


def test_trouble_opens_it_and_says_since_when_why_and_until_when():
    facts = {"state": "open", "since": NOW, "reason": "no connection", "failures": 1}
    assert Breaker(**facts, until=NOW + PROBE_WAITS_S[0]) == OPEN
    assert breaker.fail(OPEN, "b", "another", NOW + 1) is OPEN, "it is open already"


@pytest.mark.promise("8.3")
def test_waits_grow_to_half_a_minute_and_no_further():
    now, one, waits = NOW, OPEN, []
    for _ in range(6):
        waits.append(one.until - now)
        now = one.until
        one = breaker.fail(breaker.start_probe(one, "a", now), "a", "no connection", now)
    assert waits == [5, 15, 30, 30, 30, 30]
    assert (one.since, one.failures) == (NOW, 7)


def test_one_probe_at_a_time_and_a_dead_one_is_replaced():
    early = breaker.start_probe(OPEN, "a", NOW + 4)
    assert early is OPEN
    first = breaker.start_probe(OPEN, "a", NOW + 5)
    assert (first.state, first.who) == (BreakerState.HALF_OPEN, "a")
    assert breaker.start_probe(first, "b", NOW + 5 + PROBE_TIMEOUT_S - 1) is first
    second = breaker.start_probe(first, "b", NOW + 5 + PROBE_TIMEOUT_S)
    assert second.who == "b"
    for late in (breaker.fail, breaker.succeed_probe, breaker.abandon_probe):
        arguments = ("x", NOW + 99) if late is breaker.fail else (NOW + 99,)
        assert late(second, "a", *arguments) is second, "only the last to try has a say"


def test_a_success_closes_it_and_an_empty_probe_makes_room_at_once():
    trying = breaker.start_probe(OPEN, "a", NOW + 5)
    closed = breaker.succeed_probe(trying, "a", NOW + 6)
    assert (closed.state, closed.since, closed.reason) == (BreakerState.CLOSED, NOW + 6, "")
    left = breaker.abandon_probe(trying, "a", NOW + 6)
    assert (left.state, left.failures) == (BreakerState.OPEN, 1)
    assert breaker.is_probe_due(left, NOW + 6)


def test_a_relapse_goes_on_where_it_left_off_and_a_new_trouble_begins_anew():
    one = OPEN.model_copy(update={"failures": 3})
    closed = breaker.succeed_probe(breaker.start_probe(one, "a", NOW + 5), "a", NOW + 6)
    soon = breaker.fail(closed, "a", "421", NOW + 7)
    assert (soon.failures, soon.until - NOW - 7) == (4, 30)
    later = breaker.fail(closed, "a", "421", NOW + 7 + RELAPSE_S)
    assert (later.failures, later.until - later.since) == (1, 5)


def test_a_worker_that_alone_has_trouble_does_not_stop_one_that_has_just_succeeded():
    closed = breaker.succeed_probe(breaker.start_probe(OPEN, "b", NOW + 5), "b", NOW + 6)
    assert breaker.fail(closed, "a", "no connection", NOW + 10) is closed
    assert not breaker.fail(closed, "b", "no connection", NOW + 10).is_closed


def test_a_clock_that_was_set_back_keeps_nobody_waiting():
    assert breaker.is_probe_due(OPEN, NOW - 86400)
    assert not breaker.is_probe_due(Breaker(), NOW)


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
    assert breaker.score_window(window) is speaks


def test_three_bad_windows_of_late_open_it_when_they_are_half_of_all():
    assert not breaker.is_failing([False, False])
    assert breaker.is_failing([False, False, False])
    assert not breaker.is_failing([True] * 4 + [False] * 3)
    assert breaker.is_failing([True] * 4 + [False] * 4)


def test_a_record_without_a_state_reads_as_closed():
    assert Breaker.model_validate_json(b'{"until": 1, "reason": "no connection"}').is_closed


# ---- the store --------------------------------------------------------------------------------


async def test_every_process_sees_it_and_a_restart_changes_nothing(nats_server, bus, clock):
    store = BreakerStore(bus, EMAIL, clock)
    await store.update(lambda one: breaker.fail(one, "a", "away", clock()))
    async with await Bus.connect(nats_server.url) as other:
        assert (await breaker_store.load_breakers(other))[EMAIL].reason == "away"
        assert await breaker_store.unavailable_circuits(other) == {EMAIL}


@pytest.mark.promise("8.3")
async def test_of_many_that_try_at_once_one_wins(bus, clock):
    mail = BreakerStore(bus, EMAIL, clock)
    await mail.update(lambda one: breaker.fail(one, "a", "away", clock()))
    clock.advance(5)

    async def attempt(who):
        now = await mail.update(lambda one: breaker.start_probe(one, who, clock()))
        return breaker.is_probing(now, who)

    won = await asyncio.gather(*(attempt(f"w{number}") for number in range(12)))
    assert won.count(True) == 1


async def test_an_outage_is_one_story_in_the_log(bus, clock):
    mail = BreakerStore(bus, EMAIL, clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await mail.update(lambda one: breaker.fail(one, "a", "away", clock()))
        for end in (breaker.fail, breaker.succeed_probe):
            clock.advance(30)
            await mail.update(lambda one: breaker.start_probe(one, "a", clock()))
            more = ("away", clock()) if end is breaker.fail else (clock(),)
            await mail.update(lambda one, end=end, more=more: end(one, "a", *more))
    told = [(one["event"], one["log_level"], one.get("lasted_s")) for one in logs]
    assert told == [
        ("breaker_opened", "warning", None),
        ("breaker_half_open", "info", 30),
        ("breaker_stays_open", "info", 30),
        ("breaker_half_open", "info", 60),
        ("breaker_closed", "warning", 60),
    ]
    assert {one["reason"] for one in logs} == {"away"}
