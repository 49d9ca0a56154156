"""One lease and its rivals: who writes into its batch, takes it over, or has booked nothing."""

from dataclasses import replace

import pytest

from channels.base import Outcome, Verdict
from consumers.deliver.lease import UncommittedOutcomes
from consumers.ledger import moves
from consumers.ledger.entry import RowNote, TimeRules
from consumers.ledger.errors import ConcurrentUpdate
from producers.bus import NoReply
from tests.support.lease_harness import LEASE_S, OTHER, LeaseHarness, receipt_for
from tests.support.metric_values import metric
from tests.support.scripted_channel import OK, reader_ids

# ---- somebody writes into our batch -----------------------------------------------------------


async def test_a_receipt_during_a_window_stays_and_the_window_is_booked_over_it(new_harness):
    loa = await new_harness(6)
    await loa.change(lambda entry: replace(entry, rows=b"Pppppp", notes={0: RowNote(1, 9e9, "")}))
    async with loa.held_window(loa.run()) as running:
        await loa.change(receipt_for(0))
    assert (await running).rows == b"Dddddd"
    assert loa.sent() == reader_ids(6)[1:]


@pytest.mark.catches(bug="intents-of-an-old-read")
async def test_what_another_owner_has_tried_before_our_first_write_is_looked_at_anew(new_harness):
    """It came and went after we had read the batch: a doubt, a row not due, two sent, one open."""
    loa = await new_harness(5)
    loa.provider.known = lambda row: Outcome(Verdict.DOUBT, "not yet")
    work = await loa.claim()
    notes = {0: RowNote(1, loa.clock() + 60, "silent"), 1: RowNote(1, loa.clock() + 60, "busy")}
    await loa.change(lambda entry: replace(entry, rows=b"Prddp", notes=notes))
    entry = await loa.run(work)
    assert (entry.rows, loa.sent()) == (b"Prddd", reader_ids(5)[4:])


@pytest.mark.promise("7.3")
async def test_a_halt_during_a_window_books_what_was_sent_and_stops(new_harness):
    loa = await new_harness(7)
    async with loa.held_window(loa.run()) as running:
        await loa.change(loa.halted)
        assert await loa.row_letters() == "ssswwww", "rows on the wire are their owner's"
    entry = await running
    assert (entry.rows, bool(entry.closed_at)) == (b"dddwwww", True)
    assert loa.provider.windows == [3]


async def test_under_a_halt_what_did_not_go_out_ends_and_what_may_have_stays_a_maybe(new_harness):
    said = iter([Outcome(Verdict.UNSENT), Outcome(Verdict.DOUBT), Outcome(Verdict.DEFERRED)])
    loa = await new_harness(4, answer=lambda row: next(said))
    async with loa.held_window(loa.run()) as running:
        await loa.change(loa.halted)
    assert (await running).rows == b"wWww"


async def test_several_writes_of_others_during_one_window_are_all_kept(new_harness):
    loa = await new_harness(8)
    notes = {0: RowNote(1, 9e9, ""), 1: RowNote(1, 9e9, "")}
    await loa.change(lambda entry: replace(entry, rows=b"PPpppppp", notes=notes))
    async with loa.held_window(loa.run()) as running:
        for move in (receipt_for(0), loa.halted, receipt_for(1)):
            await loa.change(move)
    assert (await running).rows == b"DDdddwww"


@pytest.mark.parametrize("lost", ["before", "after"])
async def test_a_write_whose_answer_is_lost_is_not_done_twice(new_harness, lost):
    loa = await new_harness(7)
    real, calls = loa.ledger.bucket.swap, []

    async def silent(*write):
        calls.append(write[1])
        if calls.count(write[1]) > 1:
            return await real(*write)
        if lost == "after":
            await real(*write)
        raise NoReply("no answer")

    loa.ledger.bucket.swap = silent
    entry = await loa.run()
    assert (entry.rows, entry.possible_copies) == (b"d" * 7, 0)
    assert loa.sent() == reader_ids(7)


# ---- somebody else owns the batch now ---------------------------------------------------------


async def test_after_a_takeover_only_what_arrived_is_told_and_nothing_more_is_sent(new_harness):
    said = {
        "r000000": OK,
        "r000001": Outcome(Verdict.FAILED, "550"),
        "r000002": Outcome(Verdict.DEFERRED, "451"),
    }
    loa = await new_harness(5, answer=lambda row: said[row.id])
    async with loa.held_window(loa.run()) as running:
        await loa.change(loa.taken_over)
    with pytest.raises(ConcurrentUpdate):
        await running
    entry = (await loa.ledger.state(loa.batch)).value
    assert entry.rows == b"DPPpp", "an acceptance is evidence; a refusal is not"
    assert (entry.owner, entry.lease_until) == (OTHER, loa.clock() + LEASE_S)
    assert loa.provider.windows == [3]


async def test_the_next_owner_does_not_resend_what_the_former_knew_to_have_arrived(new_harness):
    loa = await new_harness(5)
    async with loa.held_window(loa.run()) as running:
        await loa.change(loa.taken_over)
    with pytest.raises(ConcurrentUpdate):
        await running
    entry = await loa.run(await loa.claim(token="third.email.0#cc#1"))
    assert (entry.rows, entry.possible_copies) == (b"DDDdd", 0)
    assert loa.sent() == reader_ids(5)


async def test_a_takeover_that_came_too_fast_for_the_evidence_leaves_the_doubt(new_harness):
    """Between reading and writing the evidence the new owner writes again: then it is dropped."""
    loa = await new_harness(3)
    async with loa.held_window(loa.run()) as running:
        await loa.change(loa.taken_over)
        real = loa.ledger.bucket.swap

        async def overtaken(key, data, revision):
            if b'"r":"DDD"' in data:
                loa.ledger.bucket.swap = real
                await loa.change(lambda entry: replace(entry, lease_until=entry.lease_until + 1))
            return await real(key, data, revision)

        loa.ledger.bucket.swap = overtaken
    with pytest.raises(ConcurrentUpdate):
        await running
    assert await loa.row_letters() == "PPP"


async def test_a_claim_that_somebody_else_won_sends_nothing(new_harness):
    loa = await new_harness(3)
    work = await loa.claim()
    await loa.change(loa.taken_over)
    with pytest.raises(ConcurrentUpdate):
        await loa.run(work)
    assert loa.provider.windows == []
    assert (await loa.ledger.state(loa.batch)).value.owner == OTHER


async def test_a_claim_goes_on_over_a_halt_or_a_receipt_that_came_just_before(new_harness):
    loa = await new_harness(3)
    await loa.change(lambda entry: replace(entry, rows=b"Ppp"))
    work = await loa.claim()
    await loa.change(receipt_for(0))
    assert (await loa.run(work)).rows == b"Ddd"
    assert loa.sent() == ["r000001", "r000002"]


async def test_a_claim_of_a_batch_that_was_closed_meanwhile_changes_nothing(new_harness):
    loa = await new_harness(3)
    work = await loa.claim()
    await loa.change(loa.halted)
    closed = await loa.ledger.state(loa.batch)
    with pytest.raises(ConcurrentUpdate):
        await loa.run(work)
    assert await loa.ledger.state(loa.batch) == closed


# ---- what was known when the bus fell silent --------------------------------------------------


async def silenced(loa: LeaseHarness) -> UncommittedOutcomes:
    """A claim sends its first window, and can't book it: the bus is silent from then on."""
    work = await loa.claim(lease_s=0.1)
    loa.provider.request_timeout_s = 0
    real = loa.ledger.bucket.swap

    async def silent(*write):
        if loa.provider.windows:
            raise NoReply("no answer")
        return await real(*write)

    loa.ledger.bucket.swap = silent
    with pytest.raises(NoReply):
        await loa.run(work)
    loa.ledger.bucket.swap = real
    return UncommittedOutcomes(work.lease.owner_token, work.outcomes)


async def test_what_could_not_be_booked_is_booked_by_the_next_claim_of_the_same_worker(new_harness):
    loa = await new_harness(7)
    unbooked = await silenced(loa)
    assert await loa.row_letters() == "ssspppp"
    entry = await loa.run(await loa.claim(token="me.email.0#aa#2", unbooked=unbooked))
    assert (entry.rows, entry.possible_copies) == (b"d" * 7, 0)
    assert loa.sent() == reader_ids(7)


async def test_what_could_not_be_booked_counts_for_nothing_after_a_takeover(new_harness):
    """The new owner may have sent these rows again by now, and books them itself."""
    loa = await new_harness(7)
    unbooked = await silenced(loa)
    await loa.change(loa.taken_over)
    counted = metric("loa_delivery_copies_total", channel="email")
    entry = await loa.run(await loa.claim(token="me.email.0#aa#2", unbooked=unbooked))
    assert (entry.rows, entry.possible_copies) == (b"DDDdddd", 3)
    assert metric("loa_delivery_copies_total", channel="email") - counted == 3
    assert sum(loa.provider.effects.values()) == 10


@pytest.mark.catches(bug="unbooked-of-anybody")
async def test_what_could_not_be_booked_says_nothing_of_what_another_owner_sent(new_harness):
    """The other one was about to send the same rows again when it died: these may be copies."""
    loa = await new_harness(3)
    unbooked = await silenced(loa)
    await loa.change(loa.taken_over)
    await loa.change(lambda entry: moves.grant(entry, [0, 1, 2], loa.clock(), TimeRules(LEASE_S)))
    entry = await loa.run(await loa.claim(token="me.email.0#aa#2", unbooked=unbooked))
    assert (entry.rows, entry.possible_copies) == (b"DDD", 3 + 3), "theirs, and ours of this claim"


@pytest.mark.parametrize("stands", [False, True], ids=["the intent is lost", "the intent stands"])
async def test_rows_whose_intent_may_stand_were_surely_not_sent(new_harness, stands):
    """The answer to the second window's intent is lost: its rows never left, stored or not."""
    loa = await new_harness(6)
    work, real = await loa.claim(lease_s=0.1), loa.ledger.bucket.swap
    loa.provider.request_timeout_s = 0

    async def silent(key, data, revision):
        if b'"r":"dddsss"' in data:
            if stands and data not in tried:
                tried.append(data)
                await real(key, data, revision)
            raise NoReply("no answer")
        return await real(key, data, revision)

    async def deaf(batch):
        raise NoReply("no answer")

    tried: list[bytes] = []
    read, loa.ledger.bucket.swap = loa.ledger.state, silent
    loa.provider.answer = lambda row: setattr(loa.ledger, "state", deaf) or OK
    with pytest.raises(NoReply):
        await loa.run(work)
    loa.ledger.bucket.swap, loa.ledger.state = real, read
    loa.provider.answer = lambda row: OK
    unbooked = UncommittedOutcomes(work.lease.owner_token, work.outcomes)
    entry = await loa.run(await loa.claim(token="me.email.0#aa#2", unbooked=unbooked))
    assert (entry.rows, entry.possible_copies) == (b"d" * 6, 0)
    assert loa.sent() == reader_ids(6)
