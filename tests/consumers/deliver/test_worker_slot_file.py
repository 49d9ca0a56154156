"""A worker's slot: its own lock, its own tokens, and a list of batches that survives kill -9."""

import asyncio
import errno
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import structlog

from consumers.deliver import worker_slot_file
from consumers.deliver.worker_slot_file import WorkerSlot
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, ChannelName
from tests.support.full_disk import room_for

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from contextlib import ExitStack
from pathlib import Path
from consumers.deliver.worker_slot_file import WorkerSlot
from contracts.delivery import BatchKey

with ExitStack() as stack:
    slot = WorkerSlot(Path(sys.argv[1]), "email")
    for name in sys.argv[2:]:
        stack.enter_context(slot.track(BatchKey.parse(name)))
    print(slot.name, slot.new_owner_token(), flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path, *batches: BatchKey) -> Iterator[tuple[str, str]]:
    """A process that holds a slot; at the end of the block it is killed with -9."""
    command = [sys.executable, "-c", HOLDER, folder, *map(str, batches)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            name, token = process.stdout.readline().split()
            yield name, token
        finally:
            process.kill()


@pytest.fixture
def slot(tmp_path):
    """Slots that are closed at the end, unless `close(slot)` was called before."""
    made: list[WorkerSlot] = []

    def make(channel: str = "email", folder: Path = tmp_path) -> WorkerSlot:
        made.append(WorkerSlot(folder, channel))
        return made[-1]

    def close(one: WorkerSlot) -> None:
        made.remove(one)
        one.close()

    make.close = close
    yield make
    for one in made:
        one.close()


def a_batch(number: int = 0, content_id: str = "tin-moi") -> BatchKey:
    return BatchKey(ChannelName.EMAIL, content_id, 1, number)


def test_two_processes_have_different_slots(tmp_path, slot):
    with another_process(tmp_path) as (theirs, _), another_process(tmp_path) as (others, _):
        assert len({theirs, others, slot().name}) == 3


def test_a_killed_process_leaves_its_slot_and_its_batches_to_the_next(tmp_path, slot):
    batches = a_batch(0), a_batch(3), a_batch(12, "tin-cu")
    with another_process(tmp_path, *batches) as (theirs, token):
        meanwhile = slot()
        assert meanwhile.interrupted_batches == []
        assert not meanwhile.owns(token), "its owner lives"
    heir = slot()
    assert (heir.name, sorted(heir.interrupted_batches)) == (theirs, sorted(batches))
    assert heir.owns(token), "the owner was an earlier incarnation of this slot"


def test_batches_are_noted_for_as_long_as_they_are_in_work(slot):
    mine = slot()
    with mine.track(a_batch(1)):
        with mine.track(a_batch(200, "tin-dai-hon")):
            both = {str(a_batch(1)), str(a_batch(200, "tin-dai-hon"))}
            assert set(mine.read_text().split()) == both
        assert mine.read_text().split() == [str(a_batch(1))]
    assert mine.read_text() == ""


@pytest.mark.parametrize(
    ("error", "left"),
    [(None, []), (ZeroDivisionError, []), (RetryLater, []), (asyncio.CancelledError, [a_batch()])],
)
def test_a_batch_that_a_stop_cut_short_is_left_to_the_next_a_failed_one_not(slot, error, left):
    """A failed batch has a wake-up that comes again by itself, with the right delay."""
    first = slot()
    with suppress(error or ()), first.track(a_batch()):
        if error is RetryLater:
            raise RetryLater(1, "not yet")
        if error:
            raise error
    slot.close(first)
    assert slot().interrupted_batches == left


@pytest.mark.parametrize("never", [("pwrite", "ftruncate"), ("ftruncate",)])
def test_a_kill_in_the_middle_of_noting_leaves_a_list_that_can_be_read(slot, monkeypatch, never):
    mine = slot()
    long, short = a_batch(123, "mot-tin-bai-rat-dai"), a_batch(4, "t")
    mine.active_batches |= {long, short}
    mine.write_active_batches()
    mine.active_batches.remove(long)
    for call in never:
        monkeypatch.setattr(worker_slot_file.os, call, lambda *_: None)
    mine.write_active_batches()
    slot.close(mine)
    monkeypatch.undo()
    left = slot().interrupted_batches
    assert short in left
    assert set(left) <= {long, short}


def test_a_full_disk_keeps_no_batch_from_being_worked_on(slot):
    """The list is a hint: a write that failed is told by the next one."""
    mine, logs = slot(), structlog.testing.capture_logs()
    with logs, room_for(0), mine.track(a_batch(1)):
        with mine.track(a_batch(2)):
            assert mine.active_batches == {a_batch(1), a_batch(2)}
        with room_for(1 << 20), mine.track(a_batch(3)):
            noted = {str(a_batch(1)), str(a_batch(3))}
            assert set(mine.read_text().split()) == noted
    assert (mine.active_batches, mine.read_text()) == (set(), "")


def test_a_disk_that_fills_while_a_batch_is_worked_on_leaves_no_batch_behind(slot, monkeypatch):
    mine = slot()
    with mine.track(a_batch(1)):
        monkeypatch.setattr(worker_slot_file.os, "pwrite", no_space)
    assert mine.active_batches == set()
    monkeypatch.undo()
    with mine.track(a_batch(2)):
        assert mine.read_text() == str(a_batch(2)), "a later write corrects the list"


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_stays_full_is_logged_once(slot):
    mine = slot()
    with structlog.testing.capture_logs() as logs, room_for(0):
        for number in range(3):
            with mine.track(a_batch(number)):
                pass
    assert [one["event"] for one in logs] == ["slot_file_unwritten"]


def test_what_a_power_cut_left_of_the_file_does_not_keep_a_worker_from_starting(tmp_path, slot):
    rests = [b"\0" * 512, b"\xff\xfe", b"email.x.1", b"fax.x.1.0\nemail.x.y.0"]
    for number, rest in enumerate(rests):
        (tmp_path / f"email-{number}").write_bytes(rest)
        assert slot().interrupted_batches == []


def test_every_claim_has_a_token_of_its_own(slot):
    first = slot()
    tokens = [first.new_owner_token() for _ in range(100)]
    slot.close(first)
    heir = slot()
    tokens += [heir.new_owner_token() for _ in range(100)]
    assert first.name == heir.name
    assert len(set(tokens)) == 200
    assert all(heir.owns(token) for token in tokens)


def test_a_folder_has_one_name_even_for_processes_that_start_together(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(worker_slot_file.host_name, [tmp_path] * 40))
    assert len(names) == 1
    assert len(names.pop()) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["host"], "no draft is left"


def test_neither_machines_nor_channels_share_a_name(tmp_path, slot):
    here, there = slot(folder=tmp_path / "a"), slot(folder=tmp_path / "b")
    other = slot("zalo", folder=tmp_path / "a")
    assert len({here.name, there.name, other.name}) == 3
    for owner in ("", "#aa#1", there.new_owner_token(), other.new_owner_token()):
        assert not here.owns(owner)
