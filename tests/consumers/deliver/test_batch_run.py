"""One claim on one batch: how long its owner may send, to whom, and when it stops."""

import asyncio
from dataclasses import replace

import pytest

from consumers.deliver import batch_run as works
from consumers.deliver import lease as claims
from consumers.ledger.errors import ConcurrentUpdate
from producers.bus import BusError, NoReply
from tests.support.scripted_channel import OK, reader_ids
from tests.support.waiting import until

# ---- our own deadline -------------------------------------------------------------------------


@pytest.mark.promise("3.5")
async def test_before_each_row_the_wall_clock_is_asked(new_harness):
    loa = await new_harness(9, window=9, request_timeout_s=5)
    loa.provider.answer = lambda row: loa.clock.advance(10) or OK
    entry = await loa.run()
    assert entry.rows == b"d" * 6 + b"p" * 3, "55 of 60 seconds are for sending"
    assert (entry.owner, loa.sent()) == ("", reader_ids(6))


@pytest.mark.promise("3.5")
async def test_before_each_row_the_clock_is_asked_that_goes_on_in_suspend(new_harness, monkeypatch):
    loa, now = await new_harness(9, window=9, request_timeout_s=5), [1000.0]
    monkeypatch.setattr(claims, "boot_time", lambda: now[0])

    def answer(row):
        now[0] += 20
        loa.clock.advance(-3600)  # the wall clock was set back
        return OK

    loa.provider.answer = answer
    assert (await loa.run()).rows == b"d" * 3 + b"p" * 6


async def test_the_deadline_counts_from_before_the_write_that_granted_it(new_harness):
    """A write that takes long must not make the lease look longer to us than to others."""
    loa = await new_harness(3, request_timeout_s=5)
    work = await loa.claim()
    real = loa.ledger.swap

    async def slow(*args, **kwargs):
        written = await real(*args, **kwargs)
        loa.clock.advance(30)
        return written

    loa.ledger.swap = slow
    async with loa.held_window(loa.run(work)) as running:
        stored = (await loa.ledger.state(loa.batch)).value
        assert work.lease.wall_deadline <= stored.lease_until
        loa.clock.advance(26)
        assert work.must_not_send(), "56 s have passed since the write was begun"
    await running
    assert loa.sent() == []


async def test_a_slow_window_stops_before_its_addresses_are_old(new_harness, monkeypatch):
    """However often its lease is renewed: who has left meanwhile must get nothing any more."""
    now = [0.0]
    monkeypatch.setattr(works, "boot_time", lambda: now[0])
    loa = await new_harness(3)

    def answer(row):
        loa.readers.left = {"r000001"}
        now[0] += works.MAX_CONTACT_AGE_S + 1
        return OK

    loa.provider.answer = answer
    entry = await loa.run()
    assert (entry.rows, loa.sent()) == (b"dpp", ["r000000"])
    entry = await loa.run()
    assert entry.rows == b"dud"


@pytest.mark.promise("3.7")
@pytest.mark.catches(bug="windows-outlast-the-item")
async def test_a_slow_window_stops_when_its_item_expires(new_harness):
    loa = await new_harness(3)
    work = await loa.claim()
    ends = loa.clock() + 10
    work.lease.time_rules = replace(work.lease.time_rules, give_up_at=ends, ends_as_expired=True)

    def answer(row):
        loa.clock.now = ends
        return OK

    loa.provider.answer = answer
    entry = await loa.run(work)
    assert (entry.rows, loa.sent()) == (b"dee", ["r000000"])


# ---- a slow window and its lease --------------------------------------------------------------


SHORT_S = 0.08


@pytest.mark.promise("3.5")
async def test_a_renewal_extends_the_lease_in_the_ledger(new_harness):
    """Other workers go by the stored lease, not by the deadline of its owner."""
    loa = await new_harness(3, request_timeout_s=0)
    real, renewals = loa.ledger.swap, []

    async def watched(*args, **kwargs):
        renewals.append(await real(*args, **kwargs))
        return renewals[-1]

    async with loa.held_window(loa.run(await loa.claim(lease_s=SHORT_S))) as running:
        before = await loa.entry(loa.plan_key)
        loa.clock.advance(1)
        loa.ledger.swap = watched
        await until(lambda: renewals)
        stored = await loa.entry(loa.plan_key)
        assert (stored.owner, stored.rows) == (before.owner, before.rows)
        assert stored.lease_until == before.lease_until + 1
    await running


@pytest.mark.parametrize("trouble", [NoReply("no answer"), BusError("the disk is full")], ids=repr)
async def test_a_failed_renewal_stops_the_window_and_what_went_out_is_booked(new_harness, trouble):
    loa = await new_harness(5, request_timeout_s=0)
    real, tried = loa.ledger.swap, []

    async def failing(*args, **kwargs):
        tried.append(args)
        raise trouble

    async with loa.held_window(loa.run(await loa.claim(lease_s=SHORT_S))) as running:
        loa.ledger.swap = failing
        await until(lambda: tried)
        loa.ledger.swap = real
    entry = await running
    assert (entry.rows, entry.owner) == (b"ppppp", "")
    assert loa.sent() == []


@pytest.mark.promise("3.5")
async def test_a_renewal_that_finds_another_owner_stops_the_window(new_harness):
    loa = await new_harness(5, request_timeout_s=0)
    real, reads = loa.ledger.state, []

    async def watched(batch):
        found = await real(batch)
        reads.append(found)
        return found

    async with loa.held_window(loa.run(await loa.claim(lease_s=SHORT_S))) as running:
        await loa.change(loa.taken_over)
        loa.ledger.state = watched
        await until(lambda: reads)
    with pytest.raises(ConcurrentUpdate):
        await running
    assert loa.sent() == []
    assert await loa.row_letters() == "PPPpp"


async def test_a_claim_that_is_cancelled_takes_its_window_back_from_the_provider(new_harness):
    loa = await new_harness(3)
    async with loa.held_window(loa.run()) as running:
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if "send" in task.get_coro().__qualname__]
    assert (loa.sent(), left) == ([], []), "nobody would have booked it"
    assert await loa.row_letters() == "sss", "in doubt for whoever claims next"


# ---- addresses and consent --------------------------------------------------------------------


@pytest.mark.promise("3.8")
async def test_who_leaves_between_two_windows_gets_nothing(new_harness):
    loa = await new_harness(7)
    loa.provider.answer = lambda row: loa.readers.left.add("r000004") or OK
    assert (await loa.run()).rows == b"ddddudd"
    assert "r000004" not in loa.sent()


async def test_who_leaves_after_a_doubt_may_have_got_it(new_harness):
    loa = await new_harness(2)
    await loa.change(lambda entry: replace(entry, rows=b"Pp"))
    loa.readers.left = {"r000000"}
    assert (await loa.run()).rows == b"Ud"
