"""A backup is whole or absent, and speaks of nothing that it does not hold."""

import asyncio
import json

import pytest

from consumers import backup, restore
from contracts import subjects
from contracts.delivery import PlanKey
from contracts.errors import Invalid
from producers.bus import Bus, Silence, topology
from tests.backups import a_house, another_machine, saved
from tests.delivery_house import House
from tests.fakes import People, people


@pytest.fixture
def house(bus, tmp_path):
    return House(bus, tmp_path / "slots", People(people(1203)))


async def test_every_stream_is_saved_but_the_wake_ups():
    assert {*backup.ORDER, subjects.DELIVER.name} == set(topology.names())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no complete backup"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "DEAD.snapshot").unlink(), r"DEAD\.snapshot: is damaged"),
    ],
)
async def test_what_is_missing_in_a_backup_is_named(house, tmp_path, change, words):
    await saved(house, tmp_path)
    change(tmp_path / "backup")
    with pytest.raises(Invalid, match=words):
        backup.load(tmp_path / "backup")


async def test_a_backup_of_another_format_is_refused(house, tmp_path):
    await saved(house, tmp_path)
    path = tmp_path / "backup" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(Invalid, match="another version"):
        backup.load(tmp_path / "backup")


async def test_a_backup_that_was_killed_is_no_backup_and_does_not_stand_in_the_way(
    house, tmp_path, monkeypatch
):
    real = Bus.save

    async def cut(bus, name, take):
        if name == "CONTENT":
            raise Silence("killed here")
        return await real(bus, name, take)

    with monkeypatch.context() as patched, pytest.raises(Silence):
        patched.setattr(Bus, "save", cut)
        await saved(house, tmp_path)
    assert not (tmp_path / "backup").exists()
    await saved(house, tmp_path)
    assert backup.load(tmp_path / "backup")


async def test_an_older_backup_is_never_overwritten(house, tmp_path):
    await saved(house, tmp_path)
    with pytest.raises(Invalid, match="exists already"):
        await saved(house, tmp_path)


async def test_the_folder_above_is_never_made(house, tmp_path):
    """Where the backup disk is not mounted, its folder is missing."""
    disk = tmp_path / "disk"
    with pytest.raises(Invalid) as refused:
        await backup.save(house.bus, disk / "2026-11-25", house.clock)
    [error] = refused.value.errors
    assert str(disk) in error.message
    assert str(disk) in error.message_vi
    assert not disk.exists()


async def test_nobody_else_may_read_a_backup(house, tmp_path):
    await saved(house, tmp_path)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700


async def test_a_backup_made_under_load_speaks_of_nothing_that_it_does_not_hold(house, tmp_path):
    """Streams are saved one after the other, consequences first."""
    before = [await house.plan(content_id=f"truoc-{number}") for number in range(3)]
    done = asyncio.Event()

    async def load():
        number = 0
        while not done.is_set():
            plan = await house.plan(content_id=f"trong-{number}")
            await house.work(plan, 0)
            number += 1
        return number

    loading = asyncio.create_task(load())
    manifest = await saved(house, tmp_path)
    done.set()
    assert await loading, "nothing happened during the backup"
    async with another_machine(tmp_path) as bus:
        await restore.restore(bus, tmp_path / "backup", house.clock)
        ledger = a_house(bus, house, tmp_path).ledger
        plans = [PlanKey.parse(k[5:]) async for k, _ in ledger.bucket.values("plan.")]
        assert set(before) <= set(plans)
        for plan in plans:
            cursor = (await ledger.plan(plan)).value
            assert await bus.get_message(subjects.PUBLICATIONS.name, cursor.source)
            assert len([batch async for batch, _ in ledger.entries(plan, cursor)]) == cursor.count
    assert [one.stream for one in manifest.streams] == list(backup.ORDER)
