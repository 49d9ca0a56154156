"""A lock for one writer of a folder, released when its process ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from channels.portal.errors import FolderBusy

_POLL_S = 0.01


@contextmanager
def folder_lock(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock. Raises FolderBusy after *timeout_s*, as its holder may be frozen."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(handle, time.monotonic() + timeout_s)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise FolderBusy from None
            time.sleep(_POLL_S)
