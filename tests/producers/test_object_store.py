"""The object store of uploads: whole or not there, proven by name, readable by JetStream's own."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from consumers.seals.records import TakenOverUntil, nothing_before, seal_records
from contracts import subjects
from producers import object_store
from producers.bus.errors import DamagedObject
from producers.object_store import ObjectStore
from tests.support.crashing_bus import crash_at
from tests.support.staff import KEYS

CONTENT = bytes(range(256)) * 3000
PIECES = [CONTENT[at : at + 262_144] for at in range(0, len(CONTENT), 262_144)]
NAME = hashlib.sha256(CONTENT).hexdigest()
FACTS = {"name": "Báo-cáo.pdf", "by": "an"}


@pytest.fixture
def store(bus):
    return ObjectStore(bus)


async def content_of(store, name=NAME) -> bytes:
    found = await store.find(name)
    return b"".join([piece async for piece in store.read(found)])


async def erase_strays(store, age: timedelta) -> int:
    """Erase what was there *age* ago."""
    found = [erase async for _, erase in store.strays(datetime.now(UTC) - age)]
    return sum([await erase() for erase in found])


async def stored(bus) -> dict[str, int]:
    return await bus.count_by_subject(subjects.UPLOADS.name)


async def test_what_is_put_is_read_and_found_and_listed(store):
    await store.put(NAME, PIECES, FACTS)
    assert await content_of(store) == CONTENT
    [one] = [one async for one in store.objects()]
    assert (one.info.name, one.info.size, one.info.metadata) == (NAME, len(CONTENT), FACTS)
    assert await store.find("0" * 64) is None


async def test_the_same_content_is_kept_once_whoever_puts_it(bus, store):
    await asyncio.gather(*(store.put(NAME, PIECES, FACTS) for _ in range(2)))
    before = await stored(bus)
    await store.put(NAME, PIECES, FACTS)
    assert await stored(bus) == before
    [one] = [one async for one in store.objects()]
    assert await content_of(store) == CONTENT
    await erase_strays(store, -timedelta(days=1))
    pieces = [name for name in await stored(bus) if name.startswith("$O.uploads.C.")]
    assert pieces == [subjects.upload_piece(one.info.nuid)]


async def test_nats_own_object_store_reads_it(bus, store):
    await store.put(NAME, PIECES, FACTS)
    own = await bus.js.object_store("uploads")
    assert (await own.get(NAME)).data == CONTENT


async def test_content_of_another_name_is_not_kept(bus, store):
    with pytest.raises(DamagedObject):
        await store.put("0" * 64, PIECES, FACTS)
    assert await store.find("0" * 64) is None


async def test_a_changed_piece_is_found(bus, store):
    await store.put(NAME, PIECES, FACTS)
    found = await store.find(NAME)
    await bus.publish(subjects.upload_piece(found.info.nuid), b"more")
    with pytest.raises(DamagedObject):
        await content_of(store)


async def test_what_another_writer_says_of_an_object_is_not_read(bus, store):
    seal_records(bus, KEYS, TakenOverUntil(nothing_before, nothing_before))
    await store.put(NAME, PIECES, FACTS)
    genuine = await store.find(NAME)
    forged = genuine.info.model_copy(update={"nuid": "other"}).model_dump_json().encode()
    await bus.publish(subjects.upload(NAME), forged)
    assert await store.find(NAME) == genuine
    assert [one.seq async for one in store.objects()] == [genuine.seq]
    await bus.publish(subjects.upload("0" * 64), forged)
    assert await store.find("0" * 64) is None


async def test_an_erased_object_leaves_nothing(bus, store):
    await store.put(NAME, PIECES, FACTS)
    assert await store.delete(await store.find(NAME))
    assert await stored(bus) == {} and await store.find(NAME) is None


async def test_an_object_that_is_put_again_meanwhile_stays(bus, store, monkeypatch):
    monkeypatch.setattr(object_store, "_NEW_FOR", timedelta())
    await store.put(NAME, PIECES, FACTS)
    found = await store.find(NAME)
    await store.put(NAME, PIECES, FACTS)
    assert not await store.delete(found)
    assert await content_of(store) == CONTENT


async def test_a_writer_that_is_killed_leaves_pieces_which_are_erased_later(store):
    with crash_at("uploads.pieces_stored"):
        await store.put(NAME, PIECES, FACTS)
    assert await store.find(NAME) is None
    assert await erase_strays(store, timedelta(hours=1)) == 0, "it may be alive"
    await store.put(NAME, PIECES, FACTS)
    assert await erase_strays(store, -timedelta(hours=1)) > 0
    assert await content_of(store) == CONTENT


async def test_an_erasure_that_is_killed_is_finished_later(bus, store):
    await store.put(NAME, PIECES, FACTS)
    with crash_at("uploads.unnamed"):
        await store.delete(await store.find(NAME))
    assert await store.find(NAME) is None
    await erase_strays(store, -timedelta(hours=1))
    assert await stored(bus) == {}
