"""`loa check` names every broken promise of the ledger, and raises no alarm on one that is well."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from consumers.channel_health import breaker, pauses
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.pauses import LegitimateWaits
from consumers.check.checker import LedgerRules
from consumers.check.context import CheckContext
from consumers.check.findings import STUCK_S, Violation
from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.runtime.presence import Presence, ProcessRecord
from contracts import publication, subjects
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import Bucket
from tests.support.check_harness import acknowledge_all
from tests.support.ledger_plan import store_plan
from tests.support.publications import a_publication
from tests.support.scripted_channel import reader_ids

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
OLD = 3 * STUCK_S
PLAN = PlanKey(EMAIL, "tin-moi", 1)
SIZES = (5, 5, 3)
B0, B1, B2 = (f"{PLAN}.{number}" for number in range(3))
STATE0, STATE1, STATE2 = f"state.{B0}", f"state.{B1}", f"state.{B2}"
DEEP = ("rows-missing", "rows-differ", "recipient-twice", "last-differs")


class CheckedPlan:
    """A plan that began long ago."""

    def __init__(self, bus, clock) -> None:
        self.bus, self.clock, self.ledger = bus, clock, Ledger(bus)
        self.bucket = self.ledger.bucket

    async def plan(self, *sizes: int, **changes: object) -> None:
        """Store the plan with batches of these sizes."""
        ids = iter(reader_ids(sum(sizes)))
        batches = [[next(ids) for _ in range(size)] for size in sizes]
        await store_plan(self.ledger, PLAN, *batches, at=self.clock() - OLD, **changes)

    async def deliver(self, *sizes: int) -> None:
        for number, size in enumerate(sizes):
            await self.state(number, rows=b"d" * size, closed_at=self.clock() - OLD + 2)

    async def state(self, number: int = 0, **changes: object) -> None:
        entry = (await self.ledger.state(BatchKey(*PLAN, number))).value
        data = codec.encode_state(replace(entry, **changes))
        await self.bucket.put(f"state.{PLAN}.{number}", data)

    async def cursor(self, **changes: object) -> None:
        cursor = replace((await self.ledger.plan(PLAN)).value, **changes)
        await self.bucket.put(f"plan.{PLAN}", codec.encode_cursor(cursor))

    async def recipients(self, number: int, *ids: str) -> None:
        await self.bucket.put(f"rows.{PLAN}.{number}", codec.encode_rows(ids, frozenset()))

    async def release(self, content_id: str = PLAN.content_id, **fields: object) -> None:
        """Publish its text; the dispatcher has not come to it."""
        at = {"released_at": utc_time(self.clock() - OLD)}
        text = a_publication(content_id=content_id, channels=["email"], **at | fields)
        subject = subjects.publication(text.topic, text.content_id)
        await self.bus.publish(subject, publication.encode(text))

    async def dispatched(self) -> None:
        """The dispatcher is done with everything that was published."""
        await acknowledge_all(self.bus, "PUBLICATIONS", subjects.dispatch(EMAIL))

    async def check(self, *, deep: bool = True, running_since: float = 0.0) -> list[Violation]:
        context = CheckContext(
            self.bus,
            self.clock,
            deep,
            excuses=lambda: LegitimateWaits(self.bus, self.clock).may_wait,
            running_since=running_since,
            recheck_after_s=0.0,
        )
        violations = await LedgerRules(context).violations()
        assert all(violation.detail for violation in violations)
        return violations

    async def found(self, *, deep: bool = True) -> list[str]:
        """The violations as `rule key`, sorted."""
        return sorted(f"{one.rule} {one.key}" for one in await self.check(deep=deep))

    async def rules(self, **context: float) -> list[str]:
        return [violation.rule for violation in await self.check(**context)]


@pytest.fixture
def new_plan(bus, clock):
    """No plan yet."""
    return CheckedPlan(bus, clock)


@pytest.fixture
async def delivered_plan(new_plan):
    """Three batches, all delivered; the dispatcher is done with their publication."""
    await new_plan.plan(*SIZES)
    await new_plan.deliver(*SIZES)
    await new_plan.release()
    await new_plan.dispatched()
    return new_plan


@pytest.fixture
async def overdue_plan(new_plan):
    """One batch of two, due long ago."""
    await new_plan.plan(2)
    return new_plan


# --- corruptions

Spoil = Callable[[CheckedPlan], Awaitable[object]]
SPOILT: list[tuple[Spoil, list[str]]] = [
    (
        lambda p: p.bucket.purge(f"plan.{PLAN}"),
        [f"plan-missing plan.{PLAN}", f"orphan {STATE0}", f"orphan {STATE1}", f"orphan {STATE2}"],
    ),
    (lambda p: p.cursor(complete=False), [f"plan-stuck plan.{PLAN}"]),
    (lambda p: p.bucket.purge(STATE1), [f"batch-missing {STATE1}", f"rows-lost plan.{PLAN}"]),
    (lambda p: p.cursor(planned=14), [f"rows-lost plan.{PLAN}"]),
    (lambda p: p.state(1, rows=b"dddd"), [f"rows-lost plan.{PLAN}"]),
    (lambda p: p.cursor(count=2, planned=10), [f"orphan {STATE2}"]),
    (lambda p: p.state(0, rows=b"dd?dz"), [f"letter-unknown {STATE0}"]),
    (lambda p: p.state(2, rows=b"dpd"), [f"closed-with-open-rows {STATE2}"]),
    (lambda p: p.state(2, rows=b"dSd"), [f"closed-with-open-rows {STATE2}"]),
    (lambda p: p.state(1, closed_at=0.0, due=p.clock() - 5), [f"never-closed {STATE1}"]),
    (lambda p: p.state(1, rows=b"ddppp", closed_at=0.0), [f"stuck {STATE1}"]),
    (
        lambda p: p.state(
            1, rows=b"dsssp", closed_at=0.0, owner="x#1#1", lease_until=p.clock() - OLD
        ),
        [f"sending-stuck {STATE1}", f"stuck {STATE1}"],
    ),
    (
        lambda p: p.bucket.put(STATE0, b'{"v":1,"r":"ddd'),
        [f"unreadable {STATE0}", f"rows-lost plan.{PLAN}"],
    ),
    (
        lambda p: p.bucket.put(STATE0, b'{"v":2}'),
        [f"unreadable {STATE0}", f"rows-lost plan.{PLAN}"],
    ),
    (lambda p: p.bucket.put(f"plan.{PLAN}", b'{"v":1,"count":3}'), [f"unreadable plan.{PLAN}"]),
]
SPOILT_RECIPIENTS: list[tuple[Spoil, list[str]]] = [
    (lambda p: p.bucket.purge(f"rows.{B1}"), [f"rows-missing {STATE1}"]),
    (
        lambda p: p.recipients(2, "r000010", "r000011", "r000012", "r000013"),
        [f"last-differs plan.{PLAN}", f"rows-differ {STATE2}"],
    ),
    (lambda p: p.recipients(2, "r000010", "r000010", "r000012"), [f"recipient-twice {STATE2}"]),
    (
        lambda p: p.recipients(1, "r000004", "r000006", "r000007", "r000008", "r000009"),
        [f"recipient-twice {STATE1}"],
    ),
    (lambda p: p.recipients(2, "r000011", "r000010", "r000012"), [f"recipient-twice {STATE2}"]),
]


@pytest.mark.parametrize(("spoil", "violations"), SPOILT)
async def test_each_corruption_is_found_and_named(delivered_plan, spoil, violations):
    await spoil(delivered_plan)
    assert await delivered_plan.found(deep=False) == sorted(violations)
    found = await delivered_plan.found()
    assert [one for one in found if not one.startswith(DEEP)] == sorted(violations)


@pytest.mark.parametrize(("spoil", "violations"), SPOILT_RECIPIENTS)
async def test_wrong_recipients_are_found_by_a_deep_check(delivered_plan, spoil, violations):
    await spoil(delivered_plan)
    assert await delivered_plan.found(deep=False) == []
    assert await delivered_plan.found() == violations


# --- ledgers that are well


@pytest.mark.parametrize("deep", [False, True])
async def test_clean_books_are_clean(delivered_plan, deep):
    assert await delivered_plan.found(deep=deep) == []


async def test_an_empty_ledger_is_clean(new_plan):
    assert await new_plan.found() == []


async def test_work_in_hand_is_no_violation(delivered_plan):
    now = delivered_plan.clock()
    await delivered_plan.state(
        0, rows=b"ddssp", closed_at=0.0, owner="w#1#1", lease_until=now + 30, due=now - OLD
    )
    await delivered_plan.state(1, rows=b"drrrd", closed_at=0.0, due=now + 3600)
    await delivered_plan.state(2, rows=b"dPK", closed_at=0.0, due=now - STUCK_S + 10)
    assert await delivered_plan.found() == []
    await delivered_plan.state(1, rows=b"ddddd")  # a receipt ended the last doubt
    await delivered_plan.cursor(complete=False, created=now - STUCK_S + 10)
    assert await delivered_plan.found() == []


@pytest.mark.parametrize("halt", ["v2", "w2"])
async def test_a_plan_that_was_halted_before_it_began_is_well(delivered_plan, halt):
    """Its item's second position is out, and the planner has not come to it yet."""
    plan, began = PlanKey(ZALO, "tin-moi", 1), delivered_plan.clock() - OLD
    await delivered_plan.ledger.create_plan(plan, PlanCursor(halt=halt, created=began))
    await delivered_plan.release(revision=2)
    assert await delivered_plan.found() == []


# --- waits that have an excuse


async def test_a_paused_channel_has_no_stuck_batches(new_plan):
    await new_plan.plan(2, complete=False)
    assert await new_plan.rules() == ["stuck", "plan-stuck"]
    await new_plan.state(rows=b"dd")
    assert await new_plan.rules() == ["never-closed", "stuck", "plan-stuck"]
    await pauses.pause(new_plan.bus, ZALO)
    assert await new_plan.rules() == ["never-closed", "stuck", "plan-stuck"]
    await pauses.pause(new_plan.bus, EMAIL)
    assert await new_plan.rules() == []
    await new_plan.state(rows=b"d?")
    await new_plan.cursor(planned=3)
    assert sorted(await new_plan.rules()) == ["letter-unknown", "rows-lost"], "it excuses waits"


async def test_a_channel_that_cannot_work_has_no_stuck_batches_until_it_can(overdue_plan):
    store, clock = BreakerStore(overdue_plan.bus, EMAIL, overdue_plan.clock), overdue_plan.clock
    await store.update(lambda one: breaker.fail(one, "w", "relay away", clock()))
    clock.advance(3600)
    assert await overdue_plan.rules() == []
    await store.update(lambda one: breaker.start_probe(one, "w", clock()))
    assert await overdue_plan.rules() == []
    await store.update(lambda one: breaker.succeed_probe(one, "w", clock()))
    assert await overdue_plan.rules() == ["stuck"]


@pytest.mark.parametrize(
    ("channel", "lane", "rules"),
    [
        (EMAIL, Lane.NORMAL, []),
        (EMAIL, Lane.URGENT, []),
        (EMAIL, Lane.BULK, ["stuck"]),
        (ZALO, Lane.NORMAL, ["stuck"]),
    ],
)
async def test_a_batch_may_wait_behind_its_own_and_higher_lanes(overdue_plan, channel, lane, rules):
    await Waker(overdue_plan.bus).wake(BatchKey(channel, "tin-khac", 1, 0), lane)
    assert await overdue_plan.rules() == rules


async def test_a_queue_that_no_running_process_takes_from_excuses_nothing(overdue_plan):
    bus, clock = overdue_plan.bus, overdue_plan.clock
    await Waker(bus).wake(BatchKey(EMAIL, "tin-khac", 1, 0), Lane.NORMAL)
    said = {"version": "1", "pid": 7, "started": clock(), "at": clock()}
    planner = ProcessRecord(name="a", services=("dispatch",), **said)
    await Presence(bus, planner, clock).renew()
    assert await overdue_plan.rules() == ["stuck"]
    worker = ProcessRecord(name="b", services=("deliver-email",), **said)
    await Presence(bus, worker, clock).renew()
    assert await overdue_plan.rules() == []


async def test_what_waits_is_judged_from_the_start_of_whoever_works_on_it(new_plan):
    """After a night without Loa every entry is old, and no worker has had time for it."""
    await new_plan.plan(2, complete=False)
    now = new_plan.clock()
    await new_plan.state(rows=b"sP", owner="w#1#1", lease_until=now - OLD)
    assert await new_plan.rules() == ["stuck", "sending-stuck", "plan-stuck"]
    assert await new_plan.rules(running_since=now - 30) == []
    assert await new_plan.rules(running_since=now - 90) == ["sending-stuck"]


@pytest.mark.parametrize(
    ("state", "rules"),
    [
        ({"rows": b"sd", "owner": "w#1#1", "lease_until": 30}, []),
        ({"rows": b"sd", "owner": "w#1#1", "lease_until": -59}, []),
        ({"rows": b"sd", "owner": "w#1#1", "lease_until": -61}, ["sending-stuck"]),
        # a relay that always cuts off is asked ever later; the longest step is ten hours
        ({"rows": b"Pd", "created": -50000, "due": 30000, "effects_until": -39000}, []),
        (
            {"rows": b"Pd", "created": -50000, "due": 30000, "effects_until": -45000},
            ["in-doubt-old"],
        ),
    ],
)
async def test_a_lease_and_a_doubt_have_their_time(overdue_plan, state, rules):
    now = overdue_plan.clock()
    times = {key: now + value for key, value in state.items() if isinstance(value, int)}
    await overdue_plan.state(**state | times)
    assert await overdue_plan.rules() == rules


# --- publications


async def test_a_publication_that_waits_for_its_planner_is_no_alarm(new_plan):
    """The planner was away for long, and others come first."""
    await new_plan.release()
    await new_plan.dispatched()
    assert await new_plan.rules() == ["plan-missing"]
    await new_plan.release("tin-khac")
    assert await new_plan.rules() == ["plan-missing"], "nobody has come to the other one yet"


@pytest.mark.parametrize(
    ("age_s", "queue", "rules"),
    [
        (STUCK_S + 1, False, ["plan-missing"]),
        (STUCK_S + 1, True, []),
        (STUCK_S - 1, False, []),
        (-3600, False, []),
    ],
)
async def test_a_scheduled_publication_has_ten_minutes_from_its_time(new_plan, age_s, queue, rules):
    """It was handed out and put off until then; so everything behind it is above the floor."""
    await new_plan.release(not_before=utc_time(new_plan.clock() - age_s))
    pull = await new_plan.bus.js.pull_subscribe_bind(
        durable=subjects.dispatch(EMAIL), stream="PUBLICATIONS"
    )
    await pull.fetch(1, timeout=5.0)
    if queue:
        await new_plan.release("tin-khac")
    assert await new_plan.rules() == rules


# --- a ledger at work


async def test_a_plan_that_moves_during_the_read_misses_no_batches(delivered_plan, monkeypatch):
    """Its old value is gone and its new one lies behind the end of the reading."""
    values = Bucket.values

    async def overtaken(self, prefix="", **start):
        async for key, value in values(self, prefix, **start):
            if prefix != "plan.":
                yield key, value

    monkeypatch.setattr(Bucket, "values", overtaken)
    assert await delivered_plan.rules() == []
    await delivered_plan.bucket.purge(f"plan.{PLAN}")
    assert await delivered_plan.rules() == ["plan-missing", "orphan", "orphan", "orphan"]


async def test_a_plan_that_grows_during_the_check_is_no_violation(delivered_plan, monkeypatch):
    """The planner writes another batch after the check has read the cursor."""
    await delivered_plan.cursor(complete=False, created=delivered_plan.clock())
    values, ledger = Bucket.values, delivered_plan.ledger

    async def growing(self, prefix="", **start):
        async for key, value in values(self, prefix, **start):
            yield key, value
        if prefix == "plan.":
            held = await ledger.plan(PLAN)
            cursor = held.value.advance([["r000099"]], complete=True, now=delivered_plan.clock())
            await ledger.append_batches(PLAN, held, cursor, [BatchRows(("r000099",))])

    monkeypatch.setattr(Bucket, "values", growing)
    assert await delivered_plan.found() == []
    assert await delivered_plan.bucket.get(f"state.{PLAN}.3"), "it did grow"
