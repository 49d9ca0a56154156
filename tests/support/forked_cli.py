"""Forks `loa` commands from a process that has imported them: their start costs no second.

Each is a process with an environment, a folder, streams and an exit code of its own.
"""

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, NamedTuple

from consumers.cli import main
from consumers.cli.root import Commands
from tests.support.json_answers import check_answer

ROOT = Path(__file__).parents[2]
STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))
PATIENCE_S = 120


class CommandResult(NamedTuple):
    """What a command said."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandFork:
    """The process from which commands are forked, one after another."""

    def __init__(self) -> None:
        self._lock = Lock()
        command = [sys.executable, "-m", __name__]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
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
        check_answer(words, said.exit_code, said.out)
        return said


@cache
def command_fork() -> CommandFork:
    """The only one of this test process."""
    return CommandFork()


def next_order() -> dict[str, Any]:
    """Return in a new process for each order that comes; the first process ends with its input."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
    sys.exit()


def obey(order: dict[str, Any]) -> None:
    """Take on the streams, the folder, the environment and the words of *order*."""
    signal.alarm(PATIENCE_S)
    for number, (name, flags) in enumerate(STREAMS):
        os.dup2(os.open(Path(order["streams"], name), flags), number)
        setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv = ["loa", *order["words"]]


if __name__ == "__main__":
    for path in Commands.command_paths.values():
        import_module(path.module)
    gc.freeze()  # a search for garbage would copy every page
    obey(next_order())
    main()
