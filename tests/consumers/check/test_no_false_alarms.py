"""`loa check` raises no alarm on a system that is well, only paused, busy, or at work meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumers.channel_health import breaker, pauses
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.pauses import LegitimateWaits
from consumers.check.checker import LedgerRules
from consumers.check.context import CheckContext
from consumers.check.findings import STUCK_S
from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from contracts import publication, subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import Bucket
from tests.support.check_harness import acknowledge_all
from tests.support.publications import a_publication

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
OLD = 3 * STUCK_S
PLAN = PlanKey(EMAIL, "tin-moi", 1)
BATCH = BatchKey(*PLAN, 0)


class OverduePlan:
    """A ledger with one plan, whose one batch was due long ago."""

    def __init__(self, bus, clock):
        self.bus, self.clock, self.ledger = bus, clock, Ledger(bus)

    async def plan(self, lane=Lane.NORMAL, **changes):
        start = self.clock() - OLD
        held = await self.ledger.create_plan(PLAN, PlanCursor(created=start, lane=lane))
        cursor = held.value.advance([["r1", "r2"]], complete=True, now=start)
        await self.ledger.append_batches(
            PLAN, held, replace(cursor, **changes), [BatchRows(("r1", "r2"))]
        )

    async def state(self, **changes):
        held = await self.ledger.state(BATCH)
        data = codec.encode_state(replace(held.value, **changes))
        await self.ledger.bucket.put(f"state.{BATCH}", data)

    async def release(self):
        """Its publication is in the stream, and the planner is done with it."""
        said = a_publication(
            content_id=PLAN.content_id,
            channels=["email"],
            released_at=datetime.fromtimestamp(self.clock() - OLD, UTC),
        )
        subject = subjects.publication(said.topic, said.content_id)
        await self.bus.publish(subject, publication.encode(said))
        await acknowledge_all(self.bus, "PUBLICATIONS", subjects.dispatch(EMAIL))

    async def rules(self, **given):
        context = CheckContext(
            self.bus,
            self.clock,
            deep=True,
            excuses=lambda: LegitimateWaits(self.bus).may_wait,
            **{"recheck_after_s": 0.0} | given,
        )
        return [found.rule for found in await LedgerRules(context).violations()]


@pytest.fixture
def overdue_plan(bus, clock):
    return OverduePlan(bus, clock)


async def test_a_batch_that_nothing_explains_is_stuck(overdue_plan):
    await overdue_plan.plan()
    assert await overdue_plan.rules() == ["stuck"]


async def test_a_paused_channel_has_no_stuck_batches(overdue_plan):
    await overdue_plan.plan(complete=False)
    await overdue_plan.state(rows=b"dd")
    assert await overdue_plan.rules() == ["never-closed", "stuck", "plan-stuck"]
    await pauses.pause(overdue_plan.bus, ZALO)
    assert await overdue_plan.rules() == ["never-closed", "stuck", "plan-stuck"]
    await pauses.pause(overdue_plan.bus, EMAIL)
    assert await overdue_plan.rules() == []


async def test_a_channel_that_cannot_work_has_no_stuck_batches_until_it_can(overdue_plan):
    await overdue_plan.plan()
    circuit = BreakerStore(overdue_plan.bus, EMAIL, overdue_plan.clock)
    await circuit.update(lambda one: breaker.trip(one, "w", "relay away", overdue_plan.clock()))
    overdue_plan.clock.advance(3600)
    assert await overdue_plan.rules() == []
    await circuit.update(lambda one: breaker.start_probe(one, "w", overdue_plan.clock()))
    assert await overdue_plan.rules() == []
    await circuit.update(lambda one: breaker.succeed_probe(one, "w", overdue_plan.clock()))
    assert await overdue_plan.rules() == ["stuck"]


@pytest.mark.parametrize(
    ("queue", "rules"),
    [
        ((EMAIL, Lane.NORMAL), []),
        ((EMAIL, Lane.URGENT), []),
        ((EMAIL, Lane.BULK), ["stuck"]),
        ((ZALO, Lane.NORMAL), ["stuck"]),
    ],
)
async def test_a_batch_may_wait_behind_its_own_and_higher_lanes(overdue_plan, queue, rules):
    await overdue_plan.plan()
    channel, lane = queue
    await Waker(overdue_plan.bus).wake(BatchKey(channel, "tin-khac", 1, 0), lane)
    assert await overdue_plan.rules() == rules


async def test_a_pause_hides_nothing_that_is_broken(overdue_plan):
    await overdue_plan.plan(planned=3)
    await pauses.pause(overdue_plan.bus, EMAIL)
    await overdue_plan.state(rows=b"d?")
    assert sorted(await overdue_plan.rules()) == ["letter-unknown", "rows-lost"]


async def test_a_plan_that_moves_while_all_are_read_is_neither_missing_nor_without_batches(
    overdue_plan, monkeypatch
):
    """Its old value is gone and its new one stands behind the end of the reading."""
    await overdue_plan.plan()
    await overdue_plan.release()
    await overdue_plan.state(rows=b"dd", closed_at=overdue_plan.clock())
    values = Bucket.values

    async def overtaken(self, prefix=""):
        async for key, value in values(self, prefix):
            if prefix != "plan.":
                yield key, value

    monkeypatch.setattr(Bucket, "values", overtaken)
    assert await overdue_plan.rules() == []
    await overdue_plan.ledger.bucket.purge(f"plan.{PLAN}")
    assert await overdue_plan.rules() == ["plan-missing", "orphan"]


@pytest.mark.parametrize("halt", ["v2", "w2"])
async def test_a_plan_that_was_halted_before_it_began_is_well(overdue_plan, halt):
    await overdue_plan.ledger.create_plan(
        PLAN, PlanCursor(halt=halt, created=overdue_plan.clock() - OLD)
    )
    assert await overdue_plan.rules() == []


async def test_what_waits_is_judged_from_the_start_of_whoever_works_on_it(overdue_plan):
    """After a night's stand-still everything is old, and nobody has had the time."""
    await overdue_plan.plan(complete=False)
    await overdue_plan.state(rows=b"sP", owner="w#1#1", lease_until=overdue_plan.clock() - OLD)
    now = overdue_plan.clock()
    assert await overdue_plan.rules() == ["stuck", "sending-stuck", "plan-stuck"]
    assert await overdue_plan.rules(running_since=now - 30) == []
    assert await overdue_plan.rules(running_since=now - 90) == ["sending-stuck"]


async def test_a_lease_that_is_just_over_is_no_alarm(overdue_plan):
    await overdue_plan.plan()
    now = overdue_plan.clock()
    for lease, rules in ((now + 30, []), (now - 59, []), (now - 61, ["sending-stuck"])):
        await overdue_plan.state(rows=b"sd", owner="w#1#1", lease_until=lease)
        assert await overdue_plan.rules() == rules


async def test_a_mail_that_is_asked_about_ever_later_is_no_alarm(overdue_plan):
    """A relay that always cuts off: the longest rung is ten hours."""
    await overdue_plan.plan()
    now = overdue_plan.clock()
    await overdue_plan.state(
        rows=b"Pd", created=now - 50000, due=now + 30000, effects_until=now - 39000
    )
    assert await overdue_plan.rules() == []
    await overdue_plan.state(effects_until=now - 45000)
    assert await overdue_plan.rules() == ["in-doubt-old"]


async def test_a_publication_that_waits_for_its_planner_is_no_alarm(overdue_plan):
    """The planner was away for long, and others come first."""
    await overdue_plan.release()
    assert await overdue_plan.rules() == ["plan-missing"]
    subject = subjects.publication("lich-nghi-le", "tin-khac")
    other = a_publication(content_id="tin-khac", channels=["email"])
    await overdue_plan.bus.publish(subject, publication.encode(other))
    assert await overdue_plan.rules() == ["plan-missing"], "nobody has come to the other one yet"


@pytest.mark.parametrize(
    ("age_s", "queue", "rules"),
    [
        (STUCK_S + 1, False, ["plan-missing"]),
        (STUCK_S + 1, True, []),
        (STUCK_S - 1, False, []),
        (-3600, False, []),
    ],
)
async def test_a_scheduled_publication_has_ten_minutes_from_its_own_time(
    overdue_plan, age_s, queue, rules
):
    """It was handed out and put off until then; so everything behind it is above the floor."""
    said = a_publication(
        content_id=PLAN.content_id,
        channels=["email"],
        not_before=datetime.fromtimestamp(overdue_plan.clock() - age_s, UTC),
    )
    subject = subjects.publication(said.topic, said.content_id)
    await overdue_plan.bus.publish(subject, publication.encode(said))
    pull = await overdue_plan.bus.js.pull_subscribe_bind(
        durable=subjects.dispatch(EMAIL), stream="PUBLICATIONS"
    )
    await pull.fetch(1, timeout=5.0)
    if queue:
        other = said.model_copy(update={"content_id": "tin-khac"})
        await overdue_plan.bus.publish(f"{subject}-khac", publication.encode(other))
    assert await overdue_plan.rules() == rules
