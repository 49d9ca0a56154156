"""A worker's slot: a locked file that lets a restarted worker take its own old batches at once.

The slot's file names the batches in work. It is a hint, not the truth: the kernel keeps it over a
kill -9, and after a power cut the wake-ups' own redelivery finds the same batches, only later.
"""

import asyncio
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from contracts.delivery import BatchKey


class Slot:
    """One worker's place on this machine. An owner token is `<slot>#<incarnation>#<claim>`."""

    def __init__(self, folder: Path, channel: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file, number = lock_first(folder, channel)
        self.name = f"{host(folder)}.{channel}.{number}"
        self.incarnation = secrets.token_hex(4)
        self.claims = 0
        self.active: set[BatchKey] = set()
        self.left = list(legible(self.read()))

    def read(self) -> str:
        return os.pread(self.file, 1 << 20, 0).decode(errors="replace")

    def token(self) -> str:
        """A new owner token: one per claim, never one per process."""
        self.claims += 1
        return f"{self.name}#{self.incarnation}#{self.claims}"

    def may_take(self, owner: str) -> bool:
        """Whether *owner* is this slot: a dead incarnation, or a claim of ours that has ended."""
        return owner.partition("#")[0] == self.name

    @contextmanager
    def working(self, batch: BatchKey) -> Iterator[None]:
        """Note *batch* as in work for as long as the block runs."""
        self.active.add(batch)
        self.note()
        try:
            yield
        except asyncio.CancelledError:
            raise  # only a stop does that: whoever starts next is to find the batch
        except BaseException:
            self.done(batch)
            raise
        self.done(batch)

    def done(self, batch: BatchKey) -> None:
        self.active.discard(batch)
        self.note()

    def note(self) -> None:
        """One write covers the older, longer text, so that a kill before the cut leaves no rest."""
        text = "\n".join(map(str, self.active)).encode()
        os.pwrite(self.file, text.ljust(os.fstat(self.file).st_size), 0)
        os.ftruncate(self.file, len(text))

    def close(self) -> None:
        os.close(self.file)


def legible(text: str) -> Iterator[BatchKey]:
    """The batches that *text* names; what a power cut made of the rest is no news."""
    for name in text.split():
        with suppress(ValueError):
            yield BatchKey.parse(name)


def lock_first(folder: Path, channel: str) -> tuple[int, int]:
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


def host(folder: Path) -> str:
    """A name for this data folder, made once, so that slots of two machines never look alike."""
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
