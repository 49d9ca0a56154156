"""A process that does nothing, but keeps its connections and its files: for tests of what hangs."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def freeze(pid: int) -> None:
    """Return when every thread is stopped: the signal alone takes effect a little later."""
    os.kill(pid, signal.SIGSTOP)
    while not _stands_still(pid):
        time.sleep(0.001)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Does nothing inside the block, and goes on after it."""
    try:
        freeze(pid)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _stands_still(pid: int) -> bool:
    return all(map(_is_stopped, Path(f"/proc/{pid}/task").iterdir()))


def _is_stopped(thread: Path) -> bool:
    """Whether it does nothing more; one that has ended meanwhile does not."""
    try:
        state = (thread / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rpartition(")")[2].split()[0] == "T"
