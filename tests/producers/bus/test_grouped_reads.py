"""Many callers share a read: each gets what `get` would have said, also when the others fail."""

import asyncio

import pytest

from contracts import subjects
from producers.bus import Bucket, GroupedReads, NoReply, RevisionConflict
from producers.bus.grouped import reads as grouped_reads
from tests.support.bus_requests import count_requests

CALLERS = 40


@pytest.fixture
def bucket(bus):
    return bus.bucket(subjects.UNITS.name)


@pytest.fixture
def reads(bucket, monkeypatch):
    """Reads of which one at a time is alone."""
    monkeypatch.setattr(grouped_reads, "MOST_ALONE", 1)
    return GroupedReads(bucket)


async def read_all(reads, keys):
    return [value and value.data for value in await asyncio.gather(*map(reads.get, keys))]


async def test_all_who_come_during_a_read_share_one(bucket, reads):
    for number in range(3):
        await bucket.create(f"k{number}", b"%d" % number)
    keys = [f"k{number % 5}" for number in range(CALLERS)]
    found = []

    async def ask():
        found.extend(await read_all(reads, keys))

    assert await count_requests(ask) == 2
    values = {"k0": b"0", "k1": b"1", "k2": b"2"}
    assert found == [values.get(key) for key in keys]
    assert await count_requests(lambda: reads.get("k1")) == 1, (
        "nobody waits for others that are gone"
    )


@pytest.mark.parametrize(("callers", "requests"), [(1, 1), (16, 16), (17, 17), (40, 17)])
async def test_a_few_read_alone_and_the_others_share(bucket, callers, requests):
    await bucket.create("k", b"1")
    reads = GroupedReads(bucket)
    assert await count_requests(lambda: read_all(reads, ["k"] * callers)) == requests


async def test_a_read_reflects_every_write_acknowledged_before_it_was_asked_for(bucket, reads):
    newest = {"revision": await bucket.create("k", b"0"), "number": 0}
    is_over = False

    async def write():
        nonlocal is_over
        for number in range(1, 100):
            revision = await bucket.swap("k", b"%d" % number, newest["revision"])
            newest.update(revision=revision, number=number)
        is_over = True

    async def read(key):
        while not is_over:
            known = newest["number"]
            value = await reads.get(key)
            assert key != "k" or int(value.data) >= known
            assert key == "k" or value is None

    await asyncio.gather(write(), *(read(key) for key in ["k"] * 6 + ["absent"] * 2))


async def test_when_a_shared_read_fails_each_caller_reads_alone(bucket, reads, monkeypatch):
    async def fail(self, keys, **_):
        raise NoReply("the answer is lost")

    await bucket.create("k", b"1")
    monkeypatch.setattr(Bucket, "get_many", fail)
    assert await read_all(reads, ["k"] * CALLERS) == [b"1"] * CALLERS


async def test_nobody_waits_long_for_a_read_without_an_answer(bucket, reads, monkeypatch):
    """The first read ends only after all the others, who came later."""
    others_are_done, get = asyncio.Event(), Bucket.get

    async def first_waits(self, key, **options):
        if key == "slow":
            await others_are_done.wait()
        return await get(self, key, **options)

    await bucket.create("k", b"1")
    monkeypatch.setattr(grouped_reads, "GROUP_WAIT_S", 0.01)
    monkeypatch.setattr(Bucket, "get", first_waits)
    slow = asyncio.create_task(reads.get("slow"))
    for _ in range(2):  # those of a second group wait no longer than those of the first
        assert await read_all(reads, ["k"] * 3) == [b"1"] * 3
    others_are_done.set()
    assert await slow is None
    monkeypatch.setattr(grouped_reads, "GROUP_WAIT_S", 60)
    assert await read_all(reads, ["k"] * CALLERS) == [b"1"] * CALLERS


@pytest.mark.parametrize("gone", [0, 1, CALLERS - 1])
async def test_a_caller_who_gives_up_takes_nothing_from_the_others(bucket, reads, gone):
    await bucket.create("k", b"1")
    tasks = [asyncio.create_task(reads.get("k")) for _ in range(CALLERS)]
    await asyncio.sleep(0)
    tasks[gone].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    cancelled = [isinstance(result, asyncio.CancelledError) for result in results]
    assert [number for number, is_one in enumerate(cancelled) if is_one] == [gone]
    assert {result.data for result in results if not isinstance(result, BaseException)} == {b"1"}


async def test_a_refused_first_read_lets_the_others_go_on(bucket, reads, monkeypatch):
    get = Bucket.get

    async def refuse(self, key, **options):
        if key == "bad":
            raise RevisionConflict("refused")
        return await get(self, key, **options)

    await bucket.create("k", b"1")
    monkeypatch.setattr(Bucket, "get", refuse)
    results = await asyncio.gather(*map(reads.get, ["bad", "k", "k"]), return_exceptions=True)
    assert isinstance(results[0], RevisionConflict)
    assert [value.data for value in results[1:]] == [b"1", b"1"]
