"""Processes of Loa that stay, forked from one that has imported it: a start costs no second."""

import atexit
import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from threading import Lock

from consumers.cli import main
from consumers.cli.root import Commands

_PR_SET_PDEATHSIG = 1
_CONTEXT = get_context("forkserver")
_PRELOADED = [
    "consumers.app.process",
    *("sandbox.zalo.server", "anyio._backends._asyncio", "uvloop"),  # each start imports them late
    __name__,
    *sorted({place.module for place in Commands.command_paths.values()}),
]


def fork_context(*modules: str) -> ForkServerContext:
    """The context of the one fork server of this process, which imports *modules* beside Loa.

    It starts with the first child, when every file of tests has named its modules.
    """
    _PRELOADED.extend(modules)
    _CONTEXT.set_forkserver_preload([*_PRELOADED, "tests.support.warm_start"])
    return _CONTEXT


def become(environ: Mapping[str, str], output: Path) -> None:
    """Take on an environment and a file for what is said; end with the fork server."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a run that is cut leaves nothing
    os.environ.clear()
    os.environ.update(environ)
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(said, stream.fileno())


def _serve(
    words: Sequence[str], environ: Mapping[str, str], output: Path, files: tuple[int, int]
) -> None:
    become(environ, output)
    resource.setrlimit(resource.RLIMIT_NOFILE, files)  # that of the test, not of the fork server
    os.chdir(output.parent)
    sys.argv = ["loa", *words]
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a child of multiprocessing would end without


class ForkedLoa:
    """`loa` with *words*, in the folder of its *output*; to be handled as a `subprocess.Popen`."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], output: Path) -> None:
        output.touch()
        given = list(words), dict(environ), output, resource.getrlimit(resource.RLIMIT_NOFILE)
        self._process = fork_context().Process(target=_serve, args=given, daemon=True)
        self._process.start()
        assert self._process.pid
        self.pid: int = self._process.pid
        self._lock = Lock()

    def poll(self) -> int | None:
        with self._lock:  # the exit code can be read only once
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        wait([self._process.sentinel], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("loa", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
