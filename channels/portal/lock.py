"""One writer at a time: a lock on the portal's folder that ends with its process."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_AGAIN_S = 0.01


class Busy(Exception):
    """Another process held the folder all the time we were willing to wait."""


@contextmanager
def alone(path: Path, patience_s: float) -> Iterator[None]:
    """Hold the lock. Raises Busy: waiting without end would hang on a process that is frozen."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(handle, time.monotonic() + patience_s)
        yield
    finally:
        os.close(handle)


def _take(handle: int, until: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise Busy from None
            time.sleep(LOOK_AGAIN_S)
