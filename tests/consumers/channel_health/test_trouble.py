"""The last failure of a channel is told before its breaker opens, and until a success."""

import pytest

from channels.base import Outcome, Verdict
from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.destinations import Destination, load_destinations, write_destination
from consumers.channel_health.trouble import Trouble, TroubleMonitor
from consumers.reporting.channel_state import channel_problems
from consumers.runtime.lanes import Permit
from consumers.status.findings import Facts, find
from consumers.status.reader import StatusReader
from contracts.base.times import utc_now
from contracts.delivery import Lane
from contracts.trace import StatusCounts, Trace
from tests.support.watched_gate import DELIVERED, EMAIL, WatchedGate

AWAY = Outcome(Verdict.UNSENT, "no connection", channel_wide=True)


@pytest.fixture
def gate(bus, clock):
    gate = WatchedGate(bus, clock)
    gate.trouble = Trouble(clock)
    return gate


@pytest.fixture
def monitor(bus, gate):
    return TroubleMonitor(bus, EMAIL, {"email": gate.trouble})


async def failing(bus) -> tuple[str, float]:
    stored = (await load_destinations(bus))[EMAIL]
    assert stored.to == "the relay", "the rest stays"
    return stored.failing, stored.failing_since


async def test_a_relay_that_stops_is_told_at_once_although_the_breaker_is_closed(
    bus, gate, monitor, clock
):
    await write_destination(bus, EMAIL, Destination(to="the relay"))
    await monitor.publish()
    assert await failing(bus) == ("", 0.0)
    await gate.record_window([DELIVERED])
    began = clock()
    assert not await gate.record_refused_session("no connection")
    clock.advance(3)
    assert not await gate.record_refused_session("timeout")
    await monitor.publish()
    assert gate.current.is_closed
    assert await failing(bus) == ("timeout", began)
    await gate.record_window([AWAY])
    await monitor.publish()
    assert await failing(bus) == ("no connection", began)
    await gate.record_window([DELIVERED])
    await monitor.publish()
    assert await failing(bus) == ("", 0.0)


async def test_a_host_without_a_first_word_is_silent_after_five_seconds(gate, monitor, clock):
    began = clock()
    with gate.trouble.waiting():
        clock.advance(4.9)
        assert monitor.current() == ("", 0.0)
        clock.advance(0.1)
        assert monitor.current() == ("no answer", began)
    assert monitor.current() == ("", 0.0)


async def test_a_host_that_hangs_is_not_called_by_its_former_failure(gate, monitor, clock):
    began = clock()
    gate.trouble.note_failure("no connection")
    clock.advance(9)
    with gate.trouble.waiting():
        clock.advance(4.9)
        assert monitor.current() == ("no connection", began)
        clock.advance(0.1)
        assert monitor.current() == ("no answer", began)


async def test_an_item_on_a_failing_channel_says_so_in_its_trace(bus, gate, monitor):
    counts = {EMAIL: StatusCounts(expected=1, pending=1)}
    story = Trace(content_id="tin", revision=1, state="released", channels=counts, timeline=[])
    assert await channel_problems(bus, story) == []
    with gate.trouble.waiting(0):
        await monitor.publish()
    [said] = await channel_problems(bus, story)
    assert (said.field, "no answer" in said.message) == ("email", True)
    assert "không trả lời" in said.message_vi


async def test_a_try_that_hangs_is_told_by_the_trace_as_by_the_status(bus, gate, monitor, clock):
    """The breaker still has the reason of the failure before."""
    counts = {EMAIL: StatusCounts(expected=1, pending=1)}
    story = Trace(content_id="tin", revision=1, state="released", channels=counts, timeline=[])
    await gate.record_refused_session("no connection")
    clock.advance(60)
    assert await gate.may_proceed(Permit(Lane.NORMAL))
    with gate.trouble.waiting(0):
        await monitor.publish()
    [traced] = await channel_problems(bus, story)
    report = await StatusReader(bus, clock).report()
    [found] = find(Facts(now=utc_now(clock), channels=report.channels))
    assert all("no answer" in one.message for one in (traced, found))
    assert not any("no connection" in one.message for one in (traced, found))


async def test_a_recovery_by_another_worker_ends_it(gate, monitor):
    await gate.record_refused_session("no connection")
    assert not gate.current.is_closed
    await gate.refresh(gate.current.model_copy(update={"state": BreakerState.CLOSED}))
    assert monitor.current() == ("", 0.0)


async def test_nothing_is_written_where_nothing_changes(bus, gate, monitor):
    await gate.record_refused_session("no connection")
    await monitor.publish()
    last = (await bus.stream_info("KV_control"))["state"]["last_seq"]
    for _ in range(3):
        await gate.record_refused_session("no connection")
        await monitor.publish()
    assert (await bus.stream_info("KV_control"))["state"]["last_seq"] == last
