"""Counts of readers by their preferences: enough to say whom an item would reach, and no person."""

import pytest

from consumers.directory import reader_counts
from consumers.directory.directory import Directory
from consumers.directory.reader_counts import ReaderCounter
from contracts import subjects
from contracts.delivery import Lane
from contracts.subscriptions.reader_counts import READER_COUNTS_KEY, ReaderCounts
from tests.support.directory_harness import running_directory
from tests.support.publications import a_publication
from tests.support.waiting import until


@pytest.fixture
async def directory(bus, tmp_path):
    async with running_directory(Directory(bus, tmp_path / "directory.sqlite")) as directory:
        yield directory


@pytest.fixture
def counter(bus, directory, clock):
    return ReaderCounter(bus, directory, clock)


async def counted(bus, counter, directory) -> ReaderCounts:
    await directory.ready()
    await until(directory.is_fresh)
    await counter.publish()
    stored = await bus.bucket(subjects.CONTROL.name).get(READER_COUNTS_KEY)
    assert b"example.com" not in stored.data and b"nguoi" not in stored.data
    return ReaderCounts.model_validate_json(stored.data)


async def test_an_items_readers_are_counted_as_dispatch_would_find_them(
    bus, subscriber_bucket, counter, directory
):
    item = a_publication()
    wishes = [
        {}, {"topics": [item.topic]}, {"topics": [item.topic], "frequency": "daily"},
        {"topics": ["viec-lam"]}, {"units": [item.unit], "frequency": "weekly"}, {},
    ]  # fmt: skip
    for number, one in enumerate(wishes):
        await subscriber_bucket.add(f"nguoi-{number}", **one)
    counts = await counted(bus, counter, directory)
    assert counts.matching(item) == {"immediate": 3, "daily": 1, "weekly": 1}
    urgent = item.model_copy(update={"lane": Lane.URGENT})
    assert counts.matching(urgent) == {"immediate": 5}
    assert directory.preferences.count(item) == counts.matching(item)["immediate"]
    assert directory.preferences.count(urgent) == counts.matching(urgent)["immediate"]


async def test_a_loa_without_readers_counts_none(bus, counter, directory):
    counts = await counted(bus, counter, directory)
    assert (counts.sets, counts.others) == ((), 0)


async def test_a_copy_that_is_behind_is_not_counted(bus, counter, directory, monkeypatch):
    monkeypatch.setattr(directory, "is_fresh", lambda: False)
    await counter.publish()
    assert await bus.bucket(subjects.CONTROL.name).get(READER_COUNTS_KEY) is None
    monkeypatch.undo()
    assert (await counted(bus, counter, directory)).sets == ()


async def test_what_has_not_changed_is_not_written_again(
    bus, subscriber_bucket, counter, directory
):
    await subscriber_bucket.add("an")
    await counted(bus, counter, directory)
    control = bus.bucket(subjects.CONTROL.name)
    before = await control.last_seq()
    await counter.publish()
    assert await control.last_seq() == before
    await subscriber_bucket.add("binh")
    assert sum(one.people for one in (await counted(bus, counter, directory)).sets) == 2


async def test_rare_preferences_beyond_the_record_are_named_as_uncounted(
    bus, subscriber_bucket, counter, directory, monkeypatch
):
    monkeypatch.setattr(reader_counts, "MOST_SETS", 1)
    for name, topics in (("an", []), ("binh", []), ("chi", ["viec-lam"])):
        await subscriber_bucket.add(name, topics=topics)
    counts = await counted(bus, counter, directory)
    assert ([one.people for one in counts.sets], counts.others) == ([2], 1)
