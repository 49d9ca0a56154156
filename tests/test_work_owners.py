"""One claim and everybody else: who writes into its batch, takes it over, or has booked nothing."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from channels.base import Outcome, Verdict
from consumers.claim import Unbooked
from consumers.ledger import moves
from consumers.ledger.entry import Note, Rules
from consumers.ledger.store import Overtaken, Silence
from tests.fakes import OK, people
from tests.work_desk import LEASE_S, OTHER, Desk, a_desk, a_receipt


@pytest.fixture
def desk(bus, tmp_path):
    return partial(a_desk, bus, tmp_path)


# ---- somebody writes into our batch -----------------------------------------------------------


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
