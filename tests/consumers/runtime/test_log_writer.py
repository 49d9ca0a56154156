"""The log's writer: no caller waits for a stuck reader, and what is dropped is told."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consumers.runtime import log_writer
from consumers.runtime.log_writer import LogWriter

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pipe():
    """A pipe of one page that nothing reads yet."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    yield read, write
    os.close(read)
    os.close(write)


def read_until(fd, end):
    text = b""
    while end not in text:
        text += os.read(fd, 65536)
    return text.decode()


def test_a_stuck_reader_stops_no_caller_and_what_is_dropped_is_told_when_it_reads_again(pipe):
    read, write = pipe
    writer = LogWriter(write, max_lines=500)
    with capture_logs() as told:
        for number in range(2000):
            writer.write(f"line {number} {'x' * 90}\n")
        assert writer.dropped_lines >= 1400
        dropped = writer.dropped_lines
        text = read_until(read, f"line {1999 - dropped} ".encode())
        while not told:
            writer.write("")  # as time goes on; it may be part of the gap
    numbers = [int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")]
    assert numbers == [*range(2000 - dropped)], "the first lines, in order, none twice"
    assert told[0]["event"] == "log_lines_dropped"
    assert told[0]["lines"] >= dropped


def test_lines_of_many_threads_stay_whole(pipe):
    read, write = pipe
    writer = LogWriter(write)
    lines = [[f"{thread}-{number}-{'y' * 200}" for number in range(200)] for thread in range(4)]

    def write_all(own):
        for line in own:
            writer.write(f"{line}\n")

    threads = [threading.Thread(target=write_all, args=(own,)) for own in lines]
    for thread in threads:
        thread.start()
    text = ""
    while text.count("\n") < 800:
        text += os.read(read, 65536).decode()
    for thread in threads:
        thread.join()
    assert sorted(text.splitlines()) == sorted(line for own in lines for line in own)
    assert [line for line in text.splitlines() if line.startswith("2-")] == lines[2]


def test_lines_that_a_full_disk_refuses_are_counted_and_the_next_begin_anew(monkeypatch):
    monkeypatch.setattr(log_writer, "_RETRY_S", 0.0)
    full, taken = threading.Event(), []

    def write(_fd, chunk):
        if full.is_set() and len(taken) % 2:  # half a line, then none
            taken.append(b"")
            raise OSError(errno.ENOSPC, "full")
        part = bytes(chunk[:3] if full.is_set() else chunk)
        taken.append(part)
        return len(part)

    monkeypatch.setattr(log_writer.os, "write", write)
    writer = LogWriter(99)
    full.set()
    with capture_logs() as told:
        writer.write("first\n")
        writer.close()
        full.clear()
        while not told:
            writer.write("")
    assert [line["event"] for line in told][:1] == ["log_lines_dropped"]
    assert told[0]["lines"] == 1
    writer.write("next\n")
    writer.close()
    assert b"".join(taken).startswith(b"fir")
    assert b"".join(taken).endswith(b"\nnext\n")


SCRIPT = """
import structlog
from consumers.runtime import log_config
log_config.configure("json", service=True)
log = structlog.get_logger("consumers.somewhere")
for number in range(3000):
    log.info("state_changed", rows=number)
{end}
"""


@pytest.mark.parametrize(
    ("end", "last", "code"),
    [
        ("", '"rows": 2999', 0),
        ("import sys; sys.excepthook = log_config.log_process_failure; 1 / 0", "process_failed", 1),
    ],
    ids=["a normal end", "a crash"],
)
def test_the_last_lines_come_out_at_the_end(end, last, code):
    command = [sys.executable, "-c", SCRIPT.format(end=end)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == code
    assert last in lines[-1]
    assert [line for line in lines if '"rows"' in line] == [
        line for line in lines if '"state_changed"' in line
    ]
    assert len(lines) == 3000 + code
    assert done.stderr == ""


def test_a_stuck_reader_does_not_keep_the_process_from_ending(pipe):
    _, write = pipe
    command = [sys.executable, "-c", SCRIPT.format(end="")]
    ended = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")
