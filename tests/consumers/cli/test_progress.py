"""Progress bars: on a terminal, after two seconds, on stderr; nothing for scripts."""

import os
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from consumers.cli import progress as bars
from consumers.cli.progress import progress_bars
from consumers.cli.root import app
from consumers.progress import report_progress
from producers.output import wants_json
from tests.support.events import submitted


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


def test_one_report_is_enough_for_a_bar_however_long_the_work_goes_on(monkeypatch):
    monkeypatch.setattr(bars, "_SHOWN_AFTER_S", 0.05)
    with terminal(monkeypatch) as written, progress_bars():
        report_progress("feeds", 0, 1)
        while b"feeds" not in b"".join(written):
            time.sleep(0.01)
    assert b"0/1" in b"".join(written)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("items list", "items"),
        ("trace --failed", "batches"),
        ("backup saved", "streams"),
        ("dead list", "dead letters"),
        ("digests", "readers"),
        ("audit export", "records"),
        ("retention plan", "former_readers"),
        ("mail suppressed list", "addresses"),
        ("subscribers export an@example.com", "notices"),
        ("subscribers export aaaaaaaaaaaaaaaa", "plans"),
        ("subscribers remove an@example.com --reason x --yes", "notices"),
    ],
)
async def test_commands_that_read_much_report_it(
    intake_harness, loa, reported, tmp_path, monkeypatch, words, kind
):
    monkeypatch.chdir(tmp_path)
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dp")
    done = await loa(*words.split())
    assert kind in reported, done.output


@pytest.mark.parametrize("args", [["schemas", "--json"], ["schemas", "--json", "--no-such-option"]])
def test_a_command_with_json_leaves_the_next_one_its_bars(args, capsys):
    with pytest.raises(SystemExit):
        app(args)
    capsys.readouterr()
    assert wants_json.get() is False
