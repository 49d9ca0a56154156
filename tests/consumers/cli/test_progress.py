"""Progress bars: on a terminal, after two seconds, on stderr; nothing for scripts."""

import os
import sys
from contextlib import contextmanager

from consumers.cli import progress as bars
from consumers.cli.progress import progress


@contextmanager
def terminal(monkeypatch):
    """stderr on a terminal; yields a function that reads what has been written to it."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(slave, "w") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", file)
        yield lambda: file.flush() or os.read(master, 1 << 16).decode()
    os.close(master)


def test_a_bar_appears_on_a_terminal_once_the_work_is_long(monkeypatch, capsys):
    with terminal(monkeypatch) as written:
        with progress("readers", 200) as report:
            report(1)
            sys.stderr.write("short")
        assert written() == "short"
        monkeypatch.setattr(bars, "_SHOWN_AFTER_S", 0.0)
        with progress("readers", 200) as report:
            report(100)
        shown = written()
    assert ("readers" in shown, "100/200" in shown) == (True, True)
    assert capsys.readouterr().out == "", "stdout is for answers"


def test_scripts_see_no_bar(monkeypatch, capsys):
    monkeypatch.setattr(bars, "_SHOWN_AFTER_S", 0.0)
    with terminal(monkeypatch) as written:
        with progress("readers", as_json=True) as report:
            report(1)
        sys.stderr.write("end")
        assert written() == "end"
    with progress("readers") as report:
        report(1)
    assert capsys.readouterr().err == "", "stderr goes to a file"
