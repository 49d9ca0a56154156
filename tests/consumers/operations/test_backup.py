"""A backup is whole or absent, and speaks of nothing that it does not hold."""

import asyncio
import json
import os

import pytest

from consumers.operations import backup
from contracts import subjects
from contracts.delivery import PlanKey
from contracts.errors import Invalid
from producers.bus import NoReply, snapshot, topology
from tests.support.restored_bus import during_backup, restored_pipeline, save_pipeline


async def test_every_stream_is_saved_but_the_wake_ups_and_sessions():
    left_out = {subjects.DELIVER.name, f"KV_{subjects.SESSIONS.name}"}
    assert {*backup.SAVE_ORDER} | left_out == set(topology.stream_names())


async def test_a_backup_from_before_there_were_accounts_is_whole(pipeline, tmp_path):
    await save_pipeline(pipeline, tmp_path)
    manifest = tmp_path / "backup" / "manifest.json"
    facts = json.loads(manifest.read_text())
    facts["streams"] = [one for one in facts["streams"] if one["stream"] != "KV_staff"]
    manifest.write_text(json.dumps(facts))
    saved = {one.stream for one in backup.load_manifest(tmp_path / "backup").streams}
    assert saved == {*backup.SAVE_ORDER} - {"KV_staff"}


async def test_what_is_missing_in_a_backup_is_named(pipeline, tmp_path):
    await save_pipeline(pipeline, tmp_path)
    manifest, dead = (tmp_path / "backup" / name for name in ("manifest.json", "DEAD.snapshot"))
    facts = json.loads(manifest.read_text())
    for change, words in (
        (lambda: manifest.write_text(json.dumps(facts | {"format": 2})), "another version"),
        (lambda: manifest.write_text("{"), "is damaged"),
        (manifest.unlink, "no complete backup"),
        (lambda: (manifest.write_text(json.dumps(facts)), dead.unlink()), r"DEAD\.snapshot: is"),
    ):
        change()
        with pytest.raises(Invalid, match=words):
            backup.load_manifest(tmp_path / "backup")


async def test_a_killed_backup_is_none_and_is_not_in_the_way(pipeline, tmp_path, monkeypatch):
    async def die(_bus):
        raise NoReply("killed here")

    with during_backup(monkeypatch, "CONTENT", die), pytest.raises(NoReply):
        await save_pipeline(pipeline, tmp_path)
    assert not (tmp_path / "backup").exists()
    await save_pipeline(pipeline, tmp_path)
    assert backup.load_manifest(tmp_path / "backup")


async def test_an_older_backup_is_never_overwritten_and_nobody_else_may_read_it(pipeline, tmp_path):
    await save_pipeline(pipeline, tmp_path)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    with pytest.raises(Invalid, match="exists already"):
        await save_pipeline(pipeline, tmp_path)


async def test_the_folder_above_is_never_made(pipeline, tmp_path):
    """Where the backup disk is not mounted, its folder is missing."""
    disk = tmp_path / "disk"
    with pytest.raises(Invalid) as refused:
        await backup.save_backup(pipeline.bus, disk / "2026-11-25", pipeline.clock)
    [error] = refused.value.errors
    assert str(disk) in error.message
    assert str(disk) in error.message_vi
    assert not disk.exists()


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
    manifest = await save_pipeline(pipeline, tmp_path)
    done.set()
    assert await loading, "nothing happened during the backup"
    async with restored_pipeline(pipeline, tmp_path) as new:
        ledger = new.ledger
        plans = [PlanKey.parse(k[5:]) async for k, _ in ledger.bucket.values("plan.")]
        assert set(before) <= set(plans)
        for plan in plans:
            cursor = (await ledger.plan(plan)).value
            assert await new.bus.get_message(subjects.PUBLICATIONS.name, cursor.source)
            assert len([batch async for batch, _ in ledger.entries(plan, cursor)]) == cursor.count
    assert [one.stream for one in manifest.streams] == list(backup.SAVE_ORDER)


async def test_a_bucket_is_saved_whole_while_it_changes(pipeline, tmp_path, monkeypatch):
    """The server reads 8 MiB ahead of acknowledgements; its snapshot lacks the keys behind."""
    bucket, later = pipeline.bus.bucket("imports"), {f"k{n}": b"later" for n in range(16)}
    for key in ["gone", *later]:
        await bucket.put(key, os.urandom(1_000_000))
    acknowledge = snapshot._acknowledge

    async def replace(*args):
        monkeypatch.setattr(snapshot, "_acknowledge", acknowledge)
        await bucket.purge("gone")
        for key, value in later.items():
            await bucket.put(key, value)
        await acknowledge(*args)

    async def arm(_bus):
        monkeypatch.setattr(snapshot, "_acknowledge", replace)

    with during_backup(monkeypatch, bucket.stream, arm):
        await save_pipeline(pipeline, tmp_path)
        monkeypatch.setattr(backup, "_MAX_CHANGES", len(later))
        with pytest.raises(Invalid, match=f"{bucket.stream} changes faster"):
            await backup.save_backup(pipeline.bus, tmp_path / "busy", pipeline.clock)
    async with restored_pipeline(pipeline, tmp_path) as new:
        assert {k: v.data async for k, v in new.bus.bucket(bucket.name).values()} == later
    (tmp_path / "backup" / f"{bucket.stream}.changes").write_bytes(b"")
    with pytest.raises(Invalid, match=r"changes: is damaged"):
        backup.load_manifest(tmp_path / "backup")
