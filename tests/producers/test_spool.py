"""The spool: what it says is kept survives kill -9, in order, and is sent once."""

import errno
import fcntl
import os
import stat
import time
from itertools import pairwise
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from contracts.envelope import from_structured
from contracts.errors import Conflict, ContractError
from contracts.vocabulary import DEFAULT
from producers.admission import admit
from producers.publisher import Publisher, drain
from producers.spool import Spool
from tests.support.gateway_client import UNIT, sample_event
from tests.support.spooled_events import admitted, ids, numbered, stored_ids


def test_events_wait_in_the_order_in_which_they_came(spool):
    for n in (3, 1, 2):
        spool.append(numbered(n))
    assert ids(spool) == ["e-3", "e-1", "e-2"]


def test_a_clock_that_is_set_back_does_not_change_the_order(spool, monkeypatch):
    for now in (2_000_000_000, 1_000_000_000, 1_500_000_000):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        spool.append(numbered(now))
    assert ids(spool) == ["e-2000000000", "e-1000000000", "e-1500000000"]


def test_an_event_that_waits_is_not_kept_twice(spool):
    first = spool.append(numbered(1))
    spool.append(numbered(2))
    assert spool.append(numbered(1)) == first
    assert ids(spool) == ["e-1", "e-2"]


def test_two_contents_under_one_id_are_a_conflict(spool):
    spool.append(admitted())
    with pytest.raises(Conflict) as refused:
        spool.append(admitted(title="Khác"))
    assert refused.value.errors[0].field == "id"
    assert len(spool.waiting()) == 1


def test_a_drainer_sees_no_event_of_a_batch_with_a_conflict(spool, monkeypatch):
    spool.append(admitted())
    seen, fsync = [], os.fsync

    def noting_fsync(handle):
        seen.extend(ids(spool))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    with pytest.raises(Conflict) as refused:
        spool.append_batch([numbered(2), numbered(3), numbered(2), admitted(title="Khác")])
    assert [error.field for error in refused.value.errors] == ["[3].id"]
    assert set(seen) | set(ids(spool)) == {"e-1"}


def test_two_contents_under_one_id_in_a_batch_are_a_conflict(spool):
    with pytest.raises(Conflict):
        spool.append_batch([numbered(2), admitted(), admitted(title="Khác")])
    assert spool.waiting() == []


def test_a_batch_has_an_event_that_comes_twice_once(spool):
    spool.append(numbered(1))
    paths = spool.append_batch([numbered(number) for number in (2, 1, 3, 2)])
    assert ids(spool) == ["e-1", "e-2", "e-3"]
    assert [spool.read(path).event.id for path in paths] == ["e-2", "e-1", "e-3", "e-2"]


@pytest.mark.parametrize("fails", ["fsync", "rename"])
def test_a_disk_that_fills_within_a_batch_keeps_none_of_it(spool, monkeypatch, fails):
    """A drainer sees none before all are on the disk."""
    owner = os if fails == "fsync" else type(spool.folder)
    act, seen = getattr(owner, fails), []
    spool.append(numbered(1))

    def fail_at_the_second(*args):
        seen.append(ids(spool))
        if len(seen) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return act(*args)

    monkeypatch.setattr(owner, fails, fail_at_the_second)
    with pytest.raises(OSError, match="space"):
        spool.append_batch([numbered(2), numbered(3)])
    assert seen == [["e-1"], ["e-1"] if fails == "fsync" else ["e-1", "e-2"]]
    assert ids(spool) == ["e-1"]


def test_a_lock_ends_although_a_child_that_was_forked_meanwhile_has_its_file(spool, monkeypatch):
    flock, of_child = fcntl.flock, []

    def flock_and_fork(file, kind):
        of_child.append(os.dup(file.fileno()))
        flock(file, kind)

    spool.append(numbered(1))
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock_and_fork)
        with spool.draining() as is_drainer:
            assert is_drainer
    try:
        with spool.draining() as is_drainer:
            assert is_drainer
    finally:
        for file in of_child:
            os.close(file)


def test_an_event_is_kept_as_it_was(spool):
    event = sample_event() | {"traceparent": "00-1-2-03", "sequence": 3}
    spool.append(admit(from_structured(event), UNIT, DEFAULT))
    kept = spool.read(spool.waiting()[0])
    assert (kept.unit, kept.event) == (UNIT, from_structured(event))


def test_the_file_is_on_the_disk_before_it_has_its_name(spool, monkeypatch):
    done = []
    fsync, rename = os.fsync, type(spool.folder).rename

    def noting_fsync(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def noting_rename(self, target):
        done.append("rename")
        return rename(self, target)

    spool.append(numbered(0))
    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(type(spool.folder), "rename", noting_rename)
    spool.append(numbered(1))
    assert done == ["file", "rename", "folder"]


def test_each_folder_that_is_made_is_on_the_disk(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def noting_fsync(handle):
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    Spool(tmp_path / "a" / "b" / "spool").append(numbered(1))
    made = [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    assert synced[:3] == list(map(str, made))


def test_only_the_owner_may_look_into_the_spool(spool):
    spool.append(numbered(1))
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700


def test_what_a_killed_writer_left_half_written_is_swept_and_never_sent(spool):
    spool.append(numbered(1))
    half = spool.folder / "00000000000000000001-aaaaaaaaaaaaaaaaaaaaaaaaaa.tmp"
    half.write_text('{"unit": ')
    assert ids(spool) == ["e-1"]
    spool.append(numbered(2))
    assert not half.exists()


def test_many_writers_at_once_keep_everything(spool):
    with ThreadPool(8) as pool:
        pool.map(lambda n: spool.append(numbered(n)), range(80))
    assert sorted(ids(spool)) == sorted(f"e-{n}" for n in range(80))
    stamps = [path.name[:20] for path in spool.waiting()]
    assert all(before < after for before, after in pairwise(stamps))


def test_one_process_drains_at_a_time(spool):
    spool.append(numbered(1))
    with spool.draining() as mine:
        assert mine
        with Spool(spool.folder).draining() as too:
            assert not too
    with spool.draining() as mine:
        assert mine


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b'{"unit": "van-phong-bo"}', b"\xff", b'{"event": []}']
)
def test_a_damaged_file_is_said_to_be_one(spool, damaged):
    path = spool.append(numbered(1))
    path.write_bytes(damaged)
    with pytest.raises(ContractError):
        spool.read(path)


async def test_a_spool_is_sent_in_order_and_then_empty(bus, spool):
    for n in range(50):
        spool.append(numbered(n))
    drained = await drain(bus, spool.folder)
    assert [one.content_id for one in drained.accepted] == [f"tin-{n}" for n in range(50)]
    assert (drained.refused, drained.left) == ([], 0)
    assert await stored_ids(bus) == [f"e-{n}" for n in range(50)]
    assert (await drain(bus, spool.folder)).accepted == []


async def test_a_file_that_can_not_be_sent_is_set_aside_and_the_others_go_on(bus, spool):
    for n in range(3):
        spool.append(numbered(n))
    damaged = spool.waiting()[1]
    damaged.write_bytes(b"{")
    drained = await drain(bus, spool.folder)
    assert await stored_ids(bus) == ["e-0", "e-2"]
    assert [path.read_bytes() for path in drained.refused] == [b"{"]
    assert drained.refused[0].parent.name == "refused"
    assert drained.left == 0


async def test_draining_leaves_to_another_process_what_that_one_is_at(bus, spool):
    spool.append(numbered(1))
    with spool.draining():
        drained = await drain(bus, spool.folder)
    assert (drained.accepted, drained.left) == ([], 1)


async def test_while_another_drains_a_new_event_is_kept_behind_the_others(bus, spool):
    spool.append(numbered(1))
    async with Publisher(bus, UNIT, spool.folder) as publisher:
        with spool.draining():
            kept = await publisher.publish(sample_event(id="e-2", content_id="tin-2"))
        assert ids(spool) == ["e-1", "e-2"]
        assert kept.path == spool.waiting()[1]
        await publisher.publish(sample_event(id="e-3", content_id="tin-3"))
    assert await stored_ids(bus) == ["e-1", "e-2", "e-3"]
