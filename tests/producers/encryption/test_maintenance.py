"""Looking after the keys of people reads a few at a time, however many readers there are."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from contracts import subjects
from producers.bus import BatchEntry, Bucket
from producers.encryption import maintenance
from producers.encryption.keys import PersonKeys
from producers.encryption.values import seal

READERS, AT_ONCE = 1_250, 500


@pytest.fixture
async def keys(bus) -> PersonKeys:
    """The keys of many readers, whose records are there, too."""
    keys, records = PersonKeys(bus, b"k" * 32), bus.stored_bucket(subjects.SUBSCRIBERS.name)
    for first in range(0, READERS, 250):
        places = [f"subscribers.s.r{number}" for number in range(first, first + 250)]
        sealed = [
            (place, seal(one, place, b"")) for place, one in (await keys.ensure(places)).items()
        ]
        names = [BatchEntry(place.removeprefix("subscribers."), data, 0) for place, data in sealed]
        await records.batch(names)
    return keys


@pytest.fixture
def reads(monkeypatch) -> list[int]:
    """How many values of a bucket had been read at each request for named ones, and at the end."""
    reads, values, get_many = [0], Bucket.values, Bucket.get_many
    count = 0

    async def counted(self, *args, **options):
        nonlocal count
        async for value in values(self, *args, **options):
            count += 1
            yield value
        reads.append(count)

    async def noted(self, *args, **options):
        reads.append(count)
        return await get_many(self, *args, **options)

    monkeypatch.setattr(Bucket, "values", counted)
    monkeypatch.setattr(Bucket, "get_many", noted)
    return reads


async def test_no_pass_holds_more_than_a_few_readers(bus, keys, reads):
    later = datetime.now(UTC) + timedelta(days=2)
    assert await maintenance.purge_records_without_key(bus) == 0
    assert await maintenance.destroy_unused_keys(bus, keys, later) == 0
    assert await maintenance.forget_records_of_other_key(bus, keys) == 0
    assert reads[-1] == 3 * READERS
    assert max(later - before for before, later in pairwise(reads)) <= AT_ONCE
