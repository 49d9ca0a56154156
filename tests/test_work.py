"""One claim on one batch: what its owner may do, and what is left of it when it is the owner no more.

Every test plans on the real bus and works through one claim, with a provider that waits on demand.
"""

import asyncio
from dataclasses import replace

import pytest

from channels.base import Outcome, Recipient, Verdict
from consumers import work as working
from consumers.lanes import Pass
from consumers.ledger import moves
from consumers.ledger.entry import Note, Rules
from consumers.ledger.store import BusError, Overtaken, Silence
from consumers.settle import Later
from consumers.work import Work
from contracts.delivery import BatchKey, Lane, PlanKey
from tests.fakes import OK, People, Provider, people
from tests.test_delivery import House

ME, OTHER = "me.email.0#aa#1", "other.email.0#bb#1"
EVER = float("inf")
LEASE_S = 60.0


class Desk(House):
    """A house in which one claim at a time is worked on by hand."""

    async def begin(self, readers: int) -> None:
        self.readers.ids = people(readers)
        self.plan_key: PlanKey = await self.plan()
        self.batch = BatchKey(*self.plan_key, 0)

    async def claim(self, *, lease_s: float = LEASE_S, token: str = ME) -> Work:
        held = await self.ledger.state(self.batch)
        edition = await self.worker.library.edition(self.plan_key)
        rows = await self.ledger.rows(self.batch)
        rules = replace(self.worker.rules(edition, held.value), lease_s=lease_s)
        return Work(
            self.batch, token, rules, self.provider, self.ledger, self.readers, edition, rows,
            held, self.clock,
        )  # fmt: skip

    async def run(self, work: Work, permit: Pass | None = None):
        async with self.provider.session() as session:
            return await work.run(session, permit or Pass(Lane.NORMAL), lambda: False)

    async def change(self, move) -> None:
        """What somebody else writes; *move* is a rule of the ledger."""
        held = await self.ledger.state(self.batch)
        await self.ledger.swap(self.batch, held, move(held.value), until=EVER)

    async def on_the_wire(self, windows: int = 1) -> None:
        """Wait until that many windows have been handed to the provider."""
        async with asyncio.timeout(10):
            while len(self.provider.windows) < windows:
                await asyncio.sleep(0)

    async def letters(self) -> str:
        return (await self.ledger.state(self.batch)).value.rows.decode()

    def sent(self) -> list[str]:
        return [id for _, id in self.provider.arrivals]


@pytest.fixture
def desk(bus, tmp_path):
    async def open_desk(readers: int, **provider) -> Desk:
        desk = Desk(bus, tmp_path, People([]), Provider(**{"window": 3} | provider))
        await desk.begin(readers)
        return desk

    return open_desk


def takeover(clock):
    """Another worker claims, long after our lease."""
    return lambda entry: moves.claim(entry, OTHER, clock(), Rules(LEASE_S))


# ---- somebody writes into our batch -----------------------------------------------------------


def a_receipt(row: int):
    return lambda entry: moves.evidence(entry, row)


def a_halt(desk: Desk):
    return lambda entry: moves.halt(entry, "w2", desk.clock())


async def test_a_receipt_during_a_window_stays_and_the_window_is_booked_over_it(desk):
    loa = await desk(6)
    await loa.change(lambda entry: replace(entry, rows=b"Pppppp"[:6], notes={0: Note(1, 9e9, "")}))
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    await loa.change(a_receipt(0))
    loa.provider.hold.set()
    assert (await running).rows == b"Dddddd"
    assert loa.sent() == people(6)[1:]


async def test_a_halt_during_a_window_books_what_was_sent_and_stops(desk):
    loa = await desk(7)
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    await loa.change(a_halt(loa))
    assert await loa.letters() == "ssswwww", "rows on the wire are their owner's"
    loa.provider.hold.set()
    entry = await running
    assert (entry.rows, bool(entry.closed)) == (b"dddwwww", True)
    assert loa.provider.windows == [3]


async def test_under_a_halt_what_did_not_go_out_ends_and_what_may_have_stays_a_maybe(desk):
    said = iter([Outcome(Verdict.UNSENT), Outcome(Verdict.DOUBT), Outcome(Verdict.DEFERRED)])
    loa = await desk(4, answer=lambda row: next(said))
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    await loa.change(a_halt(loa))
    loa.provider.hold.set()
    assert (await running).rows == b"wWww"


async def test_several_writes_of_others_during_one_window_are_all_kept(desk):
    loa = await desk(8)
    notes = {0: Note(1, 9e9, ""), 1: Note(1, 9e9, "")}
    await loa.change(lambda entry: replace(entry, rows=b"PPpppppp", notes=notes))
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    for move in (a_receipt(0), a_halt(loa), a_receipt(1)):
        await loa.change(move)
    loa.provider.hold.set()
    assert (await running).rows == b"DDdddwww"


@pytest.mark.parametrize("lost", ["before", "after"])
async def test_a_write_whose_answer_is_lost_is_not_done_twice(desk, lost):
    loa = await desk(7)
    real, calls = loa.ledger.bucket.swap, []

    async def silent(*write):
        calls.append(write[1])
        if calls.count(write[1]) > 1:
            return await real(*write)
        if lost == "after":
            await real(*write)
        raise Silence("no answer")

    loa.ledger.bucket.swap = silent
    entry = await loa.run(await loa.claim())
    assert (entry.rows, entry.copies) == (b"d" * 7, 0)
    assert loa.sent() == people(7)


# ---- somebody else owns the batch now ---------------------------------------------------------


async def test_after_a_takeover_only_what_arrived_is_told_and_nothing_more_is_sent(desk):
    said = {
        "r000000": OK,
        "r000001": Outcome(Verdict.FAILED, "550"),
        "r000002": Outcome(Verdict.DEFERRED, "451"),
    }
    loa = await desk(5, answer=lambda row: said[row.id])
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    loa.clock.forward(LEASE_S + 6)
    await loa.change(takeover(loa.clock))
    theirs = (await loa.ledger.state(loa.batch)).value
    loa.provider.hold = None
    loa.clock.forward(-LEASE_S - 6)
    with pytest.raises(Overtaken):
        await asyncio.wait_for(finish(loa, running), 10)
    entry = (await loa.ledger.state(loa.batch)).value
    assert entry.rows == b"DPPpp", "an acceptance is evidence; a refusal is not"
    assert (entry.owner, entry.lease) == (theirs.owner, theirs.lease)
    assert loa.provider.windows == [3]


async def finish(loa: Desk, running: asyncio.Task) -> None:
    """The held window goes on."""
    loa.held.set()
    await running
