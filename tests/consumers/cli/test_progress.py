"""Progress bars: on a terminal, after two seconds, on stderr; nothing for scripts."""

import asyncio
import os
import sys
import threading
from contextlib import contextmanager, suppress

import pytest

from consumers.cli import output
from consumers.cli import progress as bars
from consumers.cli.progress import progress_bars
from consumers.progress import report_progress
from producers.output import wants_json


@contextmanager
def terminal(monkeypatch):
    """stderr on a terminal; yields a list that holds, after the block, what came there."""
    master, slave = os.openpty()
    written: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the other end is closed
            while piece := os.read(master, 1 << 16):
                written.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(slave, "w") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", file)
        yield written
    reader.join()
    os.close(master)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(bars, "_SHOWN_AFTER_S", 0.0)


def test_a_bar_appears_on_a_terminal(monkeypatch, capsys, at_once):
    with terminal(monkeypatch) as written, progress_bars():
        report_progress("readers", 100, 200)
    shown = b"".join(written)
    assert (b"readers" in shown, b"100/200" in shown) == (True, True)
    assert capsys.readouterr().out == "", "stdout is for answers"


def test_short_work_has_none(monkeypatch):
    with terminal(monkeypatch) as written:
        with progress_bars():
            report_progress("readers", 100, 200)
        sys.stderr.write("end")
    assert written == [b"end"]


def test_scripts_see_none(monkeypatch, capsys, at_once):
    token = wants_json.set(True)
    with terminal(monkeypatch) as written:
        with progress_bars():
            report_progress("readers", 1)
        sys.stderr.write("end")
    assert written == [b"end"]
    wants_json.reset(token)
    with progress_bars():
        report_progress("readers", 1)
    assert capsys.readouterr().err == "", "stderr goes to a file"


def test_work_that_reports_often_draws_seldom(monkeypatch, at_once):
    drawn = []
    with terminal(monkeypatch), progress_bars():
        report_progress("readers", 0, 999)
        update = "rich.progress.Progress.update"
        monkeypatch.setattr(update, lambda *_, completed, total: drawn.append(completed))
        monkeypatch.setattr(bars, "_UPDATE_INTERVAL_S", 3600.0)
        for number in range(1000):
            report_progress("readers", number, 999)
    assert drawn == [999], "the end is always drawn"


async def test_every_command_that_works_on_the_bus_has_bars(loa, monkeypatch, at_once):
    for name, value in loa.environ.items():
        monkeypatch.setenv(name, value)

    async def work(_):
        await asyncio.to_thread(report_progress, "readers", 100, 200)

    with terminal(monkeypatch) as written:
        await asyncio.to_thread(output.run_on_bus, work)
    assert b"100/200" in b"".join(written)
