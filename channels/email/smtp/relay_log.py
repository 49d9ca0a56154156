"""Log of a Postfix relay on this machine; resolves rows in doubt.

Postfix writes `cleanup[...]: QUEUEID: message-id=<...>` as soon as it reads the header, and
`qmgr[...]: QUEUEID: ... (queue active)` or `... status=sent` only for a mail accepted whole.
"""

import asyncio
import errno
import gzip
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO

import structlog

from channels.daemon_threads import begin

log = structlog.get_logger()
READ_MAX = 256 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
READ_TIMEOUT_S = 10.0
_LINE = re.compile(
    rb": ([0-9A-Za-z]{6,30}): (?:message-id=(\S{0,998})"
    rb"|from=<[^>\n]*>, size=\d+, nrcpt=\d+ \(queue (active)\)"
    rb"|to=<[^\n]*, status=(?:sent|bounced|deferred|expired)\b)"
)


class RelayLog:
    """The log at *path*, and the rotated one before it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.turn = asyncio.Lock()  # batches in doubt at the same time are answered one by one
        self.is_read = False  # by a thread, which may hang

    async def accepted_ids(self, message_ids: Collection[str]) -> frozenset[str]:
        """Those of *message_ids* that the relay accepted for certain."""
        wanted = frozenset(id.encode() for id in message_ids)
        try:
            async with self.turn, asyncio.timeout(READ_TIMEOUT_S):
                accepted = await self.search_aside(wanted)
        except (OSError, TimeoutError) as error:
            log.warning("relay_log_unreadable", reason=error.strerror or "no answer")
            return frozenset()
        return frozenset(id.decode() for id in accepted)

    def search_aside(self, wanted: Collection[bytes]) -> "asyncio.Future[set[bytes]]":
        """Search in a thread of its own: a disk that hangs holds no other thread, and no stop.

        Raises OSError while such a thread still waits.
        """
        if self.is_read:
            raise OSError(errno.EBUSY, "the log is still being read")

        def read() -> set[bytes]:
            try:
                return self.search(wanted)
            finally:
                self.is_read = False

        self.is_read = True
        return begin(read)

    def search(self, wanted: Collection[bytes]) -> set[bytes]:
        return set(accepted_in(self.chunks(), wanted.__contains__))

    def chunks(self) -> Iterator[bytes]:
        """Last part of the log in whole lines, oldest first. Raises OSError."""
        if not self.path.is_file():
            raise OSError(errno.ENOENT, "there is no such file")
        size = self.path.stat().st_size
        before = self.path.with_name(f"{self.path.name}.1")
        if size < READ_MAX and before.is_file():
            yield from _tail_lines(before, READ_MAX - size)
        yield from _tail_lines(self.path, READ_MAX)


def accepted_in(chunks: Iterable[bytes], is_wanted: Callable[[bytes], bool]) -> Iterator[bytes]:
    """The Message-IDs in *chunks* of whole lines that the relay accepted for certain."""
    queued: dict[bytes, bytes] = {}
    for chunk in chunks:
        for line in _LINE.finditer(chunk):
            if line[2] is None:
                if id := queued.pop(line[1], None):
                    yield id
            elif is_wanted(line[2]):
                queued[line[1]] = line[2]
            else:
                queued.pop(line[1], None)  # short queue ids are given again


def whole_log(path: Path) -> Iterator[bytes]:
    """All lines of a log, of a compressed one as well, a chunk at a time. Raises OSError."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield from _whole_lines(file)


def _tail_lines(path: Path, limit: int) -> Iterator[bytes]:
    """The last *limit* bytes of a file, a chunk at a time, cut at line ends."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - limit))
        yield from _whole_lines(file)


def _whole_lines(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """The rest of a file in chunks that end with a line."""
    rest = b""
    while chunk := file.read(CHUNK_BYTES):
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        yield lines + end
    yield rest
