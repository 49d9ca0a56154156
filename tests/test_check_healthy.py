"""`loa check` raises no alarm on a system that is well, only paused, busy, or at work meanwhile."""

from dataclasses import replace

import pytest

from consumers import breaker, control
from consumers.check import STUCK_S, Check
from consumers.circuit import Circuit
from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger
from consumers.traffic import Traffic
from consumers.wake import Waker
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
OLD = 3 * STUCK_S
PLAN = PlanKey(EMAIL, "tin-moi", 1)
BATCH = BatchKey(*PLAN, 0)


class House:
    """A ledger with one plan, whose one batch was due long ago."""

    def __init__(self, bus, clock):
        self.bus, self.clock, self.ledger = bus, clock, Ledger(bus)
        self.names = [str(PLAN)]

    async def plan(self, lane=Lane.NORMAL, **changes):
        start = self.clock() - OLD
        held = await self.ledger.create_plan(PLAN, Cursor(created=start, lane=lane))
        cursor = held.value.advance([["r1", "r2"]], complete=True, now=start)
        await self.ledger.extend(PLAN, held, replace(cursor, **changes), [Rows(("r1", "r2"))])

    async def state(self, **changes):
        held = await self.ledger.state(BATCH)
        data = codec.encode_state(replace(held.value, **changes))
        await self.ledger.bucket.put(f"state.{BATCH}", data)

    async def expected(self):
        for name in self.names:
            yield name

    async def rules(self):
        busy = Traffic(self.bus).explains
        findings = await Check(self.ledger, self.expected, True, self.clock, busy).run()
        return [found.rule for found in findings.violations]


@pytest.fixture
def house(bus, clock):
    return House(bus, clock)


async def test_a_batch_that_nothing_explains_is_stuck(house):
    await house.plan()
    assert await house.rules() == ["stuck"]


async def test_a_paused_channel_has_no_stuck_batches(house):
    await house.plan(complete=False)
    await house.state(rows=b"dd")
    assert await house.rules() == ["never-closed", "stuck", "plan-stuck"]
    await control.pause(house.bus, ZALO)
    assert await house.rules() == ["never-closed", "stuck", "plan-stuck"]
    await control.pause(house.bus, EMAIL)
    assert await house.rules() == []


async def test_a_channel_that_cannot_work_has_no_stuck_batches_until_it_can(house):
    await house.plan()
    circuit = Circuit(house.bus, EMAIL, house.clock)
    await circuit.change(lambda one: breaker.trip(one, "w", "relay away", house.clock()))
    house.clock.advance(3600)
    assert await house.rules() == []
    await circuit.change(lambda one: breaker.probe(one, "w", house.clock()))
    assert await house.rules() == []
    await circuit.change(lambda one: breaker.succeed(one, "w", house.clock()))
    assert await house.rules() == ["stuck"]


@pytest.mark.parametrize(
    ("queue", "rules"),
    [
        ((EMAIL, Lane.NORMAL), []),
        ((EMAIL, Lane.URGENT), []),
        ((EMAIL, Lane.BULK), ["stuck"]),
        ((ZALO, Lane.NORMAL), ["stuck"]),
    ],
)
async def test_a_batch_may_wait_behind_its_own_and_higher_lanes(house, queue, rules):
    await house.plan()
    channel, lane = queue
    await Waker(house.bus).wake(BatchKey(channel, "tin-khac", 1, 0), lane)
    assert await house.rules() == rules


async def test_a_pause_hides_nothing_that_is_broken(house):
    await house.plan(planned=3)
    await control.pause(house.bus, EMAIL)
    await house.state(rows=b"d?")
    assert sorted(await house.rules()) == ["letter-unknown", "rows-lost"]


async def test_a_plan_that_moves_while_all_are_read_is_neither_missing_nor_without_batches(
    house, monkeypatch
):
    """Its old value is gone and its new one stands behind the end of the reading."""
    await house.plan()
    await house.state(rows=b"dd", closed=house.clock())
    values = house.ledger.bucket.values

    async def overtaken(prefix=""):
        async for key, value in values(prefix):
            if prefix != "plan.":
                yield key, value

    monkeypatch.setattr(house.ledger.bucket, "values", overtaken)
    assert await house.rules() == []
    await house.ledger.bucket.purge(f"plan.{PLAN}")
    assert await house.rules() == ["plan-missing", "orphan"]


@pytest.mark.parametrize("halt", ["v2", "w2"])
async def test_a_plan_that_was_halted_before_it_began_is_well(house, halt):
    await house.ledger.create_plan(PLAN, Cursor(halt=halt, created=house.clock() - OLD))
    assert await house.rules() == []
