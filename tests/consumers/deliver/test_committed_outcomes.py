"""Outcomes reach the ledger after a silent bus, a killed worker or a takeover: no copies."""

import asyncio

import pytest

from channels.errors import Unreachable
from consumers.ledger import moves
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, Lane, Status
from producers.bus import NoReply
from tests.support.delivery_pipeline import wake_ups


async def put_on_the_wire(loa, plan, owner, rows) -> BatchKey:
    """*owner* has claimed the plan's batch and is about to send *rows*."""
    batch = BatchKey(*plan, 0)
    held = await loa.ledger.state(batch)
    rules = loa.worker.time_rules(await loa.worker.render_cache.content(plan))
    claimed = moves.claim(held.value, owner, loa.clock(), rules)
    sending = moves.grant(claimed, rows, loa.clock(), rules)
    await loa.ledger.swap(batch, held, sending, until=float("inf"))
    return batch


@pytest.mark.catches(bug="no-margin")
async def test_a_living_owner_is_left_alone_and_a_dead_one_replaced(delivery_pipeline):
    loa = delivery_pipeline(2)
    plan = await loa.plan()
    await put_on_the_wire(loa, plan, "other.email.0#aa#1", [0])
    with pytest.raises(RetryLater) as later:
        await loa.work(plan)
    assert later.value.delay_s == 65, "the rest of the lease and the margin for skewed clocks"
    loa.clock.advance(66)
    await loa.work(plan)
    entry = await loa.entry(plan)
    assert (entry.rows, entry.possible_copies) == (b"Dd", 1)


async def test_a_restarted_worker_takes_its_own_batch_at_once(delivery_pipeline, bus):
    loa = delivery_pipeline(2)
    plan = await loa.plan()
    dead = loa.worker.slot
    batch = await put_on_the_wire(loa, plan, dead.new_owner_token(), [0, 1])
    with dead.track(batch):
        dead_file = dead.read_text()
    dead.close()
    (loa.folder / "email-0").write_text(dead_file)
    loa.worker = loa.new_worker()
    assert loa.worker.slot.interrupted_batches == [batch]
    before = await wake_ups(bus)
    await loa.worker.wake_interrupted()
    assert await wake_ups(bus) == before + 1
    await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 2}
    assert (await loa.entry(plan)).possible_copies == 2


async def test_what_was_sent_is_booked_even_when_the_next_addresses_are_missing(delivery_pipeline):
    loa = delivery_pipeline(50)
    plan = await loa.plan()
    lookup, asked = loa.readers.lookup, []

    def stale(ids):
        asked.append(ids)
        if len(asked) == 2:
            raise RetryLater(0.5, "the directory is not fresh")
        return lookup(ids)

    loa.readers.lookup = stale
    with pytest.raises(RetryLater):
        await loa.work(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: 25, Status.PENDING: 25}
    await loa.work(plan)
    assert sorted(loa.provider.effects.values()) == [1] * 50
    assert (await loa.entry(plan)).possible_copies == 0


def falls_silent(loa):
    """The ledger's writes from the third on get no answer, until `loa.silent` ends."""
    swap, writes = loa.ledger.bucket.swap, []

    async def silent(key, data, revision, **more):
        writes.append(key)
        if len(writes) >= 3 and loa.silent:
            raise NoReply("no answer")
        return await swap(key, data, revision, **more)

    loa.silent, loa.ledger.bucket.swap = True, silent


@pytest.mark.promise("3.6")
@pytest.mark.parametrize("between", ["nothing", "the bus is silent once more", "no relay"])
async def test_what_was_sent_while_the_bus_was_silent_is_booked_later(delivery_pipeline, between):
    loa = delivery_pipeline(50)
    plan = await loa.plan()
    falls_silent(loa)
    loa.worker.lease_s, loa.provider.request_timeout_s = 0.2, 0
    with pytest.raises(NoReply):
        await loa.work(plan)
    if between == "the bus is silent once more":
        with pytest.raises(NoReply):
            await loa.work(plan)
    loa.silent = False
    loa.worker.lease_s = 60
    if between == "no relay":
        loa.provider.down = Unreachable("connect")
        with pytest.raises(RetryLater):
            await loa.work(plan)
        loa.provider.down = None
        loa.clock.advance(5 + Lane.NORMAL.rank)
    await loa.work(plan)
    assert sorted(loa.provider.effects.values()) == [1] * 50
    assert (await loa.entry(plan)).possible_copies == 0


@pytest.mark.parametrize("stands", [False, True], ids=["it is lost", "it stands"])
async def test_rows_whose_first_write_has_no_answer_were_surely_not_sent(delivery_pipeline, stands):
    """It makes us the owner and says that the first window is about to be sent."""
    loa = delivery_pipeline(30)
    plan = await loa.plan()
    swap, state, tried = loa.ledger.bucket.swap, loa.ledger.state, []

    async def silent(key, data, revision, **more):
        if stands and not tried:
            await swap(key, data, revision, **more)
        tried.append(key)
        loa.ledger.state = deaf
        raise NoReply("no answer")

    async def deaf(batch):
        raise NoReply("no answer")

    loa.ledger.bucket.swap, loa.worker.lease_s = silent, 0.2
    with pytest.raises(NoReply):
        await loa.work(plan)
    loa.ledger.bucket.swap, loa.ledger.state, loa.worker.lease_s = swap, state, 60
    assert (b"s" in (await loa.entry(plan)).rows, loa.provider.effects) == (stands, {})
    await loa.work(plan)
    assert sorted(loa.provider.effects.values()) == [1] * 30
    assert (await loa.entry(plan)).possible_copies == 0


async def test_a_slow_provider_keeps_its_lease(delivery_pipeline):
    loa = delivery_pipeline(1)
    loa.worker.lease_s = 0.1
    loa.provider.request_timeout_s = 0
    plan, writes = await loa.plan(), set()
    async with loa.held_window(loa.work(plan)) as running:
        while len(writes) < 4:
            await asyncio.sleep(0.01)
            writes.add((await loa.entry(plan)).write_id)
    await running
    assert (await loa.entry(plan)).rows == b"d"
