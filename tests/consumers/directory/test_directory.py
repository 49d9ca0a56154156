"""The directory: a projection whose delay is always detected, whichever process writes it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumers.directory.directory import Directory
from consumers.recipients import Contact
from consumers.runtime.errors import RetryLater
from producers.bus import Bus
from producers.bus.errors import NoReply
from tests.support.directory_harness import running_directory
from tests.support.publications import a_publication
from tests.support.waiting import until


@pytest.fixture
async def directory(bus: Bus, tmp_path: Path) -> AsyncIterator[Directory]:
    async with running_directory(Directory(bus, tmp_path / "directory.sqlite")) as directory:
        yield directory


async def test_who_subscribed_before_is_found_once_it_is_ready(subscriber_bucket, directory):
    await subscriber_bucket.add("an", topics=["viec-lam"])
    await subscriber_bucket.add("binh")
    await directory.ready()
    publication = a_publication(topic="viec-lam")
    assert directory.ids_after(publication, "", 10) == ["an", "binh"]
    assert directory.count(publication) == 2
    await until(directory.is_fresh)
    assert directory.lookup(["an", "nobody"]) == {"an": Contact("an", "an@example.com", "AN")}


async def test_changes_are_followed_and_who_is_gone_is_in_no_answer(subscriber_bucket, directory):
    for id in ("an", "erased", "left"):
        await subscriber_bucket.add(id, topics=["viec-lam"])
    await directory.ready()
    await subscriber_bucket.add("an", topics=["lich-nghi-le"], name="Nguyễn Văn An")
    await subscriber_bucket.erase("erased")
    await subscriber_bucket.add("left", topics=["viec-lam"], active=False)
    await directory.ready()
    await until(directory.is_fresh)
    assert directory.count(a_publication(topic="viec-lam")) == 0
    assert directory.ids_after(a_publication(topic="viec-lam"), "", 10) == []
    assert directory.count(a_publication(topic="lich-nghi-le")) == 1
    contacts = directory.lookup(["an", "erased", "left"])
    assert [contact.name for contact in contacts.values()] == ["Nguyễn Văn An"]


async def test_an_erased_address_leaves_the_file(subscriber_bucket, directory, tmp_path):
    await subscriber_bucket.add("an", email="rat-rieng-tu@example.com")
    await directory.ready()
    await subscriber_bucket.erase("an")
    await directory.ready()

    def on_disk() -> bool:
        return any(b"rat-rieng-tu" in path.read_bytes() for path in tmp_path.iterdir())

    await until(lambda: not on_disk())
    assert (tmp_path / "directory.sqlite").stat().st_mode & 0o777 == 0o600


async def test_an_entry_nobody_can_read_stops_nothing(bus, subscriber_bucket, directory):
    for number, junk in enumerate([b"{", b"[]", b'{"active":true}', b'{"active":true,"email":1}']):
        await subscriber_bucket.bucket.put(f"s.junk{number}", junk)
    await subscriber_bucket.add("an")
    await directory.ready()
    assert directory.ids_after(a_publication(), "", 10) == ["an"]


async def test_a_plain_record_that_is_younger_than_the_seals_is_no_reader(
    bus, subscriber_bucket, tmp_path
):
    """The bucket seals for Loa; another writer can't."""
    await subscriber_bucket.add("an")
    taken_over = datetime.now(UTC)

    async def plain_until():
        return taken_over

    await subscriber_bucket.add("gia")
    path = tmp_path / "directory.sqlite"
    async with running_directory(Directory(bus, path, plain_until=plain_until)) as directory:
        await directory.ready()
        assert directory.ids_after(a_publication(), "", 10) == ["an"]


@pytest.mark.promise("3.8")
async def test_a_look_up_without_ten_seconds_of_life_is_refused(bus, subscriber_bucket, tmp_path):
    now = [time.time()]
    directory = Directory(bus, tmp_path / "directory.sqlite", lambda: now[0])
    async with running_directory(directory):
        await subscriber_bucket.add("an")
        await directory.ready()
        await until(directory.is_fresh)
    reader = Directory(bus, tmp_path / "directory.sqlite", lambda: now[0])
    now[0] += 9
    assert "an" in reader.lookup(["an"])
    now[0] += 2
    with pytest.raises(RetryLater):
        reader.lookup(["an"])
    now[0] -= 3600  # a clock that was set back proves nothing
    assert not reader.is_fresh()
    reader.close()


async def test_ready_says_later_while_nobody_follows(bus, subscriber_bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("consumers.directory.directory.READY_TIMEOUT_S", 0.05)
    await subscriber_bucket.add("an")
    reader = Directory(bus, tmp_path / "directory.sqlite")
    with pytest.raises(RetryLater):
        await reader.ready()
    reader.close()


async def test_it_stays_fresh_while_changes_pour_in(bus, subscriber_bucket, directory):
    async def pour() -> None:
        for number in range(1500):
            await subscriber_bucket.add(f"p{number}")

    await directory.ready()
    await until(directory.is_fresh)
    before = directory.store.confirmed_at
    pouring = asyncio.create_task(pour())
    await until(lambda: directory.store.confirmed_at > before)
    assert directory.is_fresh()
    await pouring


async def test_another_reader_sees_what_was_written(bus, subscriber_bucket, directory, tmp_path):
    reader = Directory(bus, tmp_path / "directory.sqlite")
    await subscriber_bucket.add("an")
    await reader.ready()
    assert reader.ids_after(a_publication(), "", 10) == ["an"]
    await subscriber_bucket.add("binh", topics=["lich-nghi-le"])
    await reader.ready()
    assert reader.ids_after(a_publication(), "", 10) == ["an", "binh"]
    reader.close()


async def test_after_a_restart_it_goes_on_where_it_was(bus, subscriber_bucket, tmp_path):
    path = tmp_path / "directory.sqlite"
    async with running_directory(Directory(bus, path)) as directory:
        await subscriber_bucket.add("an")
        await directory.ready()
    await subscriber_bucket.add("binh")
    await subscriber_bucket.erase("an")
    async with running_directory(Directory(bus, path)) as directory:
        await directory.ready()
        assert directory.ids_after(a_publication(), "", 10) == ["binh"]


async def test_a_projection_of_another_bucket_is_made_anew(bus, subscriber_bucket, tmp_path):
    path = tmp_path / "directory.sqlite"
    async with running_directory(Directory(bus, path)) as directory:
        await subscriber_bucket.add("an", topics=["lich-nghi-le"])
        await directory.ready()
        config = (await bus.stream_info(subscriber_bucket.bucket.stream))["config"]
        await bus.connection.api_request(f"STREAM.DELETE.{subscriber_bucket.bucket.stream}")
        await bus.connection.api_request(f"STREAM.CREATE.{subscriber_bucket.bucket.stream}", config)
    await subscriber_bucket.add("binh")
    async with running_directory(Directory(bus, path)) as directory:
        await until(lambda: directory.ids_after(a_publication(), "", 10) == ["binh"])


@pytest.mark.parametrize(
    "broken",
    [
        {"email": ["an@example.com"]},
        {"name": "\ud800"},
        {"name": None},
        {"frequency": "monthly"},
        {"topics": [7]},
        {"topics": 7},
    ],
    ids=str,
)
async def test_one_record_that_can_not_be_read_stops_no_others_mail(
    subscriber_bucket, directory, broken
):
    await subscriber_bucket.add("an")
    record = {"id": "bad", "email": "bad@example.com", "name": "x", "active": True} | broken
    await subscriber_bucket.bucket.put("s.bad", json.dumps(record).encode())
    await subscriber_bucket.add("binh")
    await directory.ready()
    await until(directory.is_fresh)
    assert directory.ids_after(a_publication(), "", 10) == ["an", "binh"]
    assert set(directory.lookup(["an", "bad", "binh"])) == {"an", "binh"}


async def test_a_follower_that_was_interrupted_still_notices_time_outs(directory, monkeypatch):
    """A cancellation that Python 3.11 leaves counted would end its task without a word."""

    async def lost(*_) -> None:
        raise NoReply("lost")

    follower = directory.follower()
    monkeypatch.setattr(follower, "read_changes", lost)
    with pytest.raises(ExceptionGroup):
        await follower.follow()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
