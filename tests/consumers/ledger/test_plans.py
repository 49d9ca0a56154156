"""A plan in the ledger: its cursor counts the stored batches, all of them, in their order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import MAX_BATCH_ROWS, PlanCursor, split_into_batches
from consumers.ledger.errors import LedgerError
from consumers.ledger.plan_rows import PlanRows
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import RevisionConflict
from producers.bus.records import Versioned
from tests.support.ledger_plan import PLAN, ledger, store_plan
from tests.support.scripted_channel import reader_ids

__all__ = ["ledger"]

OTHER = PlanKey(ChannelName.EMAIL, "tin-khac", 1)


def planned(held: Versioned[PlanCursor], ids: list[str], *, complete: bool = True):
    """The cursor after *ids*, and their batches."""
    batches = split_into_batches(ids)
    cursor = held.value.advance(batches, complete=complete, now=5.0)
    return cursor, [BatchRows(tuple(one), frozenset(one[:1])) for one in batches]


async def everything(ledger: Ledger) -> dict[str, bytes]:
    return {key: value.data async for key, value in ledger.bucket.values()}


async def test_batches_and_the_cursor_that_counts_them_come_together(ledger):
    held = await ledger.create_plan(OTHER, PlanCursor(lane=Lane.BULK, created=3.0))
    cursor, batches = planned(held, reader_ids(2 * MAX_BATCH_ROWS + 1))
    wider = await ledger.append_batches(OTHER, held, cursor, batches)
    assert wider == await ledger.plan(OTHER)
    found = [(batch.number, one.value) async for batch, one in ledger.entries(OTHER, cursor)]
    assert [number for number, _ in found] == [0, 1, 2]
    assert [entry.rows for _, entry in found] == [b"p" * 500, b"p" * 500, b"p"]
    assert {(entry.lane, entry.created, entry.due) for _, entry in found} == {(Lane.BULK, 3.0, 3.0)}
    for batch, rows in zip((BatchKey(*OTHER, n) for n in range(3)), batches, strict=True):
        assert await ledger.rows(batch) == rows


@pytest.mark.parametrize("in_the_way", ["state", "rows"])
async def test_one_entry_that_is_there_already_keeps_all_the_others_out(ledger, in_the_way):
    held = await ledger.create_plan(OTHER, PlanCursor())
    await ledger.bucket.put(f"{in_the_way}.{OTHER}.2", b"in the way")
    before = await everything(ledger)
    cursor, batches = planned(held, reader_ids(2 * MAX_BATCH_ROWS + 1))
    with pytest.raises(RevisionConflict):
        await ledger.append_batches(OTHER, held, cursor, batches)
    assert await everything(ledger) == before


async def test_a_cursor_that_was_halted_meanwhile_keeps_the_batches_out(ledger):
    held = await ledger.create_plan(OTHER, PlanCursor())
    await ledger.swap_plan(OTHER, held, held.value.with_halt("v2"))
    before = await everything(ledger)
    with pytest.raises(RevisionConflict):
        await ledger.append_batches(OTHER, held, *planned(held, reader_ids(3)))
    assert await everything(ledger) == before


async def test_of_two_planners_one_wins_and_the_other_goes_on_behind_it(ledger):
    held = await ledger.create_plan(OTHER, PlanCursor())
    ids = reader_ids(2 * MAX_BATCH_ROWS)
    half = planned(held, ids[:MAX_BATCH_ROWS], complete=False)
    await ledger.append_batches(OTHER, held, *half)
    with pytest.raises(RevisionConflict):
        await ledger.append_batches(OTHER, held, *half)
    again = await ledger.create_plan(OTHER, PlanCursor(created=99.0))
    assert (again.value.last, again.value.count) == (ids[MAX_BATCH_ROWS - 1], 1)
    done = await ledger.append_batches(OTHER, again, *planned(again, ids[MAX_BATCH_ROWS:]))
    assert (done.value.count, done.value.planned, done.value.complete) == (2, 1000, True)
    lists = [(await ledger.rows(BatchKey(*OTHER, number))).ids for number in range(2)]
    assert [id for one in lists for id in one] == ids


async def test_a_plan_that_exists_is_not_made_anew(ledger):
    first = await ledger.create_plan(OTHER, PlanCursor(source=7, created=3.0))
    second = await ledger.create_plan(OTHER, PlanCursor(halt="v9", created=4.0))
    assert second == first


async def test_entries_come_in_the_order_of_their_numbers_over_many_pages(ledger):
    held = await ledger.create_plan(OTHER, PlanCursor())
    ids = reader_ids(412)
    for start in range(0, 412, 206):
        some = [[id] for id in ids[start : start + 206]]
        cursor = held.value.advance(some, complete=False, now=1)
        rows = [BatchRows(tuple(one)) for one in some]
        held = await ledger.append_batches(OTHER, held, cursor, rows)
    numbers = [batch.number async for batch, _ in ledger.entries(OTHER, held.value)]
    assert numbers == list(range(412))


async def test_a_counted_entry_that_is_missing_is_an_error_not_a_gap(ledger):
    held = await ledger.plan(PLAN)
    more = replace(held.value, count=2)
    with pytest.raises(LedgerError, match=rf"state.{PLAN}.1 is missing"):
        [one async for one in ledger.entries(PLAN, more)]


cursors = st.builds(
    PlanCursor,
    last=st.text("abc019", max_size=6),
    count=st.integers(0, 10**6),
    planned=st.integers(0, 10**9),
    total=st.none() | st.integers(0, 10**9),
    complete=st.booleans(),
    halt=st.sampled_from(["", "v2", "w31"]),
    source=st.integers(0, 10**12),
    lane=st.sampled_from(list(Lane)),
    created=st.floats(0, 2e9),
    finished=st.floats(0, 2e9),
)


@given(cursors)
def test_a_cursor_reads_as_it_was_written(cursor):
    assert codec.decode_cursor(codec.encode_cursor(cursor)) == cursor


@given(cursors, st.lists(st.text("abc", min_size=1, max_size=4), unique=True), st.booleans())
def test_a_cursor_advances_by_what_was_planned_and_is_halted_once(cursor, ids, complete):
    wider = cursor.advance(split_into_batches(sorted(ids)), complete=complete, now=9.0)
    assert wider.last == (max(ids) if ids else cursor.last)
    assert wider.planned - cursor.planned == len(ids)
    assert wider.complete == complete
    assert wider.with_halt("v5").with_halt("w6").halt == (cursor.halt or "v5")
    assert wider.with_halt("v5").missing_count == 0
    assert wider.missing_count >= 0


@pytest.mark.parametrize("sizes", [[1], [2, 1], [5, 5, 5], [5, 5, 5, 5, 5, 5, 2]])
async def test_every_recipient_is_found_whichever_batch_it_is_in(ledger, sizes):
    ids = reader_ids(2 * sum(sizes))[1::2]
    batches = [[ids.pop(0) for _ in range(size)] for size in sizes]
    await store_plan(ledger, OTHER, *batches)
    rows = PlanRows(ledger)
    for number, batch in enumerate(batches):
        for row, id in enumerate(batch):
            assert await rows.find(OTHER, id) == (BatchKey(*OTHER, number), row, 0)
    for id in reader_ids(2 * sum(sizes))[::2]:
        assert await rows.find(OTHER, id) is None
