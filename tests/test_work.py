"""One claim on one batch: what its owner may do, and what is left when it is the owner no more.

Every test plans on the real bus and works through one claim, with a provider that waits on demand.
"""

import asyncio
from dataclasses import replace

import pytest

from channels.base import Outcome, Verdict
from consumers import claim as claims
from consumers import work as works
from consumers.claim import Claim, Unbooked
from consumers.ledger import moves
from consumers.ledger.entry import Entry, Note, Rules
from consumers.ledger.store import BusError, Overtaken, Silence
from consumers.settle import Later
from consumers.work import Work
from contracts.delivery import BatchKey, PlanKey
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
        self.stop, self.wanted = asyncio.Event(), asyncio.Event()

    async def claim(
        self, *, lease_s: float = LEASE_S, token: str = ME, unbooked: Unbooked | None = None
    ) -> Work:
        held = await self.ledger.state(self.batch)
        edition = await self.worker.library.edition(self.plan_key)
        rules = replace(self.worker.rules(edition), lease_s=lease_s)
        claim = Claim(self.batch, token, rules, self.ledger, held, self.clock, unbooked)
        rows = await self.ledger.rows(self.batch)
        return Work(claim, self.provider, self.readers, edition, rows, self.stop.is_set)

    async def run(self, work: Work) -> Entry:
        async with self.provider.session() as session:
            return await work.run(session, self.wanted.is_set)

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

    def takes_over(self, entry: Entry) -> Entry:
        """What another worker writes that takes our lease for over."""
        return moves.claim(entry, OTHER, self.clock(), Rules(LEASE_S))

    def halts(self, entry: Entry) -> Entry:
        return moves.halt(entry, "w2", self.clock())


@pytest.fixture
def desk(bus, tmp_path):
    async def open_desk(readers: int, **provider) -> Desk:
        desk = Desk(bus, tmp_path, People([]), Provider(**{"window": 3} | provider))
        await desk.begin(readers)
        return desk

    return open_desk


# ---- somebody writes into our batch -----------------------------------------------------------


def a_receipt(row: int):
    return lambda entry: moves.evidence(entry, row)


async def test_a_receipt_during_a_window_stays_and_the_window_is_booked_over_it(desk):
    loa = await desk(6)
    await loa.change(lambda entry: replace(entry, rows=b"Pppppp", notes={0: Note(1, 9e9, "")}))
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    await loa.change(a_receipt(0))
    loa.provider.hold.set()
    assert (await running).rows == b"Dddddd"
    assert loa.sent() == people(6)[1:]


async def test_what_another_owner_has_tried_before_our_first_write_is_looked_at_anew(desk):
    """It came and went after we had read the batch: a doubt, a row not due, two sent, one open."""
    loa = await desk(5)
    loa.provider.known = lambda row: Outcome(Verdict.DOUBT, "not yet")
    work = await loa.claim()
    notes = {0: Note(1, loa.clock() + 60, "silent"), 1: Note(1, loa.clock() + 60, "busy")}
    await loa.change(lambda entry: replace(entry, rows=b"Prddp", notes=notes))
    entry = await loa.run(work)
    assert (entry.rows, loa.sent()) == (b"Prddd", people(5)[4:])


async def test_a_halt_during_a_window_books_what_was_sent_and_stops(desk):
    loa = await desk(7)
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    await loa.change(loa.halts)
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
    await loa.change(loa.halts)
    loa.provider.hold.set()
    assert (await running).rows == b"wWww"


async def test_several_writes_of_others_during_one_window_are_all_kept(desk):
    loa = await desk(8)
    notes = {0: Note(1, 9e9, ""), 1: Note(1, 9e9, "")}
    await loa.change(lambda entry: replace(entry, rows=b"PPpppppp", notes=notes))
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    for move in (a_receipt(0), loa.halts, a_receipt(1)):
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
    await loa.change(loa.takes_over)
    loa.provider.hold.set()
    with pytest.raises(Overtaken):
        await running
    entry = (await loa.ledger.state(loa.batch)).value
    assert entry.rows == b"DPPpp", "an acceptance is evidence; a refusal is not"
    assert (entry.owner, entry.lease) == (OTHER, loa.clock() + LEASE_S)
    assert loa.provider.windows == [3]


async def test_the_next_owner_does_not_send_again_what_the_former_one_knew_to_have_arrived(desk):
    loa = await desk(5)
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    await loa.change(loa.takes_over)
    loa.provider.hold.set()
    with pytest.raises(Overtaken):
        await running
    entry = await loa.run(await loa.claim(token="third.email.0#cc#1"))
    assert (entry.rows, entry.copies) == (b"DDDdd", 0)
    assert loa.sent() == people(5)


async def test_a_takeover_that_came_too_fast_for_the_evidence_leaves_the_doubt(desk):
    """Between reading and writing the evidence the new owner writes again: then it is dropped."""
    loa = await desk(3)
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    await loa.change(loa.takes_over)
    real = loa.ledger.bucket.swap

    async def overtaken(key, data, revision):
        if b'"r":"DDD"' in data:
            loa.ledger.bucket.swap = real
            await loa.change(lambda entry: replace(entry, lease=entry.lease + 1))
        return await real(key, data, revision)

    loa.ledger.bucket.swap = overtaken
    loa.provider.hold.set()
    with pytest.raises(Overtaken):
        await running
    assert await loa.letters() == "PPP"


async def test_a_claim_that_somebody_else_won_sends_nothing(desk):
    loa = await desk(3)
    work = await loa.claim()
    await loa.change(loa.takes_over)
    with pytest.raises(Overtaken):
        await loa.run(work)
    assert loa.provider.windows == []
    assert (await loa.ledger.state(loa.batch)).value.owner == OTHER


async def test_a_claim_goes_on_over_a_halt_or_a_receipt_that_came_just_before(desk):
    loa = await desk(3)
    await loa.change(lambda entry: replace(entry, rows=b"Ppp"))
    work = await loa.claim()
    await loa.change(a_receipt(0))
    assert (await loa.run(work)).rows == b"Ddd"
    assert loa.sent() == ["r000001", "r000002"]


async def test_a_claim_of_a_batch_that_was_closed_meanwhile_changes_nothing(desk):
    loa = await desk(3)
    work = await loa.claim()
    await loa.change(loa.halts)
    closed = await loa.ledger.state(loa.batch)
    with pytest.raises(Overtaken):
        await loa.run(work)
    assert await loa.ledger.state(loa.batch) == closed


# ---- our own deadline -------------------------------------------------------------------------


async def test_before_each_row_the_wall_clock_is_asked(desk):
    loa = await desk(9, window=9, request_timeout_s=5)
    loa.provider.answer = lambda row: loa.clock.forward(10) or OK
    entry = await loa.run(await loa.claim())
    assert entry.rows == b"d" * 6 + b"p" * 3, "55 of 60 seconds are for sending"
    assert (entry.owner, loa.sent()) == ("", people(6))


async def test_before_each_row_the_clock_is_asked_that_goes_on_in_suspend(desk, monkeypatch):
    loa, now = await desk(9, window=9, request_timeout_s=5), [1000.0]
    monkeypatch.setattr(claims, "boottime", lambda: now[0])

    def answer(row):
        now[0] += 20
        loa.clock.forward(-3600)  # the wall clock was set back
        return OK

    loa.provider.answer = answer
    assert (await loa.run(await loa.claim())).rows == b"d" * 3 + b"p" * 6


async def test_the_deadline_counts_from_before_the_write_that_granted_it(desk):
    """A write that takes long must not make the lease look longer to us than to others."""
    loa = await desk(3, request_timeout_s=5)
    loa.provider.hold = asyncio.Event()
    work = await loa.claim()
    real = loa.ledger.swap

    async def slow(*args, **kwargs):
        written = await real(*args, **kwargs)
        loa.clock.forward(30)
        return written

    loa.ledger.swap = slow
    running = asyncio.create_task(loa.run(work))
    await loa.on_the_wire()
    stored = (await loa.ledger.state(loa.batch)).value
    assert work.claim.wall_end <= stored.lease
    loa.clock.forward(26)
    assert work.expired(), "56 s have passed since the write was begun"
    loa.provider.hold.set()
    await running
    assert loa.sent() == []


async def test_a_slow_window_stops_before_its_addresses_are_old(desk, monkeypatch):
    """However often its lease is renewed: who has left meanwhile must get nothing any more."""
    now = [0.0]
    monkeypatch.setattr(works, "boottime", lambda: now[0])
    loa = await desk(3)

    def answer(row):
        loa.readers.gone = {"r000001"}
        now[0] += works.ADDRESSES_S + 1
        return OK

    loa.provider.answer = answer
    entry = await loa.run(await loa.claim())
    assert (entry.rows, loa.sent()) == (b"dpp", ["r000000"])
    entry = await loa.run(await loa.claim())
    assert entry.rows == b"dud"


async def test_a_slow_window_stops_when_its_item_expires(desk):
    loa = await desk(3)
    work = await loa.claim()
    ends = loa.clock() + 10
    work.claim.rules = replace(work.claim.rules, give_up_at=ends, expires=True)

    def answer(row):
        loa.clock.now = ends
        return OK

    loa.provider.answer = answer
    entry = await loa.run(work)
    assert (entry.rows, loa.sent()) == (b"dee", ["r000000"])


# ---- a slow window and its lease --------------------------------------------------------------

SHORT_S = 0.08


async def held_window(loa: Desk) -> tuple[asyncio.Event, asyncio.Task]:
    """A claim whose first window stays with the provider."""
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim(lease_s=SHORT_S)))
    await loa.on_the_wire()
    return loa.provider.hold, running


async def asked(calls: list[object]) -> None:
    """Wait until the renewal has been tried."""
    async with asyncio.timeout(10):
        while not calls:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("trouble", [Silence("no answer"), BusError("the disk is full")], ids=repr)
async def test_a_renewal_that_fails_stops_the_window_and_what_went_out_is_booked(desk, trouble):
    loa = await desk(5, request_timeout_s=0)
    hold, running = await held_window(loa)
    real, tried = loa.ledger.swap, []

    async def failing(*args, **kwargs):
        tried.append(args)
        raise trouble

    loa.ledger.swap = failing
    await asked(tried)
    loa.ledger.swap = real
    hold.set()
    entry = await running
    assert (entry.rows, entry.owner) == (b"ppppp", "")
    assert loa.sent() == []


async def test_a_renewal_that_finds_another_owner_stops_the_window(desk):
    loa = await desk(5, request_timeout_s=0)
    hold, running = await held_window(loa)
    await loa.change(loa.takes_over)
    real, reads = loa.ledger.state, []

    async def watched(batch):
        found = await real(batch)
        reads.append(found)
        return found

    loa.ledger.state = watched
    await asked(reads)
    hold.set()
    with pytest.raises(Overtaken):
        await running
    assert loa.sent() == []
    assert await loa.letters() == "PPPpp"


async def test_a_claim_that_is_cancelled_takes_its_window_back_from_the_provider(desk):
    loa = await desk(3)
    loa.provider.hold = asyncio.Event()
    running = asyncio.create_task(loa.run(await loa.claim()))
    await loa.on_the_wire()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    loa.provider.hold.set()
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if "send" in task.get_coro().__qualname__]
    assert (loa.sent(), left) == ([], []), "nobody would have booked it"
    assert await loa.letters() == "sss", "in doubt for whoever claims next"


# ---- addresses and consent --------------------------------------------------------------------


async def test_who_leaves_between_two_windows_gets_nothing(desk):
    loa = await desk(7)
    loa.provider.answer = lambda row: loa.readers.gone.add("r000004") or OK
    assert (await loa.run(await loa.claim())).rows == b"ddddudd"
    assert "r000004" not in loa.sent()


async def test_who_leaves_after_a_doubt_may_have_got_it(desk):
    loa = await desk(2)
    await loa.change(lambda entry: replace(entry, rows=b"Pp"))
    loa.readers.gone = {"r000000"}
    assert (await loa.run(await loa.claim())).rows == b"Ud"


async def test_when_addresses_are_not_known_for_sure_the_last_window_is_still_booked(desk):
    """The directory falls behind after the first window: no mail more, and nothing forgotten."""
    loa = await desk(7)
    real, looked = loa.readers.lookup, []

    def lookup(ids):
        looked.append(ids)
        if len(looked) > 1:
            raise Later(0.5, "the directory is not fresh")
        return real(ids)

    loa.readers.lookup = lookup
    with pytest.raises(Later):
        await loa.run(await loa.claim())
    entry = (await loa.ledger.state(loa.batch)).value
    assert (entry.rows, entry.owner) == (b"dddpppp", "")
    assert loa.sent() == people(3)


# ---- stepping aside, and stopping -------------------------------------------------------------


async def test_who_is_asked_to_step_aside_does_so_after_its_window_with_everything_booked(desk):
    loa = await desk(9)
    loa.provider.answer = lambda row: (row.id == "r000004" and loa.wanted.set()) or OK
    entry = await loa.run(await loa.claim())
    assert (entry.rows, entry.owner, entry.wake) == (b"ddddddppp", "", 1)


async def test_a_stop_ends_the_window_after_the_row_on_the_wire(desk):
    loa = await desk(9)
    loa.provider.answer = lambda row: (row.id == "r000004" and loa.stop.set()) or OK
    entry = await loa.run(await loa.claim())
    assert (entry.rows, entry.owner) == (b"dddddpppp", "")


# ---- what was known when the bus fell silent --------------------------------------------------


async def silenced(loa: Desk) -> Unbooked:
    """A claim sends its first window, and can't book it: the bus is silent from then on."""
    work = await loa.claim(lease_s=0.1)
    loa.provider.request_timeout_s = 0
    real = loa.ledger.bucket.swap

    async def silent(*write):
        if loa.provider.windows:
            raise Silence("no answer")
        return await real(*write)

    loa.ledger.bucket.swap = silent
    with pytest.raises(Silence):
        await loa.run(work)
    loa.ledger.bucket.swap = real
    return Unbooked(work.claim.token, work.outcomes)


async def test_what_could_not_be_booked_is_booked_by_the_next_claim_of_the_same_worker(desk):
    loa = await desk(7)
    unbooked = await silenced(loa)
    assert await loa.letters() == "ssspppp"
    entry = await loa.run(await loa.claim(token="me.email.0#aa#2", unbooked=unbooked))
    assert (entry.rows, entry.copies) == (b"d" * 7, 0)
    assert loa.sent() == people(7)


async def test_what_could_not_be_booked_counts_for_nothing_after_a_takeover(desk):
    """Whoever took over may have sent these rows again by now, and books them itself."""
    loa = await desk(7)
    unbooked = await silenced(loa)
    await loa.change(loa.takes_over)
    entry = await loa.run(await loa.claim(token="me.email.0#aa#2", unbooked=unbooked))
    assert (entry.rows, entry.copies) == (b"DDDdddd", 3)
    assert sum(loa.provider.got.values()) == 10


async def test_what_could_not_be_booked_says_nothing_of_what_another_owner_had_on_the_wire(desk):
    """The other one was about to send the same rows again when it died: these may be copies."""
    loa = await desk(3)
    unbooked = await silenced(loa)
    await loa.change(loa.takes_over)
    await loa.change(lambda entry: moves.grant(entry, [0, 1, 2], loa.clock(), Rules(LEASE_S))[0])
    entry = await loa.run(await loa.claim(token="me.email.0#aa#2", unbooked=unbooked))
    assert (entry.rows, entry.copies) == (b"DDD", 3 + 3), "theirs, and ours of this claim"


@pytest.mark.parametrize("stands", [False, True], ids=["the intent is lost", "the intent stands"])
async def test_rows_whose_intent_may_stand_were_surely_not_sent(desk, stands):
    """The answer to the second window's intent is lost: its rows never left, whatever stands."""
    loa = await desk(6)
    work, real = await loa.claim(lease_s=0.1), loa.ledger.bucket.swap
    loa.provider.request_timeout_s = 0

    async def silent(key, data, revision):
        if b'"r":"dddsss"' in data:
            if stands and data not in tried:
                tried.append(data)
                await real(key, data, revision)
            raise Silence("no answer")
        return await real(key, data, revision)

    async def deaf(batch):
        raise Silence("no answer")

    tried: list[bytes] = []
    read, loa.ledger.bucket.swap = loa.ledger.state, silent
    loa.provider.answer = lambda row: setattr(loa.ledger, "state", deaf) or OK
    with pytest.raises(Silence):
        await loa.run(work)
    loa.ledger.bucket.swap, loa.ledger.state = real, read
    loa.provider.answer = lambda row: OK
    unbooked = Unbooked(work.claim.token, work.outcomes)
    entry = await loa.run(await loa.claim(token="me.email.0#aa#2", unbooked=unbooked))
    assert (entry.rows, entry.copies) == (b"d" * 6, 0)
    assert loa.sent() == people(6)
