"""A damaged or missing directory file: set aside and rebuilt, or not written any more."""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from consumers.directory import store as store_module
from consumers.directory.directory import Directory
from consumers.directory.errors import DirectoryFileGone
from consumers.directory.store import DirectoryRow, DirectoryStore, find_damage, open_store
from tests.support.directory_harness import running_directory
from tests.support.waiting import until


def spoil(path: Path, what: str) -> bytes:
    """Make a damaged directory file: its head, or some of its pages."""
    with contextlib.closing(DirectoryStore(path)) as store:
        crowd = [DirectoryRow(f"p{n:05}", f"p{n}@example.com", "", "[]") for n in range(500)]
        store.apply(crowd, 500)
        store.truncate_wal()
    body = path.read_bytes()
    spoilt = {
        "head": b"no database at all" * 100,
        "first page": body[:100] + b"\xff" * (len(body) - 100),
        "last page": body[:-4000] + b"\xff" * 4000,
    }[what]
    path.write_bytes(spoilt)
    return spoilt


@pytest.mark.parametrize("what", ["head", "first page", "last page"])
async def test_a_damaged_file_is_set_aside_and_made_anew(bus, subscriber_bucket, tmp_path, what):
    path = tmp_path / "directory.sqlite"
    spoilt = spoil(path, what)
    await subscriber_bucket.add("an")
    with structlog.testing.capture_logs() as logs:
        directory = Directory(bus, path)
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("directory_set_aside", "warning")
    assert path.with_name("directory.sqlite.damaged").read_bytes() == spoilt
    async with running_directory(directory):
        await directory.ready()
        assert directory.store.all_ids("", 10) == ["an"]


def test_a_start_holds_the_folder_while_it_judges_the_file(tmp_path, monkeypatch):
    path, judged = tmp_path / "directory.sqlite", []
    spoil(path, "head")

    def judge(path: Path) -> str:
        handle = os.open(path.parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        judged.append(find_damage(path))
        return judged[-1]

    monkeypatch.setattr(store_module, "find_damage", judge)
    open_store(path).close()
    assert judged == ["sqlite_notadb"]


def test_of_several_that_start_at_once_only_the_first_sets_the_file_aside(tmp_path):
    path = tmp_path / "directory.sqlite"
    spoilt = spoil(path, "head")
    together = threading.Barrier(4)

    def start() -> int:
        together.wait(10)
        with contextlib.closing(open_store(path)) as store:
            return path.stat().st_ino if store.is_current_file else 0

    with ThreadPoolExecutor(4) as pool:
        inodes = {one.result() for one in [pool.submit(start) for _ in range(4)]}
    assert inodes == {path.stat().st_ino}
    assert path.with_name("directory.sqlite.damaged").read_bytes() == spoilt


@pytest.mark.parametrize("how", [Path.unlink, lambda path: path.rename(path.with_name("away"))])
async def test_a_file_that_is_gone_under_a_running_process_stops_it(bus, tmp_path, how):
    path = tmp_path / "directory.sqlite"
    with contextlib.closing(Directory(bus, path)) as directory:
        task = asyncio.create_task(directory.run())
        await until(directory.is_fresh)
        how(path)
        with structlog.testing.capture_logs() as logs:
            await asyncio.wait({task}, timeout=15.0)
        with pytest.raises(ExceptionGroup) as stopped:
            task.result()
    assert [type(one) for one in stopped.value.exceptions] == [DirectoryFileGone]
    assert ("directory_file_gone", "error") in [(x["event"], x["log_level"]) for x in logs]


def test_a_file_that_cannot_be_opened_for_another_reason_is_left_alone(tmp_path):
    path = tmp_path / "directory.sqlite"
    path.mkdir()
    with pytest.raises(sqlite3.OperationalError):
        open_store(path)
    assert path.is_dir() and not path.with_name("directory.sqlite.damaged").exists()
