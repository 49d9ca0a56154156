"""`loa check` raises no alarm on a system that is well, only paused, busy, or at work meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumers import breaker, control
from consumers.check import STUCK_S
from consumers.check.books import Books
from consumers.check.released import Released
from consumers.circuit import Circuit
from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger
from consumers.traffic import Traffic
from consumers.wake import Waker
from contracts import publication, subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import Bucket
from tests.builders import a_publication
from tests.checked import settled

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
OLD = 3 * STUCK_S
PLAN = PlanKey(EMAIL, "tin-moi", 1)
BATCH = BatchKey(*PLAN, 0)


class House:
    """A ledger with one plan, whose one batch was due long ago."""

    def __init__(self, bus, clock):
        self.bus, self.clock, self.ledger = bus, clock, Ledger(bus)

    async def plan(self, lane=Lane.NORMAL, **changes):
        start = self.clock() - OLD
        held = await self.ledger.create_plan(PLAN, Cursor(created=start, lane=lane))
        cursor = held.value.advance([["r1", "r2"]], complete=True, now=start)
        await self.ledger.extend(PLAN, held, replace(cursor, **changes), [Rows(("r1", "r2"))])

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
        await settled(self.bus, "PUBLICATIONS", subjects.dispatch(EMAIL))

    async def rules(self, **given):
        look = Books(
            self.bus,
            Released(self.bus),
            self.clock,
            deep=True,
            busy=lambda: Traffic(self.bus).explains,
            **given,
        )
        return [found.rule for found in await look.violations()]


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
    await house.release()
    await house.state(rows=b"dd", closed=house.clock())
    values = Bucket.values

    async def overtaken(self, prefix=""):
        async for key, value in values(self, prefix):
            if prefix != "plan.":
                yield key, value

    monkeypatch.setattr(Bucket, "values", overtaken)
    assert await house.rules() == []
    await house.ledger.bucket.purge(f"plan.{PLAN}")
    assert await house.rules() == ["plan-missing", "orphan"]


@pytest.mark.parametrize("halt", ["v2", "w2"])
async def test_a_plan_that_was_halted_before_it_began_is_well(house, halt):
    await house.ledger.create_plan(PLAN, Cursor(halt=halt, created=house.clock() - OLD))
    assert await house.rules() == []


async def test_what_waits_is_judged_from_the_start_of_whoever_works_on_it(house):
    """After a night's stand-still everything is old, and nobody has had the time."""
    await house.plan(complete=False)
    await house.state(rows=b"sP", owner="w#1#1", lease=house.clock() - OLD)
    now = house.clock()
    assert await house.rules() == ["stuck", "sending-stuck", "plan-stuck"]
    assert await house.rules(since=now - 30) == []
    assert await house.rules(since=now - 90) == ["sending-stuck"]


async def test_a_lease_that_is_just_over_is_no_alarm(house):
    await house.plan()
    now = house.clock()
    for lease, rules in ((now + 30, []), (now - 59, []), (now - 61, ["sending-stuck"])):
        await house.state(rows=b"sd", owner="w#1#1", lease=lease)
        assert await house.rules() == rules


async def test_a_mail_that_is_asked_about_ever_later_is_no_alarm(house):
    """A relay that always cuts off: the longest rung is ten hours."""
    await house.plan()
    now = house.clock()
    await house.state(rows=b"Pd", created=now - 50000, due=now + 30000, settle=now - 39000)
    assert await house.rules() == []
    await house.state(settle=now - 45000)
    assert await house.rules() == ["in-doubt-old"]


async def test_a_publication_that_waits_for_its_planner_is_no_alarm(house):
    """The planner was away for long, and others come first."""
    await house.release()
    assert await house.rules() == ["plan-missing"]
    subject = subjects.publication("lich-nghi-le", "tin-khac")
    other = a_publication(content_id="tin-khac", channels=["email"])
    await house.bus.publish(subject, publication.encode(other))
    assert await house.rules() == ["plan-missing"], "nobody has come to the other one yet"


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
    house, age_s, queue, rules
):
    """It was handed out and put off until then; so everything behind it is above the floor."""
    said = a_publication(
        content_id=PLAN.content_id,
        channels=["email"],
        not_before=datetime.fromtimestamp(house.clock() - age_s, UTC),
    )
    subject = subjects.publication(said.topic, said.content_id)
    await house.bus.publish(subject, publication.encode(said))
    pull = await house.bus.js.pull_subscribe_bind(
        durable=subjects.dispatch(EMAIL), stream="PUBLICATIONS"
    )
    await pull.fetch(1, timeout=5.0)
    if queue:
        other = said.model_copy(update={"content_id": "tin-khac"})
        await house.bus.publish(f"{subject}-khac", publication.encode(other))
    assert await house.rules() == rules
