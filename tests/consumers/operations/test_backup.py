"""A backup is whole or absent, and speaks of nothing that it does not hold."""

import asyncio
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from consumers.key_file import KeyFile
from consumers.operations import backup, restore
from consumers.operations.backup import BackupFolder
from contracts import subjects
from contracts.delivery import PlanKey
from contracts.errors import Invalid
from producers.bus import Bus, NoReply, snapshot, topology
from tests.support.full_disk import room_for
from tests.support.records_forger import seal_new_records
from tests.support.restored_bus import (
    backup_folder,
    during_backup,
    new_machine,
    restored_pipeline,
    save_pipeline,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "backup-0.1.0"


async def test_every_stream_is_saved_but_wake_ups_sessions_and_unsaved_texts():
    buckets = (subjects.SESSIONS, subjects.KEPT_TEXTS, subjects.TRIALS)
    left_out = {subjects.DELIVER.name, *(f"KV_{one.name}" for one in buckets)}
    assert {*backup.SAVE_ORDER} | left_out == set(topology.stream_names())


def test_a_backup_of_the_first_version_is_whole_plain_and_known_as_such():
    opened = backup.open_backup(BackupFolder(GOLDEN, b"", accepts_plain=True))
    saved = {one.stream for one in opened.manifest.streams}
    added = {"AUDIT", "EDITORIAL", "FACTS", "STATUS", "CALLBACKS", "OBJ_uploads"}
    added |= {"KV_staff", "KV_staff_mail", "KV_person_keys", "KV_trial_units"}
    added |= {"KV_callbacks"}
    assert saved == {*backup.SAVE_ORDER} - added | {"KV_desk"}
    assert opened.manifest.is_plain
    assert b"".join(opened.pieces(opened.manifest.streams[0]))


async def test_what_is_missing_in_a_backup_is_named(pipeline, tmp_path):
    await save_pipeline(pipeline, tmp_path)
    manifest, dead = (tmp_path / "backup" / name for name in ("manifest.json", "DEAD.snapshot"))
    before = manifest.read_bytes()
    facts = json.loads(before)
    for change, words in (
        (lambda: manifest.write_text(json.dumps(facts | {"format": 3})), "another version"),
        (lambda: manifest.write_text("{"), "is damaged"),
        (manifest.unlink, "no complete backup"),
        (lambda: (manifest.write_bytes(before), dead.unlink()), r"DEAD\.snapshot: is"),
    ):
        change()
        with pytest.raises(Invalid, match=words):
            backup.open_backup(backup_folder(tmp_path / "backup"))


async def test_a_changed_manifest_is_told_from_another_key(pipeline, tmp_path):
    await save_pipeline(pipeline, tmp_path)
    manifest = tmp_path / "backup" / "manifest.json"
    facts = json.loads(manifest.read_bytes())
    for change, field in (
        ({"key": "ab" * 32}, "manifest.json"),
        ({"key": "không"}, "manifest.json"),
        ({"floors": {}}, "manifest.json"),
        ({"id": "ab" * 16}, "vault.key"),
    ):
        manifest.write_text(json.dumps(facts | change))
        with pytest.raises(Invalid) as refused:
            backup.open_backup(backup_folder(tmp_path / "backup"))
        [error] = refused.value.errors
        assert error.field == field
        assert "manifest.json" in error.field + error.message, "what `id` says is not provable"
        assert "manifest.json" in error.field + error.message_vi


async def test_a_killed_backup_is_none_and_is_not_in_the_way(pipeline, tmp_path, monkeypatch):
    async def die(_bus):
        raise NoReply("killed here")

    with during_backup(monkeypatch, "CONTENT", die), pytest.raises(NoReply):
        await save_pipeline(pipeline, tmp_path)
    assert not (tmp_path / "backup").exists()
    await save_pipeline(pipeline, tmp_path)
    assert backup.open_backup(backup_folder(tmp_path / "backup"))


async def test_a_full_disk_is_named_by_the_file_and_gets_its_room_back(pipeline, tmp_path):
    with room_for(100), pytest.raises(OSError, match=r"backup\.partial/.*\.snapshot"):
        await save_pipeline(pipeline, tmp_path)
    assert not list(tmp_path.glob("backup*"))


async def test_an_older_backup_is_never_overwritten_and_nobody_else_may_read_it(pipeline, tmp_path):
    await save_pipeline(pipeline, tmp_path)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    with pytest.raises(Invalid, match="exists already"):
        await save_pipeline(pipeline, tmp_path)


async def test_the_folder_above_is_never_made(pipeline, tmp_path):
    """Where the backup disk is not mounted, its folder is missing."""
    disk = tmp_path / "disk"
    with pytest.raises(Invalid) as refused:
        await backup.save_backup(pipeline.bus, backup_folder(disk / "2026-11-25"), pipeline.clock)
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
            await backup.save_backup(pipeline.bus, backup_folder(tmp_path / "busy"), pipeline.clock)
    async with restored_pipeline(pipeline, tmp_path) as new:
        assert {k: v.data async for k, v in new.bus.bucket(bucket.name).values()} == later
    (tmp_path / "backup" / f"{bucket.stream}.changes").write_bytes(b"")
    with pytest.raises(Invalid, match=r"changes: is damaged"):
        backup.open_backup(backup_folder(tmp_path / "backup"))


async def test_what_changes_during_a_backup_is_sealed_again_and_a_forgery_is_not(
    bus, clock, tmp_path, monkeypatch
):
    """The restored store needs seals: it was made by a version that has them."""
    keys = KeyFile.open(tmp_path / "vault.key")
    seal_new_records(bus, keys)
    units = bus.bucket(subjects.UNITS.name)
    first = await units.create("tin.1", b"{}")
    monkeypatch.setattr(backup, "SAVE_ORDER", (units.stream,))
    monkeypatch.setattr(backup, "_TRACKED_STREAMS", ())

    async def change(bus, stream, take, save=Bus.save_snapshot):
        saved = await save(bus, stream, take)
        if stream == units.stream:
            await units.swap("tin.1", b'{"changed":1}', first)
            await units.create("tin.2", b"{}")
            await bus.stored_bucket(units.name).put("tin.gia", b"{}")
        return saved

    monkeypatch.setattr(Bus, "save_snapshot", change)
    await backup.save_backup(bus, backup_folder(tmp_path / "backup"), clock)
    async with new_machine(tmp_path) as new:
        seal_new_records(new, keys)
        stored = backup.open_backup(backup_folder(tmp_path / "backup"))
        await topology.mark_restoring(new)
        await restore._restore_streams(new, stored)
        restored = {key: value.data async for key, value in new.bucket(units.name).values()}
        assert restored == {"tin.1": b'{"changed":1}', "tin.2": b"{}"}
        assert await new.stored_bucket(units.name).get("tin.gia") is None


# --- encryption


async def test_a_backup_tells_nothing_to_who_lacks_its_key(pipeline, tmp_path):
    await pipeline.bus.bucket("imports").put("k", b"nguoi@example.com")
    await save_pipeline(pipeline, tmp_path)
    files = list((tmp_path / "backup").iterdir())
    assert not [file.name for file in files if b"nguoi@example.com" in file.read_bytes()]
    other = BackupFolder(tmp_path / "backup", b"another key")
    with pytest.raises(Invalid, match=r"vault\.key: does not open this backup"):
        backup.open_backup(other)


@pytest.mark.parametrize("change", ["swapped", "of another backup", "flipped", "mac lost", "moved"])
async def test_who_changes_a_backup_and_mends_its_digests_is_found_out(pipeline, tmp_path, change):
    """A manifest that is right in itself is not enough: it carries a MAC."""
    await save_pipeline(pipeline, tmp_path)
    folder = tmp_path / "backup"
    units, staff = folder / "KV_units.snapshot", folder / "KV_staff.snapshot"
    before = units.read_bytes()
    if change == "swapped":
        units.write_bytes(staff.read_bytes())
        staff.write_bytes(before)
    elif change == "of another backup":
        other = tmp_path / "other"
        await backup.save_backup(pipeline.bus, backup_folder(other), pipeline.clock)
        units.write_bytes((other / units.name).read_bytes())
    elif change == "flipped":
        units.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    elif change == "mac lost":
        (folder / "manifest.mac").unlink()
    mend_digests(folder, {"floors": {}} if change == "moved" else {})
    with pytest.raises(Invalid, match=r"manifest\.json: is damaged"):
        backup.open_backup(backup_folder(folder))


async def test_a_plain_backup_does_not_take_the_place_of_an_encrypted_one(pipeline, tmp_path):
    """The first version's form proves nothing: an operator has to vouch for it."""
    await save_pipeline(pipeline, tmp_path)
    mend_digests(tmp_path / "backup", {"format": 1})
    with pytest.raises(Invalid, match="add --plain") as refused:
        backup.open_backup(backup_folder(tmp_path / "backup"))
    assert "--plain" in refused.value.errors[0].message_vi


async def test_a_backup_names_files_of_its_own_folder_alone(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "backup")
    manifest = tmp_path / "backup" / "manifest.json"
    facts = json.loads(manifest.read_bytes())
    facts["streams"][0]["file"] = f"../backup/{facts['streams'][0]['file']}"
    manifest.write_text(json.dumps(facts))
    with pytest.raises(Invalid, match=r"manifest\.json: is damaged"):
        backup.open_backup(BackupFolder(tmp_path / "backup", b"", accepts_plain=True))


def mend_digests(folder, changes):
    """Write the manifest that the files of *folder* would have."""
    path = folder / "manifest.json"
    facts = json.loads(path.read_bytes())
    for stream in facts["streams"]:
        content = (folder / stream["file"]).read_bytes()
        stream |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.write_text(json.dumps(facts | changes))
