"""A channel whose destination was changed begins anew: what the former one did says nothing."""

import pytest
import structlog

from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.channel_health.breaker_store import BreakerStore, load_breakers
from consumers.channel_health.destinations import (
    Destination,
    load_destinations,
    publish_destination,
)
from contracts.delivery import ChannelName
from tests.support.canary_harness import EMAIL, EVERY_S
from tests.support.watched_gate import WatchedGate

OLD, NEW = Destination(to="the relay a:25"), Destination(to="the relay b:25")


async def publish(bus, clock, channel, destination) -> list[str]:
    with structlog.testing.capture_logs() as logs:
        await publish_destination(bus, channel, destination.model_copy(update={"at": clock()}))
    return [one["event"] for one in logs]


@pytest.fixture
async def broken(bus, clock):
    """A gate whose breaker is open for the relay a:25, with a long wait."""
    await publish(bus, clock, EMAIL, OLD)
    gate = WatchedGate(bus, clock)
    for _ in range(9):
        await gate.record_refused_session("no connection")
        clock.advance(1)
    return gate


async def test_another_destination_closes_the_breaker_at_once(bus, clock, broken):
    assert await publish(bus, clock, EMAIL, OLD) == []
    assert (await load_breakers(bus))["email"].state is BreakerState.OPEN, "a plain restart"
    assert await publish(bus, clock, EMAIL, NEW) == ["destination_changed", "breaker_closed"]
    assert (await load_breakers(bus))["email"] == Breaker()
    assert (await load_destinations(bus))[EMAIL].to == NEW.to


async def test_nowhere_keeps_where_output_went_and_only_another_place_ends_that(bus, clock):
    """A stand-in that follows nowhere would take what waits for the relay."""
    nowhere = Destination(to="nowhere, LOA_EMAIL_HOST is empty", stand_in=True)
    await publish(bus, clock, EMAIL, nowhere)
    assert (await load_destinations(bus))[EMAIL].real == "", "a first start"
    await publish(bus, clock, EMAIL, OLD)
    clock.advance(60)
    first = clock()
    for _ in range(2):
        await publish(bus, clock, EMAIL, nowhere)
        stored = (await load_destinations(bus))[EMAIL]
        assert (stored.real, stored.former, stored.former_until) == (OLD.to, OLD.to, first)
        clock.advance(60)
    for place, real in ((NEW, NEW.to), (Destination(to="the mailbox", stand_in=True), "")):
        await publish(bus, clock, EMAIL, place)
        stored = (await load_destinations(bus))[EMAIL]
        assert (stored.real, stored.former) == (real, "")


async def test_all_circuits_of_a_channel_begin_anew_and_no_other_channel_does(bus, clock, broken):
    def fail(_: Breaker) -> Breaker:
        return Breaker(state=BreakerState.OPEN, since=clock(), reason="timeout", until=clock() + 9)

    for circuit in ("zalo", "zalo.notices", "portal"):
        await BreakerStore(bus, circuit, clock).update(fail)
    for channel in (ChannelName.ZALO, ChannelName.PORTAL):
        await publish(bus, clock, channel, OLD)
        await publish(bus, clock, channel, NEW)
    left = {name for name, one in (await load_breakers(bus)).items() if not one.is_closed}
    assert left == {"email", "portal"}, "an address says nothing of the portal's folder"


async def test_a_canary_that_the_former_relay_took_proves_nothing_of_the_new_one(canaries):
    bus, clock = canaries.bus, canaries.clock
    await publish(bus, clock, EMAIL, OLD)
    await canaries.round_trips()
    assert (await canaries.status()).state == "ok"
    clock.advance(EVERY_S / 2)
    await publish(bus, clock, EMAIL, NEW)
    assert (await canaries.status()).state == "waiting"
    await canaries.round_trips()
    assert [one.number for one in canaries.channel.probed] == [1, 2], "the next goes at once"
    assert (await canaries.status()).state == "ok"
