"""Forks `loa` commands from a process that has imported them: their start costs no second.

Each is a process with an environment, a folder, streams and an exit code of its own.
"""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, NamedTuple

from tests.support.command_forks import PATIENCE_S as PATIENCE_S
from tests.support.command_forks import STREAMS
from tests.support.json_answers import check_answer
from tests.support.repository import ROOT


class CommandResult(NamedTuple):
    """Exit code and output of a command."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandFork:
    """The process from which commands are forked, one after another; *code* has their version."""

    def __init__(self, code: Path = ROOT) -> None:
        self._lock, self._is_today = Lock(), code == ROOT
        command = [sys.executable, "-m", "tests.support.command_forks"]
        pipe = subprocess.PIPE
        environ = os.environ if self._is_today else os.environ | {"PYTHONPATH": f"{code}:{ROOT}"}
        self._process = subprocess.Popen(
            command, cwd=code, env=environ, stdin=pipe, stdout=pipe, text=True
        )
        atexit.register(self._process.communicate)

    def run(
        self, words: Sequence[str], environ: Mapping[str, str], folder: Path, stdin: str = ""
    ) -> CommandResult:
        with TemporaryDirectory() as streams, self._lock:
            texts = [Path(streams, name) for name, _ in STREAMS]
            for path, text in zip(texts, (stdin, "", ""), strict=True):
                path.write_text(text)
            order = {"words": words, "environ": environ, "folder": str(folder), "streams": streams}
            print(json.dumps(order), file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            said = CommandResult(code, *(path.read_text() for path in texts[1:]))
        if self._is_today:
            check_answer(words, said.exit_code, said.out)
        return said


@cache
def command_fork(code: Path = ROOT) -> CommandFork:
    """The only one of this test process with that *code*."""
    return CommandFork(code)
