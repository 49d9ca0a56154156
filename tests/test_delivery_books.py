"""What was sent is booked, whoever falls silent, dies or takes over: no copies for that."""

import asyncio
from functools import partial

import pytest

from channels.errors import Unreachable
from consumers.ledger import moves
from consumers.ledger.store import Silence
from consumers.settle import Later
from contracts.delivery import BatchKey, Lane, Status
from tests.delivery_house import a_house, wake_ups


@pytest.fixture
def house(bus, tmp_path):
    return partial(a_house, bus, tmp_path)


async def test_a_living_owner_is_left_alone_and_a_dead_one_replaced(house):
    loa = house(2)
    plan = await loa.plan()
    batch = BatchKey(*plan, 0)
    held = await loa.ledger.state(batch)
    mine = moves.claim(
        held.value,
        "other.email.0#aa#1",
        loa.clock(),
        loa.worker.rules(await loa.worker.library.edition(plan)),
    )
    mine, _ = moves.grant(
        mine, [0], loa.clock(), loa.worker.rules(await loa.worker.library.edition(plan))
    )
    await loa.ledger.swap(batch, held, mine, until=float("inf"))
    with pytest.raises(Later) as later:
        await loa.work(plan)
    assert later.value.delay_s == 65, "the rest of the lease and the margin for skewed clocks"
    loa.clock.forward(66)
    await loa.work(plan)
    entry = await loa.entry(plan)
    assert (entry.rows, entry.copies) == (b"Dd", 1)


async def test_a_restarted_worker_takes_its_own_batch_at_once(house, bus):
    loa = house(2)
    plan = await loa.plan()
    batch = BatchKey(*plan, 0)
    dead = loa.worker.slot
    held = await loa.ledger.state(batch)
    rules = loa.worker.rules(await loa.worker.library.edition(plan))
    claimed = moves.claim(held.value, dead.token(), loa.clock(), rules)
    await loa.ledger.swap(
        batch, held, moves.grant(claimed, [0, 1], loa.clock(), rules)[0], until=float("inf")
    )
    with dead.working(batch):
        dead_file = dead.read()
    dead.close()
    (loa.folder / "email-0").write_text(dead_file)
    loa.worker = loa.a_worker()
    assert loa.worker.slot.left == [batch]
    before = await wake_ups(bus)
    await loa.worker.recover()
    assert await wake_ups(bus) == before + 1
    await loa.work(plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 2}
    assert (await loa.entry(plan)).copies == 2


async def test_what_was_sent_is_booked_even_when_the_next_addresses_are_not_to_be_had(house):
    loa = house(50)
    plan = await loa.plan()
    lookup, asked = loa.readers.lookup, []

    def stale(ids):
        asked.append(ids)
        if len(asked) == 2:
            raise Later(0.5, "the directory is not fresh")
        return lookup(ids)

    loa.readers.lookup = stale
    with pytest.raises(Later):
        await loa.work(plan)
    assert await loa.counts(plan) == {Status.DELIVERED: 25, Status.PENDING: 25}
    await loa.work(plan)
    assert sorted(loa.provider.got.values()) == [1] * 50
    assert (await loa.entry(plan)).copies == 0


def falls_silent(loa):
    """The ledger's writes from the third on get no answer, until `loa.silent` ends."""
    swap, writes = loa.ledger.bucket.swap, []

    async def silent(key, data, revision, **more):
        writes.append(key)
        if len(writes) >= 3 and loa.silent:
            raise Silence("no answer")
        return await swap(key, data, revision, **more)

    loa.silent, loa.ledger.bucket.swap = True, silent


@pytest.mark.parametrize("between", ["nothing", "the bus is silent once more", "no relay"])
async def test_what_was_sent_while_the_bus_was_silent_is_booked_when_it_answers_again(
    house, between
):
    loa = house(50)
    plan = await loa.plan()
    falls_silent(loa)
    loa.worker.lease_s, loa.provider.request_timeout_s = 0.2, 0
    with pytest.raises(Silence):
        await loa.work(plan)
    if between == "the bus is silent once more":
        with pytest.raises(Silence):
            await loa.work(plan)
    loa.silent = False
    loa.worker.lease_s = 60
    if between == "no relay":
        loa.provider.down = Unreachable("connect")
        with pytest.raises(Later):
            await loa.work(plan)
        loa.provider.down = None
        loa.clock.forward(5 + Lane.NORMAL.rank)
    await loa.work(plan)
    assert sorted(loa.provider.got.values()) == [1] * 50
    assert (await loa.entry(plan)).copies == 0


@pytest.mark.parametrize("stands", [False, True], ids=["it is lost", "it stands"])
async def test_rows_whose_first_write_has_no_answer_were_surely_not_sent(house, stands):
    """It makes us the owner and says that the first window is about to be sent."""
    loa = house(30)
    plan = await loa.plan()
    swap, state, tried = loa.ledger.bucket.swap, loa.ledger.state, []

    async def silent(key, data, revision, **more):
        if stands and not tried:
            await swap(key, data, revision, **more)
        tried.append(key)
        loa.ledger.state = deaf
        raise Silence("no answer")

    async def deaf(batch):
        raise Silence("no answer")

    loa.ledger.bucket.swap, loa.worker.lease_s = silent, 0.2
    with pytest.raises(Silence):
        await loa.work(plan)
    loa.ledger.bucket.swap, loa.ledger.state, loa.worker.lease_s = swap, state, 60
    assert (b"s" in (await loa.entry(plan)).rows, loa.provider.got) == (stands, {})
    await loa.work(plan)
    assert sorted(loa.provider.got.values()) == [1] * 30
    assert (await loa.entry(plan)).copies == 0


async def test_a_slow_provider_keeps_its_lease(house):
    loa = house(1)
    loa.worker.lease_s = 0.1
    loa.provider.request_timeout_s = 0
    loa.provider.hold = asyncio.Event()
    plan = await loa.plan()
    running = asyncio.create_task(loa.work(plan))
    writes = set()
    while len(writes) < 4:
        await asyncio.sleep(0.01)
        writes.add((await loa.entry(plan)).write)
    loa.provider.hold.set()
    await running
    assert (await loa.entry(plan)).rows == b"d"
