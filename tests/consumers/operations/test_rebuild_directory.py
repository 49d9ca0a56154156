"""The directory can be thrown away: it comes back from the bus, as if it had been followed."""

import sqlite3

import pytest

from consumers.directory.directory import Directory
from consumers.directory.directory import try_lock as holding
from consumers.ledger import codec
from consumers.operations import rebuild
from contracts import subjects
from contracts.errors import Invalid
from producers.bus import Bus
from tests.support.directory_harness import running_directory as following

TABLES = {
    "person": "select person.id, address, name, wishes from person"
    " join taste on taste.id = person.taste order by person.id",
    "taste": "select wishes, people from taste where people order by wishes",
    "meta": "select * from meta where name <> 'confirmed' order by name",
}
"""Everything but when it was read, how tastes are numbered, and those that nobody has any more."""


@pytest.fixture
def directory_tables(tmp_path):
    def read(path):
        db = sqlite3.connect(path)
        try:
            return {name: [*db.execute(query)] for name, query in TABLES.items()}
        finally:
            db.close()

    return read


async def reader(bus: Bus, id: str, topics: str, *, active: bool = True) -> None:
    wishes = {"topics": [topics], "audiences": [], "units": [], "active": active}
    body = {"email": f"{id}@example.com", "name": f"Người {id}", "frequency": "immediate"}
    await bus.bucket(subjects.SUBSCRIBERS.name).put(f"s.{id}", codec.dump_json(wishes | body))


@pytest.mark.promise("11.1")
async def test_the_directory_comes_back_from_the_bus(bus, tmp_path, directory_tables, monkeypatch):
    monkeypatch.setattr(rebuild, "CHUNK_SUBSCRIBERS", 2)
    for number in range(5):
        await reader(bus, f"n{number}", "viec-lam" if number % 2 else "lich-nghi-le")
    await reader(bus, "nghi", "viec-lam", active=False)
    async with following(Directory(bus, tmp_path / "followed.sqlite")) as followed:
        await followed.ready()
        await reader(bus, "n1", "lich-nghi-le")
        await reader(bus, "n2", "cai-cach-hanh-chinh")
        await reader(bus, "n2", "viec-lam")
        await reader(bus, "nghi", "viec-lam")
        await reader(bus, "n4", "lich-nghi-le", active=False)
        await bus.bucket(subjects.SUBSCRIBERS.name).purge("s.n3")
        await reader(bus, "moi", "viec-lam")
        await followed.ready()
    assert await rebuild.rebuild_directory(bus, tmp_path / "rebuilt.sqlite") == 5
    found = directory_tables(tmp_path / "rebuilt.sqlite")
    assert found == directory_tables(tmp_path / "followed.sqlite")
    assert [row[0] for row in found["person"]] == ["moi", "n0", "n1", "n2", "nghi"]
    assert sorted(count for _, count in found["taste"]) == [2, 3]
    assert dict(found["meta"])["seq"] == await bus.bucket(subjects.SUBSCRIBERS.name).last_seq()


async def test_a_rebuilt_directory_is_followed_from_there_on(bus, tmp_path):
    await reader(bus, "n1", "viec-lam")
    await rebuild.rebuild_directory(bus, tmp_path / "d.sqlite")
    directory = Directory(bus, tmp_path / "d.sqlite")
    try:
        assert directory.store.seq == await directory.bucket.last_seq()
        assert set(directory.store.contacts(["n1"])) == {"n1"}
    finally:
        directory.close()


async def test_a_damaged_directory_is_made_anew(bus, tmp_path):
    await reader(bus, "n1", "viec-lam")
    (tmp_path / "d.sqlite").write_bytes(b"no database" * 100)
    assert await rebuild.rebuild_directory(bus, tmp_path / "d.sqlite") == 1


async def test_a_directory_that_loa_is_writing_is_left_alone(bus, tmp_path):
    await rebuild.rebuild_directory(bus, tmp_path / "d.sqlite")
    with holding(tmp_path / "d.lock") as mine:
        assert mine
        with pytest.raises(Invalid, match="stop it first"):
            await rebuild.rebuild_directory(bus, tmp_path / "d.sqlite")
