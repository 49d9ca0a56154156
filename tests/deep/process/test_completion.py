"""Completion by a real bash: the tab key at a terminal."""

import os
import pty
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


class Terminal:
    """A bash in a terminal, with `loa` on its path and the completion of `loa completion bash`."""

    def __init__(self, folder: Path) -> None:
        loa = folder / "loa"
        loa.write_text(f'#!/bin/sh\nexec {sys.executable} -m consumers.cli "$@"\n')
        loa.chmod(0o755)
        self.master, end = pty.openpty()
        environ = {"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PS1": "ready> "}
        command = ["bash", "--norc", "--noprofile", "-i"]
        self.process = subprocess.Popen(
            command,
            stdin=end,
            stdout=end,
            stderr=end,
            env=environ,
            cwd=folder,
            start_new_session=True,
        )
        os.close(end)
        self.shown = ""
        self.type("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'\n")
        self.type("source <(loa completion bash); echo sour''ced\n")
        self.read_until("sourced\r\nready> ")

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def read_until(self, text: str) -> None:
        """Read up to the end of *text*; the test's own time limit ends the waiting."""
        while text not in self.shown:
            self.shown += os.read(self.master, 4096).decode()
        self.shown = self.shown.partition(text)[2]

    def close(self) -> None:
        self.type("\x03")
        os.close(self.master)
        self.process.wait()


@pytest.fixture
def terminal(tmp_path):
    (tmp_path / "readers.csv").touch()
    with closing(Terminal(tmp_path)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("loa pau\t", "loa pause "),
        ("loa pause em\t", "loa pause email "),
        ("loa withdraw x --rea\t", "loa withdraw x --reason "),
        ("loa mail supp\tli\t\t", "lift"),
        ("loa staff roles an --role bien\t", "--role bien-tap-vien "),
        ("loa subscribers import rea\t", "loa subscribers import readers.csv "),
    ],
)
def test_the_tab_key_completes(terminal, keys, shown):
    terminal.type(keys)
    terminal.read_until(shown)


def test_two_words_that_fit_are_both_shown(terminal):
    terminal.type("loa sta\t\t")
    terminal.read_until("status")
    terminal.read_until("loa sta")
