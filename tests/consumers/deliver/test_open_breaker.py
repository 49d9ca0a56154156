"""Delivery behind an open breaker: no connection is opened, and expired rows still end."""

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.errors import Misconfigured, Unreachable
from consumers.channel_health import breaker, breaker_store
from consumers.runtime.errors import RetryLater
from contracts.delivery import Lane, Status
from tests.support.delivery_pipeline import EMAIL

NEXT_S = 5 + Lane.NORMAL.rank
"""When a normal batch is tried again after the first trouble."""


async def again(loa, plan):
    with pytest.raises(RetryLater) as later:
        await loa.work(plan)
    return later.value.delay_s


@pytest.mark.promise("8.3")
@pytest.mark.parametrize("down", [Unreachable("connect"), Misconfigured("AUTH 535")], ids=str)
async def test_while_it_is_open_nobody_dials_and_no_row_is_touched(delivery_pipeline, down):
    loa = delivery_pipeline(2, down=down)
    plan = await loa.plan()
    await again(loa, plan)
    before = await loa.entry(plan)
    loa.provider.down = AssertionError("dialled")
    assert [await again(loa, plan) for _ in range(3)] == [NEXT_S] * 3
    assert await loa.entry(plan) == before
    loa.provider.down = None
    loa.clock.advance(NEXT_S)
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 2}
    assert not await breaker_store.unavailable_circuits(loa.bus)


async def test_what_is_over_ends_while_it_is_open_and_nobody_dials_for_it(delivery_pipeline):
    loa = delivery_pipeline(2, down=Unreachable("connect"))
    dated = await loa.plan(expires_at="2027-01-15T08:00:30Z")
    await again(loa, dated)
    assert await again(loa, dated) == NEXT_S
    loa.clock.advance(27)
    loa.provider.down = AssertionError("dialled")
    await loa.circuit.update(
        lambda one: one.model_copy(update={"until": loa.clock() + 30})
    )  # somebody tried in vain
    loa.worker.gate_of(Lane.NORMAL).current = (await breaker_store.load_breakers(loa.bus))[EMAIL]
    assert await again(loa, dated) == 3, "not beyond its end"
    loa.clock.advance(3)
    with structlog.testing.capture_logs() as logs:
        await loa.work(dated)
    assert await loa.status_counts(dated) == {Status.EXPIRED: 2}
    assert ("rows_expired", 2) in [(one["event"], one.get("rows")) for one in logs]


async def test_a_row_that_only_waits_for_its_end_keeps_its_wake_up(delivery_pipeline):
    later = [Outcome(Verdict.DEFERRED, "451"), Outcome(Verdict.DELIVERED)]
    loa = delivery_pipeline(1, answer=lambda row: later.pop(0))
    plan = await loa.plan(expires_at="2027-01-15T08:00:04Z")
    await loa.work(plan)
    await loa.circuit.update(lambda one: breaker.fail(one, "b", "away", loa.clock()))
    loa.worker.gate_of(Lane.NORMAL).current = (await breaker_store.load_breakers(loa.bus))[EMAIL]
    loa.clock.advance(3.5)
    assert await again(loa, plan) == pytest.approx(0.5)
    loa.clock.advance(0.5)
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.EXPIRED: 1}


async def test_a_pause_of_four_days_ends_no_row_that_was_tried(delivery_pipeline):
    said = [Outcome(Verdict.DEFERRED, "451"), Outcome(Verdict.DEFERRED, "451")]
    loa = delivery_pipeline(
        1, answer=lambda row: said.pop() if said else Outcome(Verdict.DELIVERED)
    )
    plan = await loa.plan()
    await loa.work(plan)
    loa.worker.is_paused = loa.worker.gate_of(Lane.NORMAL).is_paused = lambda: True
    for hours in (1, 71, 24):  # also at the moment at which its 72 hours are over
        loa.clock.advance(hours * 3600)
        await again(loa, plan)
    loa.worker.is_paused = loa.worker.gate_of(Lane.NORMAL).is_paused = lambda: False
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DEFERRED: 1}, "its try, and more to come"
    loa.clock.advance(3600)
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 1}
