"""The hook to clamd: a file is shown to it before it is kept (protocol INSTREAM)."""

import asyncio
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from consumers.uploads.errors import ScannerAway

log = structlog.get_logger()
_PIECE_BYTES = 64 << 10
_TIMEOUT_S = 60.0
_COMMAND, _END = b"zINSTREAM\0", struct.pack(">I", 0)
_ANSWER_BYTES = 4096
_CLEAN, _FOUND = "OK", "FOUND"


@dataclass(frozen=True)
class Clamd:
    """clamd at *url*: `unix:/run/clamav/clamd.ctl` or `tcp://host:3310`."""

    url: str
    timeout_s: float = _TIMEOUT_S

    async def find_malware(self, file: Path) -> str:
        """The name of what clamd found in *file*; empty for nothing. Raises ScannerAway."""
        try:
            async with asyncio.timeout(self.timeout_s):
                answer = await self._ask(file)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            log.error("scanner_away", error=type(error).__name__)
            raise ScannerAway from error
        words = answer.removeprefix("stream:").split()
        if words[-1:] == [_CLEAN]:
            return ""
        if words[-1:] == [_FOUND]:
            return " ".join(words[:-1])
        log.error("scanner_away", error=answer)
        raise ScannerAway

    async def _ask(self, file: Path) -> str:
        reader, writer = await self._connect()
        try:
            writer.write(_COMMAND)
            for piece in _pieces(file):
                writer.write(struct.pack(">I", len(piece)) + piece)
                await writer.drain()
            writer.write(_END)
            await writer.drain()
            answer = await reader.readuntil(b"\0")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return answer[:_ANSWER_BYTES].rstrip(b"\0").decode(errors="replace").strip()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            return await asyncio.open_unix_connection(parts.path)
        return await asyncio.open_connection(parts.hostname, parts.port)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from iter(lambda: opened.read(_PIECE_BYTES), b"")
