"""A backup is whole or absent, and speaks of nothing that it does not hold."""

import asyncio
import json

import pytest

from consumers.operations import backup, restore
from contracts import subjects
from contracts.delivery import PlanKey
from contracts.errors import Invalid
from producers.bus import Bus, NoReply, topology
from tests.support.backups import new_machine, restored_pipeline, save_backup


async def test_every_stream_is_saved_but_the_wake_ups():
    assert {*backup.SAVE_ORDER, subjects.DELIVER.name} == set(topology.stream_names())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no complete backup"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "DEAD.snapshot").unlink(), r"DEAD\.snapshot: is damaged"),
    ],
)
async def test_what_is_missing_in_a_backup_is_named(pipeline, tmp_path, change, words):
    await save_backup(pipeline, tmp_path)
    change(tmp_path / "backup")
    with pytest.raises(Invalid, match=words):
        backup.load_manifest(tmp_path / "backup")


async def test_a_backup_of_another_format_is_refused(pipeline, tmp_path):
    await save_backup(pipeline, tmp_path)
    path = tmp_path / "backup" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(Invalid, match="another version"):
        backup.load_manifest(tmp_path / "backup")


async def test_a_backup_that_was_killed_is_no_backup_and_does_not_stand_in_the_way(
    pipeline, tmp_path, monkeypatch
):
    real = Bus.save_snapshot

    async def cut(bus, name, take):
        if name == "CONTENT":
            raise NoReply("killed here")
        return await real(bus, name, take)

    with monkeypatch.context() as patched, pytest.raises(NoReply):
        patched.setattr(Bus, "save_snapshot", cut)
        await save_backup(pipeline, tmp_path)
    assert not (tmp_path / "backup").exists()
    await save_backup(pipeline, tmp_path)
    assert backup.load_manifest(tmp_path / "backup")


async def test_an_older_backup_is_never_overwritten(pipeline, tmp_path):
    await save_backup(pipeline, tmp_path)
    with pytest.raises(Invalid, match="exists already"):
        await save_backup(pipeline, tmp_path)


async def test_the_folder_above_is_never_made(pipeline, tmp_path):
    """Where the backup disk is not mounted, its folder is missing."""
    disk = tmp_path / "disk"
    with pytest.raises(Invalid) as refused:
        await backup.save_backup(pipeline.bus, disk / "2026-11-25", pipeline.clock)
    [error] = refused.value.errors
    assert str(disk) in error.message
    assert str(disk) in error.message_vi
    assert not disk.exists()


async def test_nobody_else_may_read_a_backup(pipeline, tmp_path):
    await save_backup(pipeline, tmp_path)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700


async def test_a_backup_made_under_load_speaks_of_nothing_that_it_does_not_hold(pipeline, tmp_path):
    """Streams are saved one after the other, consequences first."""
    before = [await pipeline.plan(content_id=f"truoc-{number}") for number in range(3)]
    done = asyncio.Event()

    async def load():
        number = 0
        while not done.is_set():
            plan = await pipeline.plan(content_id=f"trong-{number}")
            await pipeline.work(plan, 0)
            number += 1
        return number

    loading = asyncio.create_task(load())
    manifest = await save_backup(pipeline, tmp_path)
    done.set()
    assert await loading, "nothing happened during the backup"
    async with new_machine(tmp_path) as bus:
        await restore.restore_backup(bus, tmp_path / "backup", pipeline.clock)
        ledger = restored_pipeline(bus, pipeline, tmp_path).ledger
        plans = [PlanKey.parse(k[5:]) async for k, _ in ledger.bucket.values("plan.")]
        assert set(before) <= set(plans)
        for plan in plans:
            cursor = (await ledger.plan(plan)).value
            assert await bus.get_message(subjects.PUBLICATIONS.name, cursor.source)
            assert len([batch async for batch, _ in ledger.entries(plan, cursor)]) == cursor.count
    assert [one.stream for one in manifest.streams] == list(backup.SAVE_ORDER)
