"""The ledger's bucket: a write counts when it is known to be stored, and is never guessed."""

import asyncio
import time
from dataclasses import replace

import pytest

from consumers.ledger.entry import LedgerEntry
from consumers.ledger.errors import ConcurrentUpdate, LedgerError
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey
from producers.bus import NoReply, RevisionConflict
from producers.bus.records import Versioned
from tests.support.ledger_plan import PLAN, ledger
from tests.support.metric_values import metric
from tests.support.scripted_channel import reader_ids

__all__ = ["ledger"]

BATCH = BatchKey(*PLAN, 0)
EVER = float("inf")


class LossyBucket:
    """A bucket whose answers get lost, as a script says: one word per swap, then all is well.

    "before": the write never left. "after": it is stored, its answer lost. "late": a read overtakes
    it, then it lands. "never": it is on its way until `land` is called.
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
            raise NoReply("no answer")
        return revision

    async def get(self, key: str):
        if self.deaf:
            self.deaf -= 1
            raise NoReply("no answer")
        value = await self.real.get(key)
        await self.land(self.late)
        return value

    async def land(self, writes) -> None:
        while writes:
            try:
                await self.real.swap(*writes.pop(0))
            except RevisionConflict:
                continue  # too late: another one was faster

    def __getattr__(self, name: str):
        return getattr(self.real, name)


async def stands(ledger: Ledger) -> Versioned[LedgerEntry]:
    return await Ledger.state(ledger, BATCH)


async def test_a_swap_answers_with_what_stands_now(ledger):
    held = await stands(ledger)
    written = await ledger.swap(BATCH, held, replace(held.value, rows=b"spp"), until=EVER)
    assert written == await stands(ledger)
    assert written.revision > held.revision


async def test_each_write_is_counted_by_how_it_ends(bus, ledger):
    def counts():
        ends = ("stored", "conflict", "no_reply")
        return [metric("loa_ledger_writes_total", result=end) for end in ends]

    before, held = counts(), await stands(ledger)
    for _ in range(3):
        held = await ledger.swap(BATCH, held, held.value, until=EVER)
    for _ in range(2):
        with pytest.raises(ConcurrentUpdate):
            await ledger.swap(BATCH, replace(held, revision=1), held.value, until=EVER)
    ledger.bucket = LossyBucket(ledger.bucket, "before")
    await ledger.swap(BATCH, held, held.value, until=EVER)
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [4, 2, 1]


@pytest.mark.promise("3.6")
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
async def test_silence_is_cleared_up_by_reading_back_and_written_once(ledger, script, tries, deaf):
    held, before = await stands(ledger), await ledger.bucket.last_seq()
    ledger.bucket = lossy = LossyBucket(ledger.bucket, *script, deaf=deaf)
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
        seen.add(held.value.write_id)
    assert len(seen) == 3


async def test_two_processes_never_use_the_same_write_id(bus, ledger):
    held = await stands(ledger)
    mine = await ledger.swap(BATCH, held, held.value, until=EVER)
    theirs = await Ledger(bus).swap(BATCH, mine, mine.value, until=EVER)
    assert theirs.value.write_id.partition(".")[2] == mine.value.write_id.partition(".")[2] == "1"
    assert theirs.value.write_id != mine.value.write_id


@pytest.mark.parametrize("script", [[], ["before"], ["late"], ["never"]], ids=str)
async def test_anothers_write_wins_and_is_handed_over(bus, ledger, script):
    held = await stands(ledger)
    other = await Ledger(bus).swap(BATCH, held, replace(held.value, halt="v2"), until=EVER)
    ledger.bucket = lossy = LossyBucket(ledger.bucket, *script)
    with pytest.raises(ConcurrentUpdate) as overtaken:
        await ledger.swap(BATCH, held, replace(held.value, rows=b"sss"), until=EVER)
    assert overtaken.value.current == other
    await lossy.land(lossy.never)
    assert await stands(ledger) == other, "a write that comes late changes nothing"


async def test_a_write_that_somebody_wrote_over_at_once_counts_as_overtaken(bus, ledger):
    """Ours was stored for a moment; its writer has to look at the present value."""
    held = await stands(ledger)
    lossy = LossyBucket(ledger.bucket, "after")
    real_get = lossy.get

    async def get(key):
        ledger.bucket.get = real_get
        mine = await stands(ledger)
        await Ledger(bus).swap(BATCH, mine, replace(mine.value, halt="w2"), until=EVER)
        return await real_get(key)

    lossy.get, ledger.bucket = get, lossy
    with pytest.raises(ConcurrentUpdate) as overtaken:
        await ledger.swap(BATCH, held, replace(held.value, rows=b"sss"), until=EVER)
    current = overtaken.value.current.value
    assert (current.rows, current.halt) == (b"sss", "w2")


@pytest.mark.parametrize("reads", [False, True])
async def test_who_cannot_write_gives_up_in_time(ledger, monkeypatch, reads):
    async def silence(_key: str):
        await asyncio.sleep(0.005)
        raise NoReply("no answer")

    held = await stands(ledger)
    ledger.bucket = lossy = LossyBucket(ledger.bucket, *["before"] * 100_000)
    with monkeypatch.context() as patch, pytest.raises(NoReply):
        if not reads:
            patch.setattr(lossy, "get", silence)
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
    assert (await ledger.rows(BATCH)).ids == tuple(reader_ids(3))
    await ledger.bucket.purge(f"rows.{BATCH}")
    with pytest.raises(LedgerError, match="missing"):
        await ledger.rows(BATCH)
