"""`loa check` finds every broken promise of the ledger, names it, and finds nothing else."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumers.check.checker import LedgerRules
from consumers.check.context import CheckContext
from consumers.check.findings import STUCK_S
from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from contracts import publication, subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bucket
from tests.support.check_harness import acknowledge_all
from tests.support.publications import a_publication
from tests.support.scripted_channel import reader_ids

PLAN = PlanKey(ChannelName.EMAIL, "tin-moi", 1)
OLD = 3 * STUCK_S
SIZES = (5, 5, 3)
KEYS = [f"{PLAN}.{number}" for number in range(len(SIZES))]
DEEP = ["rows-missing", "rows-differ", "recipient-twice", "last-differs"]


class DeliveredPlan:
    """A ledger with one plan of three batches, all delivered; and hands that spoil it."""

    def __init__(self, bus, clock) -> None:
        self.ledger, self.clock = Ledger(bus), clock
        self.bucket = self.ledger.bucket
        self.bus = bus

    async def release(self) -> None:
        """The publication, and a planner that is done with it."""
        at = datetime.fromtimestamp(self.clock() - OLD, UTC)
        said = a_publication(content_id="tin-moi", channels=["email"], released_at=at)
        subject = subjects.publication(said.topic, said.content_id)
        await self.bus.publish(subject, publication.encode(said))
        await acknowledge_all(self.bus, "PUBLICATIONS", subjects.dispatch(PLAN.channel))

    async def keep(self) -> None:
        ids = iter(reader_ids(sum(SIZES)))
        batches = [BatchRows(tuple(next(ids) for _ in range(size))) for size in SIZES]
        start = self.clock() - OLD
        held = await self.ledger.create_plan(PLAN, PlanCursor(created=start))
        lists = [list(rows.ids) for rows in batches]
        cursor = held.value.advance(lists, complete=True, now=start + 1)
        await self.ledger.append_batches(PLAN, held, cursor, batches)
        for number, size in enumerate(SIZES):
            await self.state(number, rows=b"d" * size, closed_at=start + 2)

    async def state(self, number: int, **changes: object) -> None:
        batch = BatchKey(*PLAN, number)
        held = await self.ledger.state(batch)
        await self.store(number, replace(held.value, **changes))

    async def store(self, number: int, entry: LedgerEntry) -> None:
        await self.bucket.put(f"state.{PLAN}.{number}", codec.encode_state(entry))

    async def cursor(self, **changes: object) -> None:
        held = await self.ledger.plan(PLAN)
        changed = replace(held.value, **changes)
        await self.bucket.put(f"plan.{PLAN}", codec.encode_cursor(changed))

    async def recipients(self, number: int, *ids: str) -> None:
        await self.bucket.put(f"rows.{PLAN}.{number}", codec.encode_rows(ids, frozenset()))

    async def check(self, *, deep: bool) -> list[tuple[str, str]]:
        context = CheckContext(self.bus, self.clock, deep, recheck_after_s=0.0)
        found = await LedgerRules(context).violations()
        assert all(one.detail for one in found)
        return sorted((one.rule, one.key) for one in found)


@pytest.fixture
async def delivered_plan(bus, clock):
    books = DeliveredPlan(bus, clock)
    await books.keep()
    await books.release()
    return books


@pytest.mark.parametrize("deep", [False, True])
async def test_clean_books_are_clean(delivered_plan, deep):
    assert await delivered_plan.check(deep=deep) == []


async def test_an_empty_ledger_is_clean(bus, clock):
    books = DeliveredPlan(bus, clock)
    assert await books.check(deep=True) == []


async def test_work_in_hand_is_no_violation(delivered_plan):
    now = delivered_plan.clock()
    await delivered_plan.state(
        0, rows=b"ddssp", closed_at=0.0, owner="w#1#1", lease_until=now + 30, due=now - OLD
    )
    await delivered_plan.state(1, rows=b"drrrd", closed_at=0.0, due=now + 3600)
    await delivered_plan.state(2, rows=b"dPK", closed_at=0.0, due=now - STUCK_S + 10)
    assert await delivered_plan.check(deep=True) == []


async def test_a_batch_whose_last_doubt_a_receipt_has_ended_may_wait_for_its_wake_up(
    delivered_plan,
):
    await delivered_plan.state(1, closed_at=0.0, due=delivered_plan.clock() + 3600)
    assert await delivered_plan.check(deep=True) == []


async def test_a_plan_that_was_halted_before_it_began_is_clean(delivered_plan):
    """Its item's second position is out, and the planner has not come to it yet."""
    other = PlanKey(ChannelName.ZALO, "tin-moi", 1)
    await delivered_plan.ledger.create_plan(
        other, PlanCursor(halt="v2", created=delivered_plan.clock() - OLD)
    )
    newer = a_publication(content_id="tin-moi", revision=2, channels=["email"])
    subject = subjects.publication(newer.topic, newer.content_id)
    await delivered_plan.bus.publish(subject, publication.encode(newer))
    assert await delivered_plan.check(deep=True) == []


async def test_a_plan_in_the_making_is_clean(delivered_plan):
    await delivered_plan.cursor(complete=False, created=delivered_plan.clock() - STUCK_S + 10)
    assert await delivered_plan.check(deep=True) == []


Spoil = Callable[[DeliveredPlan], Awaitable[object]]
SPOILT: dict[str, tuple[Spoil, list[tuple[str, str]]]] = {
    "nothing was ever planned": (
        lambda b: b.bucket.purge(f"plan.{PLAN}"),
        [("plan-missing", f"plan.{PLAN}"), *(("orphan", f"state.{key}") for key in KEYS)],
    ),
    "the plan was never finished": (
        lambda b: b.cursor(complete=False),
        [("plan-stuck", f"plan.{PLAN}")],
    ),
    "a batch is gone": (
        lambda b: b.bucket.purge(f"state.{KEYS[1]}"),
        [("batch-missing", f"state.{KEYS[1]}"), ("rows-lost", f"plan.{PLAN}")],
    ),
    "the plan counts more recipients than there are": (
        lambda b: b.cursor(planned=14),
        [("rows-lost", f"plan.{PLAN}")],
    ),
    "a batch has lost a row": (
        lambda b: b.state(1, rows=b"dddd"),
        [("rows-lost", f"plan.{PLAN}")],
    ),
    "a batch lies beyond the plan": (
        lambda b: b.cursor(count=2, planned=10),
        [("orphan", f"state.{KEYS[2]}")],
    ),
    "a letter means nothing": (
        lambda b: b.state(0, rows=b"dd?dz"),
        [("letter-unknown", f"state.{KEYS[0]}")],
    ),
    "a closed batch has open rows": (
        lambda b: b.state(2, rows=b"dpd"),
        [("closed-with-open-rows", f"state.{KEYS[2]}")],
    ),
    "a closed batch has a row on the wire": (
        lambda b: b.state(2, rows=b"dSd"),
        [("closed-with-open-rows", f"state.{KEYS[2]}")],
    ),
    "a batch was never closed": (
        lambda b: b.state(1, closed_at=0.0, due=b.clock() - 5),
        [("never-closed", f"state.{KEYS[1]}")],
    ),
    "nobody works on a batch that is due": (
        lambda b: b.state(1, rows=b"ddppp", closed_at=0.0),
        [("stuck", f"state.{KEYS[1]}")],
    ),
    "the owner of a batch died long ago": (
        lambda b: b.state(
            1, rows=b"dsssp", closed_at=0.0, owner="x#1#1", lease_until=b.clock() - OLD
        ),
        [("sending-stuck", f"state.{KEYS[1]}"), ("stuck", f"state.{KEYS[1]}")],
    ),
    "a state can't be read": (
        lambda b: b.bucket.put(f"state.{KEYS[0]}", b'{"v":1,"r":"ddd'),
        [("unreadable", f"state.{KEYS[0]}"), ("rows-lost", f"plan.{PLAN}")],
    ),
    "a state is of a later version": (
        lambda b: b.bucket.put(f"state.{KEYS[0]}", b'{"v":2}'),
        [("unreadable", f"state.{KEYS[0]}"), ("rows-lost", f"plan.{PLAN}")],
    ),
    "a plan can't be read": (
        lambda b: b.bucket.put(f"plan.{PLAN}", b'{"v":1,"count":3}'),
        [("unreadable", f"plan.{PLAN}")],
    ),
}
SPOILT_DEEP: dict[str, tuple[Spoil, list[tuple[str, str]]]] = {
    "the recipients are gone": (
        lambda b: b.bucket.purge(f"rows.{KEYS[1]}"),
        [("rows-missing", f"state.{KEYS[1]}")],
    ),
    "there are more recipients than rows": (
        lambda b: b.recipients(2, "r000010", "r000011", "r000012", "r000013"),
        [("last-differs", f"plan.{PLAN}"), ("rows-differ", f"state.{KEYS[2]}")],
    ),
    "somebody stands twice in a batch": (
        lambda b: b.recipients(2, "r000010", "r000010", "r000012"),
        [("recipient-twice", f"state.{KEYS[2]}")],
    ),
    "somebody stands in two batches": (
        lambda b: b.recipients(1, "r000004", "r000006", "r000007", "r000008", "r000009"),
        [("recipient-twice", f"state.{KEYS[1]}")],
    ),
    "recipients are out of order": (
        lambda b: b.recipients(2, "r000011", "r000010", "r000012"),
        [("recipient-twice", f"state.{KEYS[2]}")],
    ),
}


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("what", SPOILT)
async def test_each_corruption_is_found_and_named(delivered_plan, what, deep):
    spoil, violations = SPOILT[what]
    await spoil(delivered_plan)
    found = await delivered_plan.check(deep=deep)
    assert sorted(one for one in found if one[0] not in DEEP) == sorted(violations)
    assert deep or not [one for one in found if one[0] in DEEP]


@pytest.mark.parametrize("what", SPOILT_DEEP)
async def test_what_is_wrong_with_the_recipients_is_found_by_a_deep_check(delivered_plan, what):
    spoil, violations = SPOILT_DEEP[what]
    await spoil(delivered_plan)
    assert await delivered_plan.check(deep=False) == []
    assert await delivered_plan.check(deep=True) == violations


async def test_a_plan_that_grows_during_the_check_is_no_violation(delivered_plan, monkeypatch):
    """The planner writes another batch after the check has read the cursor."""
    await delivered_plan.cursor(complete=False, created=delivered_plan.clock())
    values = Bucket.values

    async def growing(self, prefix=""):
        async for key, value in values(self, prefix):
            yield key, value
        if prefix == "plan.":
            await grow(delivered_plan)

    monkeypatch.setattr(Bucket, "values", growing)
    assert await delivered_plan.check(deep=True) == []
    assert await delivered_plan.bucket.get(f"state.{PLAN}.3"), "it did grow"


async def grow(books: DeliveredPlan) -> None:
    held = await books.ledger.plan(PLAN)
    cursor = held.value.advance([["r000099"]], complete=True, now=books.clock())
    await books.ledger.append_batches(PLAN, held, cursor, [BatchRows(("r000099",))])
