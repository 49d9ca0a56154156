"""Many callers create keys in few commits: each key once, and none fails for another."""

import asyncio
import random
from collections import defaultdict

import pytest

from contracts import subjects
from producers.bus import Bucket, BusError, GroupedCreates, NoReply, RevisionConflict
from producers.bus.grouped.creates import MOST_ALONE, SMALLEST_BATCH
from tests.support.bus_requests import count_requests

CALLERS = MOST_ALONE + 3 * SMALLEST_BATCH
SEEDS = range(12)
NO_BATCHES = 10174


@pytest.fixture
def bucket(bus):
    return bus.bucket(subjects.EVENTS.name)


@pytest.fixture
def creates(bucket):
    return GroupedCreates(bucket)


async def create_all(creates, keys):
    tries = (creates.create(key, key.encode()) for key in keys)
    return await asyncio.gather(*tries, return_exceptions=True)


async def stored(bucket):
    return {key: value.data async for key, value in bucket.values("")}


@pytest.fixture
def batches(monkeypatch):
    """The sizes of the atomic batches that were asked for."""
    sizes, batch = [], Bucket.batch

    async def noted(self, entries, **options):
        sizes.append(len(entries))
        return await batch(self, entries, **options)

    monkeypatch.setattr(Bucket, "batch", noted)
    return sizes


async def test_a_few_write_alone_and_wait_for_nobody(bucket, creates, batches):
    keys = [f"k{number}" for number in range(MOST_ALONE)]
    assert await count_requests(lambda: create_all(creates, keys)) == MOST_ALONE
    assert await count_requests(lambda: creates.create("last", b"1")) == 1
    assert batches == []
    assert len(await stored(bucket)) == MOST_ALONE + 1


async def test_those_who_come_meanwhile_are_one_commit(bucket, creates, batches):
    keys = [f"k{number}" for number in range(CALLERS)]
    assert await create_all(creates, keys) == [None] * CALLERS
    assert batches == [CALLERS - MOST_ALONE]
    assert await stored(bucket) == {key: key.encode() for key in keys}


async def test_a_key_that_exists_fails_its_own_caller_alone(bucket, creates, batches):
    taken = f"k{MOST_ALONE + 5}"
    await bucket.create(taken, b"before")
    keys = [f"k{number}" for number in range(CALLERS)]
    results = await create_all(creates, keys)
    failed = {key: type(one) for key, one in zip(keys, results, strict=True) if one}
    assert (failed, len(batches)) == ({taken: RevisionConflict}, 1)
    assert await stored(bucket) == {key: key.encode() for key in keys} | {taken: b"before"}


async def test_one_key_of_many_callers_is_created_by_one(bucket, creates):
    keys = [f"k{number}" for number in range(MOST_ALONE)] + ["same"] * 40
    results = await create_all(creates, keys)
    assert results[:MOST_ALONE] == [None] * MOST_ALONE
    same = [type(one) for one in results[MOST_ALONE:]]
    assert (same.count(type(None)), same.count(RevisionConflict)) == (1, 39)


@pytest.mark.parametrize(
    "refusal", [BusError("no batches here", NO_BATCHES), NoReply("silence"), RevisionConflict("")]
)
async def test_without_batches_all_write_alone(bucket, creates, monkeypatch, refusal):
    """As with a stream that an earlier version of Loa has set back."""

    async def refuse(self, entries, **_):
        raise refusal

    monkeypatch.setattr(Bucket, "batch", refuse)
    keys = [f"k{number}" for number in range(CALLERS)]
    assert await create_all(creates, keys) == [None] * CALLERS
    assert await stored(bucket) == {key: key.encode() for key in keys}


async def test_a_server_that_takes_no_batches_still_takes_every_key(bus, bucket, creates):
    config = (await bus.stream_info(bucket.stream))["config"] | {"allow_atomic": False}
    await bus.connection.api_request(f"STREAM.UPDATE.{bucket.stream}", config)
    keys = [f"k{number}" for number in range(CALLERS)]
    assert await create_all(creates, keys) == [None] * CALLERS
    assert await stored(bucket) == {key: key.encode() for key in keys}


async def test_after_many_who_gave_up_the_next_are_served(bucket, creates):
    waiting = [asyncio.create_task(creates.create(f"k{n}", b"1")) for n in range(600 + MOST_ALONE)]
    await asyncio.sleep(0)
    for task in waiting[MOST_ALONE:-1]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(await stored(bucket)) == MOST_ALONE + 1
    await creates.create("next", b"1")


class Trouble:
    """Batches and single writes whose answers are lost, before or after their effect."""

    def __init__(self, rng: random.Random, monkeypatch) -> None:
        self.rng = rng
        for name in ("batch", "create"):
            monkeypatch.setattr(Bucket, name, self.troubled(getattr(Bucket, name)))

    def troubled(self, write):
        async def attempt(bucket, *args, **options):
            fate = self.rng.random()
            if fate < 0.1:
                raise NoReply("not stored")
            result = await write(bucket, *args, **options)
            if fate < 0.2:
                raise NoReply("stored")
            return result

        return attempt


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_a_key_has_one_creator_and_every_caller_an_answer(
    bucket, creates, monkeypatch, seed
):
    """Waves of callers for few keys, of whom some give up; the bucket says who was right."""
    rng, tasks, successes = random.Random(seed), [], defaultdict(list)
    with monkeypatch.context() as patched:
        Trouble(rng, patched)
        for number in range(rng.randrange(50, 300)):
            key, data = f"k{rng.randrange(150)}", b"%d" % number
            tasks.append((key, data, asyncio.create_task(creates.create(key, data))))
            if rng.random() < 0.1:
                await asyncio.sleep(rng.choice((0, 0.001)))
            if rng.random() < 0.1:
                rng.choice(tasks)[2].cancel()
        await asyncio.wait([task for _, _, task in tasks])
    found = await stored(bucket)
    for key, data, task in tasks:
        error = None if task.cancelled() else task.exception()
        assert task.cancelled() or isinstance(error, NoReply | RevisionConflict | None)
        assert not isinstance(error, RevisionConflict) or key in found
        if not task.cancelled() and error is None:
            successes[key].append(data)
    assert all(made == [found[key]] for key, made in successes.items())
    assert successes, "some got through"
    await creates.create("afterwards", b"1")
