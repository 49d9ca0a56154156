"""Worker slots: a locked file that lets a restarted worker resume its own batches at once.

The file names the batches being processed. It is a hint, not the truth: the kernel keeps it over a
kill -9, and after a power cut the redelivered wake-ups find the same batches, only later.
"""

import asyncio
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from contracts.delivery import BatchKey

log = structlog.get_logger()


class WorkerSlot:
    """One worker's slot on this machine. An owner token is `<slot>#<incarnation>#<lease>`."""

    def __init__(self, folder: Path, channel: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.fd, number = _lock_free_slot(folder, channel)
        self.name = f"{host_name(folder)}.{channel}.{number}"
        self.incarnation = secrets.token_hex(4)
        self.lease_count = 0
        self.active_batches: set[BatchKey] = set()
        self.is_disk_refusing = False  # until a list of batches is written again
        self.interrupted_batches = list(_parse_batches(self.read_text()))

    def read_text(self) -> str:
        return os.pread(self.fd, 1 << 20, 0).decode(errors="replace")

    def new_owner_token(self) -> str:
        """A new owner token: one per lease, never one per process."""
        self.lease_count += 1
        return f"{self.name}#{self.incarnation}#{self.lease_count}"

    def owns(self, owner: str) -> bool:
        """Whether *owner* is this slot: a dead incarnation, or an ended lease of this one."""
        return owner.partition("#")[0] == self.name

    @contextmanager
    def track(self, batch: BatchKey) -> Iterator[None]:
        """Keep *batch* active, and in the slot's file, for as long as the block runs."""
        self.active_batches.add(batch)
        try:
            self.write_active_batches()
            yield
        except asyncio.CancelledError:
            raise  # a stop: the next process of this slot has to find the batch
        except BaseException:
            self.mark_done(batch)
            raise
        self.mark_done(batch)

    def mark_done(self, batch: BatchKey) -> None:
        self.active_batches.discard(batch)
        self.write_active_batches()

    def write_active_batches(self) -> None:
        """Write the file. A disk that refuses stops no work: the next write has all batches."""
        try:
            self._overwrite("\n".join(map(str, self.active_batches)).encode())
        except OSError as refused:
            if not self.is_disk_refusing:
                log.warning("slot_file_unwritten", error=str(refused))
            self.is_disk_refusing = True
        else:
            self.is_disk_refusing &= not self.active_batches

    def _overwrite(self, text: bytes) -> None:
        """Replace the older text, padded, so that a kill before the truncation leaves no rest."""
        if text:
            os.pwrite(self.fd, text.ljust(os.fstat(self.fd).st_size), 0)
        os.ftruncate(self.fd, len(text))

    def close(self) -> None:
        os.close(self.fd)


def _parse_batches(text: str) -> Iterator[BatchKey]:
    """The batches that *text* names; damaged names are skipped."""
    for name in text.split():
        with suppress(ValueError):
            yield BatchKey.parse(name)


def _lock_free_slot(folder: Path, channel: str) -> tuple[int, int]:
    """Lock the first free slot of *channel*; the lock dies with the process."""
    number = 0
    while True:
        file = os.open(folder / f"{channel}-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            number += 1
        else:
            return file, number


def host_name(folder: Path) -> str:
    """A random name of this data folder, made once, so that slots of two machines differ."""
    path = folder / "host"
    if not path.exists():
        draft = folder / f"host.{secrets.token_hex(4)}"
        with draft.open("w") as new:
            new.write(secrets.token_hex(4))
            new.flush()
            os.fsync(new.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()
