"""Records that an earlier version stored plain are sealed, and their bytes leave the disk."""

from pathlib import Path

import pytest

from contracts import subjects
from producers.bus import NoReply
from producers.encryption import existing_records, seal_buckets
from producers.encryption.existing_records import BucketMigration

NAME = subjects.SUBSCRIBERS.name
PEOPLE = [f"nguoi{number}" for number in range(30)]


def files_with(folder: Path, words: bytes) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in paths if words in path.read_bytes()]


@pytest.fixture
async def store(own_bus, tmp_path):
    """A store of an earlier version, in which one person was erased before the upgrade."""
    stored = own_bus.stored_bucket(NAME)
    for id in [*PEOPLE, "erased"]:
        await stored.put(f"s.{id}", f'{{"email":"{id}@example.com"}}'.encode())
        await stored.put(f"a.{id}", id.encode())
    await stored.purge("s.erased")
    await stored.purge("a.erased")
    seal_buckets(own_bus, b"k" * 32)
    folder = tmp_path / "own-nats"
    assert files_with(folder, b"erased@example.com"), "purged, and still on the disk"
    return folder


async def everything(bus):
    return {key: value.data async for key, value in bus.bucket(NAME).values()}


async def test_an_earlier_store_is_sealed_and_no_address_is_left_on_the_disk(own_bus, store):
    before = await everything(own_bus)
    assert await BucketMigration(own_bus, NAME).run() == len(PEOPLE)
    assert await everything(own_bus) == before
    assert files_with(store, b"@example.com") == []
    assert await BucketMigration(own_bus, NAME).run() == 0


async def test_a_pass_that_was_killed_is_completed_by_the_next(own_bus, store, monkeypatch):
    before = await everything(own_bus)
    monkeypatch.setattr(existing_records, "_CHUNK_SIZE", 7)
    rewrite, calls = BucketMigration.rewrite_chunk, []

    async def die(self, messages):
        calls.append(1)
        if len(calls) == 3:
            raise NoReply("killed here")
        await rewrite(self, messages)

    with monkeypatch.context() as dying:
        dying.setattr(BucketMigration, "rewrite_chunk", die)
        with pytest.raises(NoReply):
            await BucketMigration(own_bus, NAME).run()
    assert 0 < await BucketMigration(own_bus, NAME).run() < len(PEOPLE)
    assert await everything(own_bus) == before
    assert files_with(store, b"@example.com") == []


async def test_what_changes_meanwhile_stays_changed(own_bus, store, monkeypatch):
    bucket, rewrite = own_bus.bucket(NAME), BucketMigration.rewrite_chunk

    async def change_first(self, messages):
        await bucket.put("s.nguoi0", b'{"email":"moi@example.com"}')
        await bucket.purge("s.nguoi1")
        await rewrite(self, messages)

    monkeypatch.setattr(BucketMigration, "rewrite_chunk", change_first)
    await BucketMigration(own_bus, NAME).run()
    assert (await bucket.get("s.nguoi0")).data == b'{"email":"moi@example.com"}'
    assert await bucket.get("s.nguoi1") is None
    assert len(await everything(own_bus)) == 2 * len(PEOPLE) - 1
    assert files_with(store, b"@example.com") == []


async def test_an_erased_persons_key_is_in_no_file(own_bus, store):
    bucket, keys = own_bus.bucket(NAME), own_bus.bucket(subjects.PERSON_KEYS.name)
    await bucket.put("s.moi", b'{"email":"moi@example.com"}')
    wrapped = (await keys.get(f"{NAME}.s.moi")).data
    assert files_with(store, wrapped)
    await bucket.purge("s.moi")
    assert files_with(store, wrapped) == []
