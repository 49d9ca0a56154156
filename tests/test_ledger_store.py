"""The ledger's bucket: a write counts when it is known to stand, and is never guessed."""

import asyncio
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import BATCH_ROWS, Cursor, cut
from consumers.ledger.entry import Entry
from consumers.ledger.store import Conflict, Held, Ledger, LedgerError, Overtaken, Silence
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from tests.fakes import people

PLAN = PlanKey(ChannelName.EMAIL, "tin-moi", 1)
BATCH = BatchKey(*PLAN, 0)
EVER = float("inf")


class Lossy:
    """A bucket whose answers get lost, as a script says: one word per swap, then all is well.

    "before": the write never left. "after": it stands, nobody says so. "late": a read overtakes it,
    then it lands. "never": it is on its way until `land` is called.
    """

    def __init__(self, real, *script: str, deaf: int = 0) -> None:
        self.real, self.script, self.deaf = real, list(script), deaf
        self.tries: list[bytes] = []
        self.late: list[tuple[str, bytes, int]] = []
        self.never: list[tuple[str, bytes, int]] = []

    async def swap(self, *write) -> int:
        self.tries.append(write[1])
        said = self.script.pop(0) if self.script else ""
        if said in ("", "after"):
            revision = await self.real.swap(*write)
        if said in ("late", "never"):
            getattr(self, said).append(write)
        if said:
            raise Silence("no answer")
        return revision

    async def get(self, key: str):
        if self.deaf:
            self.deaf -= 1
            raise Silence("no answer")
        value = await self.real.get(key)
        await self.land(self.late)
        return value

    async def land(self, writes) -> None:
        while writes:
            try:
                await self.real.swap(*writes.pop(0))
            except Conflict:
                continue  # too late: another one was faster

    def __getattr__(self, name: str):
        return getattr(self.real, name)


@pytest.fixture
async def ledger(bus):
    ledger = Ledger(bus)
    held = await ledger.create_plan(PLAN, Cursor())
    ids = people(3)
    cursor = held.value.advance([ids], complete=True, now=1)
    await ledger.extend(PLAN, held, cursor, [Rows(tuple(ids))])
    return ledger


async def stands(ledger: Ledger) -> Held[Entry]:
    return await Ledger.state(ledger, BATCH)


# ---- one entry ------------------------------------------------------------------------------


async def test_a_swap_answers_with_what_stands_now(ledger):
    held = await stands(ledger)
    written = await ledger.swap(BATCH, held, replace(held.value, rows=b"spp"), until=EVER)
    assert written == await stands(ledger)
    assert written.revision > held.revision


@pytest.mark.parametrize(
    ("script", "tries"),
    [
        (["before"], 2),
        (["after"], 1),
        (["late"], 2),
        (["never"], 2),
        (["late", "late"], 2),
        (["never", "never"], 3),
        (["before", "before", "after"], 3),
        (["late", "before", "after"], 2),
        (["never", "after"], 2),
        (["never", "before", "late", "never"], 4),
    ],
    ids=str,
)
@pytest.mark.parametrize("deaf", [0, 3])
async def test_silence_is_cleared_up_by_reading_back_and_the_write_stands_once(
    ledger, script, tries, deaf
):
    held, before = await stands(ledger), await ledger.bucket.last_seq()
    ledger.bucket = lossy = Lossy(ledger.bucket, *script, deaf=deaf)
    written = await ledger.swap(BATCH, held, replace(held.value, rows=b"sss"), until=EVER)
    await lossy.land(lossy.never)
    assert await stands(ledger) == written
    assert written.value.rows == b"sss"
    assert await lossy.real.last_seq() == before + 1, "one write, and no other"
    assert len(set(lossy.tries)) == 1, "the same bytes, whatever became of the first ones"
    assert len(lossy.tries) == tries


async def test_every_write_has_an_id_of_its_own_even_when_it_changes_nothing(ledger):
    held, seen = await stands(ledger), set()
    for _ in range(3):
        held = await ledger.swap(BATCH, held, held.value, until=EVER)
        seen.add(held.value.write)
    assert len(seen) == 3


async def test_two_processes_never_use_the_same_write_id(bus, ledger):
    held = await stands(ledger)
    mine = await ledger.swap(BATCH, held, held.value, until=EVER)
    theirs = await Ledger(bus).swap(BATCH, mine, mine.value, until=EVER)
    assert theirs.value.write.partition(".")[2] == mine.value.write.partition(".")[2] == "1"
    assert theirs.value.write != mine.value.write


@pytest.mark.parametrize("script", [[], ["before"], ["late"], ["never"]], ids=str)
async def test_anothers_write_wins_and_is_handed_over(bus, ledger, script):
    held = await stands(ledger)
    other = await Ledger(bus).swap(BATCH, held, replace(held.value, halt="v2"), until=EVER)
    ledger.bucket = lossy = Lossy(ledger.bucket, *script)
    with pytest.raises(Overtaken) as overtaken:
        await ledger.swap(BATCH, held, replace(held.value, rows=b"sss"), until=EVER)
    assert overtaken.value.state == other
    await lossy.land(lossy.never)
    assert await stands(ledger) == other, "a write that comes late changes nothing"


async def test_a_write_that_somebody_wrote_over_at_once_counts_as_overtaken(bus, ledger):
    """Ours stood for a moment; whoever asks has to look at what stands now."""
    held = await stands(ledger)
    lossy = Lossy(ledger.bucket, "after")
    real_get = lossy.get

    async def get(key):
        ledger.bucket.get = real_get
        mine = await stands(ledger)
        await Ledger(bus).swap(BATCH, mine, replace(mine.value, halt="w2"), until=EVER)
        return await real_get(key)

    lossy.get, ledger.bucket = get, lossy
    with pytest.raises(Overtaken) as overtaken:
        await ledger.swap(BATCH, held, replace(held.value, rows=b"sss"), until=EVER)
    assert (overtaken.value.state.value.rows, overtaken.value.state.value.halt) == (b"sss", "w2")


async def test_who_hears_nothing_gives_up_in_time(ledger):
    held = await stands(ledger)
    ledger.bucket = lossy = Lossy(ledger.bucket, "before", deaf=1_000_000)
    lossy.get = quick_silence
    with pytest.raises(Silence):
        async with asyncio.timeout(10):
            await ledger.swap(BATCH, held, held.value, until=time.monotonic() + 0.05)


async def quick_silence(key: str):
    await asyncio.sleep(0.005)
    raise Silence("no answer")


async def test_who_can_read_but_never_write_gives_up_in_time_too(ledger):
    held = await stands(ledger)
    ledger.bucket = lossy = Lossy(ledger.bucket, *["before"] * 100_000)
    with pytest.raises(Silence):
        async with asyncio.timeout(10):
            await ledger.swap(BATCH, held, held.value, until=time.monotonic() + 0.05)
    assert lossy.tries, "it did try"
    assert await stands(ledger) == held


async def test_a_state_that_vanished_is_an_error_and_is_not_made_anew(ledger):
    held = await stands(ledger)
    await ledger.bucket.purge(f"state.{BATCH}")
    with pytest.raises(LedgerError, match="missing"):
        await ledger.swap(BATCH, held, held.value, until=EVER)
    assert await stands(ledger) is None


async def test_recipients_that_vanished_are_an_error(ledger):
    assert (await ledger.rows(BATCH)).ids == tuple(people(3))
    await ledger.bucket.purge(f"rows.{BATCH}")
    with pytest.raises(LedgerError, match="missing"):
        await ledger.rows(BATCH)


# ---- a plan ---------------------------------------------------------------------------------

OTHER = PlanKey(ChannelName.EMAIL, "tin-khac", 1)


def planned(held: Held[Cursor], ids: list[str], *, complete: bool = True):
    """The cursor after *ids*, and their batches."""
    batches = cut(ids)
    cursor = held.value.advance(batches, complete=complete, now=5.0)
    return cursor, [Rows(tuple(one), frozenset(one[:1])) for one in batches]


async def everything(ledger: Ledger) -> dict[str, bytes]:
    return {key: value.data async for key, value in ledger.bucket.values()}


async def test_batches_and_the_cursor_that_counts_them_come_together(ledger):
    held = await ledger.create_plan(OTHER, Cursor(lane=Lane.BULK, created=3.0))
    cursor, batches = planned(held, people(2 * BATCH_ROWS + 1))
    wider = await ledger.extend(OTHER, held, cursor, batches)
    assert wider == await ledger.plan(OTHER)
    found = [(batch.number, one.value) async for batch, one in ledger.entries(OTHER, cursor)]
    assert [number for number, _ in found] == [0, 1, 2]
    assert [entry.rows for _, entry in found] == [b"p" * 500, b"p" * 500, b"p"]
    assert {(entry.lane, entry.created, entry.due) for _, entry in found} == {(Lane.BULK, 3.0, 3.0)}
    for batch, rows in zip((BatchKey(*OTHER, n) for n in range(3)), batches, strict=True):
        assert await ledger.rows(batch) == rows


@pytest.mark.parametrize("in_the_way", ["state", "rows"])
async def test_one_entry_that_is_there_already_keeps_all_the_others_out(ledger, in_the_way):
    held = await ledger.create_plan(OTHER, Cursor())
    await ledger.bucket.put(f"{in_the_way}.{OTHER}.2", b"in the way")
    before = await everything(ledger)
    cursor, batches = planned(held, people(2 * BATCH_ROWS + 1))
    with pytest.raises(Conflict):
        await ledger.extend(OTHER, held, cursor, batches)
    assert await everything(ledger) == before


async def test_a_cursor_that_was_halted_meanwhile_keeps_the_batches_out(ledger):
    held = await ledger.create_plan(OTHER, Cursor())
    await ledger.swap_plan(OTHER, held, held.value.halted("v2"))
    before = await everything(ledger)
    with pytest.raises(Conflict):
        await ledger.extend(OTHER, held, *planned(held, people(3)))
    assert await everything(ledger) == before


async def test_of_two_planners_one_wins_and_the_other_goes_on_behind_it(ledger):
    held = await ledger.create_plan(OTHER, Cursor())
    ids = people(2 * BATCH_ROWS)
    await ledger.extend(OTHER, held, *planned(held, ids[:BATCH_ROWS], complete=False))
    with pytest.raises(Conflict):
        await ledger.extend(OTHER, held, *planned(held, ids[:BATCH_ROWS], complete=False))
    again = await ledger.create_plan(OTHER, Cursor(created=99.0))
    assert (again.value.last, again.value.count) == (ids[BATCH_ROWS - 1], 1)
    done = await ledger.extend(OTHER, again, *planned(again, ids[BATCH_ROWS:]))
    assert (done.value.count, done.value.planned, done.value.complete) == (2, 1000, True)
    lists = [(await ledger.rows(BatchKey(*OTHER, number))).ids for number in range(2)]
    assert [id for one in lists for id in one] == ids


async def test_a_plan_that_exists_is_not_made_anew(ledger):
    first = await ledger.create_plan(OTHER, Cursor(source=7, created=3.0))
    second = await ledger.create_plan(OTHER, Cursor(halt="v9", created=4.0))
    assert second == first


async def test_entries_come_in_the_order_of_their_numbers_over_many_pages(ledger):
    held = await ledger.create_plan(OTHER, Cursor())
    ids = people(412)
    for start in range(0, 412, 206):
        some = [[id] for id in ids[start : start + 206]]
        cursor = held.value.advance(some, complete=False, now=1)
        held = await ledger.extend(OTHER, held, cursor, [Rows(tuple(one)) for one in some])
    numbers = [batch.number async for batch, _ in ledger.entries(OTHER, held.value)]
    assert numbers == list(range(412))


async def test_a_counted_entry_that_is_missing_is_an_error_not_a_gap(ledger):
    held = await ledger.plan(PLAN)
    more = replace(held.value, count=2)
    with pytest.raises(LedgerError, match=rf"state.{PLAN}.1 is missing"):
        [one async for one in ledger.entries(PLAN, more)]


cursors = st.builds(
    Cursor,
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
    wider = cursor.advance(cut(sorted(ids)), complete=complete, now=9.0)
    assert wider.last == (max(ids) if ids else cursor.last)
    assert wider.planned - cursor.planned == len(ids)
    assert wider.complete == complete
    assert wider.halted("v5").halted("w6").halt == (cursor.halt or "v5")
    assert wider.halted("v5").missing == 0
    assert wider.missing >= 0
