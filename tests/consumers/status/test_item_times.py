"""Times from acceptance to the first, half, 95 % and the last reader, from what batches say."""

import math
import random
from dataclasses import replace

import pytest

from channels.base import Outcome, Verdict
from consumers.ledger import codec, moves
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.delivery_times import BatchTimes, reached_moments
from consumers.ledger.entry import TimeRules, planned_entry
from consumers.status.item_times import ItemTimes
from consumers.status.reader import StatusReader
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers import metrics
from producers.bus import NoReply

PLAN = PlanKey(ChannelName.EMAIL, "tin-do", 1)
RULES = TimeRules()
DELIVERED, FAILED = Outcome(Verdict.DELIVERED), Outcome(Verdict.FAILED, "550 5.1.1")
DEFERRED = Outcome(Verdict.DEFERRED, "450")


def sent(entry, outcomes, at):
    """*entry* after one window: its rows are granted, answered and booked at *at*."""
    granted = moves.grant(entry, list(outcomes), at, RULES)
    return moves.book(granted, outcomes, at, RULES)


def windows(entry, size, start, step=1.0):
    """All rows sent in windows of *size*, one every *step* seconds."""
    rows = range(len(entry.rows))
    for number, first in enumerate(rows[::size]):
        at = start + number * step
        entry = sent(entry, dict.fromkeys(rows[first : first + size], DELIVERED), at)
    return entry


def test_a_batch_notes_when_its_deliveries_reached_their_marks():
    entry = planned_entry(100, Lane.NORMAL, 1000.0)
    assert entry.progress == ()
    entry = windows(entry, 10, 1001.0)
    assert entry.progress == (1.0, 5.0, 10.0, 10.0)
    assert codec.decode_state(codec.encode_state(entry)) == entry
    assert codec.decode_state(codec.encode_state(entry).replace(b'"g"', b'"_"')).progress == ()


def test_rows_that_can_not_be_delivered_are_not_waited_for():
    entry = sent(planned_entry(4, Lane.NORMAL, 0.0), {0: FAILED, 1: FAILED, 2: FAILED}, 1.0)
    assert entry.progress == ()
    entry = sent(entry, {3: DELIVERED}, 2.0)
    assert reached_moments([BatchTimes.of(entry)]) == [2.0] * 4


def test_a_mailbox_that_waits_holds_back_the_last_mark_alone():
    entry = windows(planned_entry(100, Lane.NORMAL, 0.0), 99, 1.0)
    late = sent(planned_entry(100, Lane.NORMAL, 0.0), dict.fromkeys(range(99), DELIVERED), 1.0)
    late = sent(late, {99: DEFERRED}, 2.0)
    assert reached_moments([BatchTimes.of(late)]) == [1.0] * 3
    late = sent(late, {99: DELIVERED}, 302.0)
    assert reached_moments([BatchTimes.of(late)]) == [1.0, 1.0, 1.0, 302.0]
    assert entry.progress[-1] == 2.0


def test_the_marks_of_many_batches_are_never_early_and_late_by_one_batch_at_most():
    chance = random.Random(7)
    for _ in range(50):
        truth, batches = [], []
        for _ in range(chance.randint(1, 8)):
            count, start = chance.randint(1, 500), chance.uniform(0, 30)
            entry = windows(planned_entry(count, Lane.NORMAL, 0.0), 25, start, 0.1)
            truth += [start + (row // 25) * 0.1 for row in range(count)]
            batches.append(BatchTimes.of(entry))
        truth.sort()
        exact = [truth[max(math.ceil(share * len(truth)), 1) - 1] for share in (0, 0.5, 0.95)]
        told = reached_moments(batches)
        assert len(told) == 4 and told == sorted(told)
        late = [said - true for true, said in zip(exact, told, strict=False)]
        assert all(-0.02 <= one <= 0.1 * 20 + 0.02 for one in late)
        assert abs(told[0] - truth[0]) < 0.02 and abs(told[3] - truth[-1]) < 0.02


def test_a_plan_that_an_older_version_began_tells_nothing():
    entry = windows(planned_entry(50, Lane.NORMAL, 0.0), 25, 1.0)
    assert reached_moments([BatchTimes.of(replace(entry, progress=()))]) == []


@pytest.fixture
def item_times(bus, clock):
    return ItemTimes(bus, clock)


@pytest.fixture
def look(bus, clock, item_times):
    """One reading of the ledger; returns how often each mark was observed since the start."""
    before = observed()

    async def look():
        await StatusReader(bus, clock, on_batch=item_times.add_batch).report(at_work=False)
        await item_times.observe()
        return [now - then for now, then in zip(observed(), before, strict=True)]

    return look


def observed():
    labels = {"channel": "email", "lane": "normal"}
    names = [labels | {"reached": mark} for mark in metrics.REACHED]
    name = "loa_item_delivery_seconds_count"
    return [metrics.REGISTRY.get_sample_value(name, one) or 0.0 for one in names]


def total(mark):
    labels = {"channel": "email", "lane": "normal", "reached": mark}
    return metrics.REGISTRY.get_sample_value("loa_item_delivery_seconds_sum", labels) or 0.0


async def store(ledger, *entries, plan=PLAN, **cursor):
    changes = {"count": len(entries), "complete": True, **cursor}
    await ledger.bucket.put(f"plan.{plan}", codec.encode_cursor(PlanCursor(**changes)))
    for number, entry in enumerate(entries):
        await ledger.bucket.put(f"state.{BatchKey(*plan, number)}", codec.encode_state(entry))


async def test_each_mark_of_a_plan_is_observed_once(ledger, clock, look):
    now, before = clock(), total("half")
    fresh = planned_entry(10, Lane.NORMAL, now)
    await store(ledger, fresh, fresh, complete=False)
    assert await look() == [0, 0, 0, 0]
    begun = windows(fresh, 10, now + 4)
    await store(ledger, begun, fresh, complete=False)
    assert await look() == [0, 0, 0, 0], "the number of its readers is not known"
    await store(ledger, begun, fresh)
    assert await look() == [1, 1, 0, 0]
    closed = replace(windows(fresh, 10, now + 9), closed_at=now + 9)
    await store(ledger, replace(begun, closed_at=now + 4), closed)
    assert await look() == [1, 1, 1, 1]
    assert await look() == [1, 1, 1, 1]
    assert round(total("half") - before, 2) == 4.0


async def test_what_was_reached_before_the_start_belongs_to_the_process_before(
    ledger, bus, clock, look
):
    await store(ledger, windows(planned_entry(10, Lane.NORMAL, clock() - 60), 10, clock() - 50))
    assert await look() == [0, 0, 0, 0]


async def test_a_process_goes_on_where_the_one_before_it_ended(ledger, bus, clock, look):
    now = clock()
    fresh = planned_entry(10, Lane.NORMAL, now)
    await store(ledger, fresh, fresh)
    assert await look() == [0, 0, 0, 0]
    begun = windows(fresh, 10, now + 5)
    await store(ledger, begun, fresh)
    clock.advance(10)
    assert await look() == [1, 1, 0, 0]
    clock.advance(10)
    await store(ledger, begun, windows(fresh, 10, now + 15))  # nobody looks
    clock.advance(60)
    after = ItemTimes(bus, clock)
    for _ in range(2):
        await StatusReader(bus, clock, on_batch=after.add_batch).report(at_work=False)
        await after.observe()
    assert await look() == [1, 1, 2, 2], "by the process before, and by the next, once each"


async def test_marks_that_the_bus_could_not_explain_are_observed_at_the_next_look(
    ledger, clock, look, item_times, monkeypatch
):
    await store(ledger, windows(planned_entry(10, Lane.NORMAL, clock()), 10, clock()))

    async def silent(_plan, _batches):
        raise NoReply("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(item_times, "start_of", silent)
        with pytest.raises(NoReply):
            await look()
    assert await look() == [1, 1, 1, 1]


async def test_a_damaged_plan_takes_no_mark_of_another(ledger, clock, look, item_times):
    begun = windows(planned_entry(10, Lane.NORMAL, clock()), 10, clock())
    start_of, asked = item_times.start_of, []

    async def damaged_first(plan, batches):
        asked.append(plan)
        if len(asked) == 1:
            raise ValueError("damaged")
        return await start_of(plan, batches)

    item_times.start_of = damaged_first
    await store(ledger, begun)
    await store(ledger, begun, plan=PLAN._replace(content_id="tin-xanh"))
    assert await look() == [1, 1, 1, 1] and len(asked) == 2
    assert await look() == [1, 1, 1, 1]


async def test_a_halted_plan_tells_no_further_mark(ledger, clock, look):
    await store(ledger, windows(planned_entry(10, Lane.NORMAL, clock()), 10, clock()), halt="w2")
    assert await look() == [0, 0, 0, 0]
