"""Atomic batches on a real server: everything is stored, or nothing."""

import asyncio

import pytest

from contracts import subjects
from producers.bus import BatchEntry, Bus, BusError, NoReply, RevisionConflict, topology
from producers.nats_server import NatsServer
from tests.support.frozen_process import frozen


@pytest.fixture
def ledger(bus):
    return bus.bucket(subjects.LEDGER.name)


async def held(bucket):
    return {key: value.data async for key, value in bucket.values()}


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
async def test_a_batch_is_stored_as_a_whole(ledger, size):
    entries = [BatchEntry(f"k.{number}", b"%d" % number, 0) for number in range(size)]
    last = await ledger.batch(entries)
    assert await held(ledger) == {entry.key: entry.data for entry in entries}
    assert await ledger.last_seq() == last


@pytest.mark.parametrize("loser", [0, 1, 2])
async def test_one_failed_expectation_stores_nothing(ledger, loser):
    await ledger.create("k.taken", b"old")
    keys = ["k.a", "k.b", "k.c"]
    keys[loser] = "k.taken"
    with pytest.raises(RevisionConflict):
        await ledger.batch([BatchEntry(key, b"new", 0) for key in keys])
    assert await held(ledger) == {"k.taken": b"old"}


async def test_a_batch_of_one_conflicts_like_a_swap(ledger):
    revision = await ledger.create("k.a", b"old")
    with pytest.raises(RevisionConflict) as lost:
        await ledger.batch([BatchEntry("k.a", b"new", 0)])
    assert lost.value.revision == revision
    await ledger.batch([BatchEntry("k.a", b"new", revision)])
    assert await held(ledger) == {"k.a": b"new"}


async def test_members_may_replace_create_and_overwrite(ledger):
    revision = await ledger.create("cursor", b"0")
    await ledger.create("any", b"old")
    swap, create = BatchEntry("cursor", b"1", revision), BatchEntry("rows", b"r", 0)
    await ledger.batch([swap, create, BatchEntry("any", b"new")])
    assert await held(ledger) == {"cursor": b"1", "rows": b"r", "any": b"new"}


async def test_of_two_batches_on_one_cursor_one_wins(ledger):
    revision = await ledger.create("cursor", b"0")

    async def plan(name):
        return await ledger.batch(
            [BatchEntry("cursor", name, revision), BatchEntry(f"rows.{name[0]}", name)]
        )

    results = await asyncio.gather(plan(b"a"), plan(b"b"), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["RevisionConflict", "int"]
    state = await held(ledger)
    assert set(state) == {"cursor", f"rows.{state['cursor'][0]}"}


async def test_more_batches_at_once_than_the_server_opens_are_silence_not_loss(ledger):
    async def plan(name):
        entries = [BatchEntry(f"{name}.{member}", b"x" * 1000, 0) for member in range(3)]
        while True:
            try:
                return await ledger.batch(entries)
            except NoReply:
                await asyncio.sleep(0.01)

    await asyncio.gather(*(plan(name) for name in range(120)))
    assert len(await held(ledger)) == 360


async def test_a_bucket_that_is_not_atomic_refuses_batches(bus):
    with pytest.raises(BusError):
        await bus.bucket(subjects.UNITS.name).batch([BatchEntry("a", b""), BatchEntry("b", b"")])


@pytest.mark.parametrize("size", [0, 1001])
async def test_a_batch_has_one_to_a_thousand_entries(ledger, size):
    with pytest.raises(ValueError, match="1 to 1000"):
        await ledger.batch([BatchEntry(f"k.{number}", b"") for number in range(size)])


async def test_a_batch_with_an_impossible_key_is_not_begun(ledger):
    with pytest.raises(ValueError, match="can't be a key"):
        await ledger.batch([BatchEntry("a", b""), BatchEntry("a b", b"")])
    assert await held(ledger) == {}


async def test_a_batch_without_an_answer_is_whole_or_absent(tmp_path):
    async with NatsServer(tmp_path) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        ledger = bus.bucket(subjects.LEDGER.name)
        entries = [BatchEntry(f"k.{number}", b"x", 0) for number in range(100)]
        with frozen(server.pid), pytest.raises(NoReply):
            await ledger.batch(entries, timeout_s=0.2)
        await ledger.batch(entries)
        assert len(await held(ledger)) == 100
