"""A TCP proxy that spoils connections on demand, for tests: put it between Loa and any server.

    async with TcpProxy(server_port) as proxy:  # listens on 127.0.0.1:proxy.port
        proxy.up.cut_after = 120                # each connection ends after 120 bytes to the server
        proxy.down.swallow_after = 0            # the server's answers vanish, nothing is closed
        proxy.reset_faults()                    # no faults any more, also for open connections

`up` is client to server, `down` the way back; both are a `Direction`, whose fields may be set at
any moment and hold from the next bytes on. `await refuse()`, `await accept()`: nothing listens, and
again on the same port; `cut()`: every open connection ends now.

As a process of its own, `python -m tests.support.tcp_proxy SERVER_PORT LATENCY_S` writes its port
and slows the server's answers down until a line comes on stdin. It ends with its standard input.
"""

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

from tests.support.listening import stop_listening


@dataclass
class Direction:
    """One direction. Numbers of bytes count from the start of each connection."""

    latency_s: float = 0.0  # before every write
    rate: float = 0.0  # bytes per second, 0 = as fast as they come
    slice: int = 0  # bytes per write, 0 = as they come
    cut_after: int | None = None  # then the whole connection ends, both ways
    rst: bool = False  # it ends by RST instead of FIN
    swallow_after: int | None = None  # further bytes, and the end, are read and dropped
    only: frozenset[int] | None = None  # the connections (from 0) that all this holds for
    rewrite: Callable[[bytes], bytes] | None = None  # what is passed on instead
    keep: bool = False  # `bytes_seen` holds the bytes passed on
    bytes_seen: bytearray = field(default_factory=bytearray)

    def reset_faults(self) -> None:
        """No faults any more; what was seen stays."""
        for each in fields(self):
            if each.name not in ("keep", "bytes_seen"):
                setattr(self, each.name, each.default)

    def has_fault(self, number: int) -> bool:
        return self.only is None or number in self.only

    def pieces(self, data: bytes) -> list[bytes]:
        data = self.rewrite(data) if self.rewrite else data
        size = self.slice or max(1, int(self.rate / 10) if self.rate else len(data))
        return [data[start : start + size] for start in range(0, len(data), size)]

    def allowed(self, passed: int, size: int) -> int:
        limits = [limit for limit in (self.cut_after, self.swallow_after) if limit is not None]
        return max(0, min(*limits, passed + size) - passed) if limits else size


class ProxiedConnection:
    """One client's connection and ours to the server."""

    def __init__(self, number: int, *writers: asyncio.StreamWriter) -> None:
        self.number, self.writers, self.finished = number, writers, False

    async def pump(
        self, way: Direction, reader: asyncio.StreamReader, to: asyncio.StreamWriter
    ) -> None:
        """Pass on what comes until its end; after a cut only listen, as a kernel does."""
        passed = 0
        with suppress(OSError):
            while data := await reader.read(64 * 1024):
                spoiled = way.has_fault(self.number)
                for piece in way.pieces(data) if spoiled else [data]:
                    passed += await self.forward(way, piece, passed, to)
        if not (self.finished or (way.swallow_after is not None and way.has_fault(self.number))):
            close_quietly(to)

    async def forward(
        self, way: Direction, data: bytes, passed: int, to: asyncio.StreamWriter
    ) -> int:
        """Pass on as much of *data* as may pass; returns how much has been dealt with."""
        spoiled, allowed = way.has_fault(self.number), len(data)
        if spoiled:
            await asyncio.sleep(way.latency_s + (len(data) / way.rate if way.rate else 0.0))
            allowed = way.allowed(passed, len(data))
        if allowed and not self.finished:
            to.write(data[:allowed])
            way.bytes_seen += data[:allowed] if way.keep else b""
            await to.drain()
        if spoiled and way.cut_after is not None and passed + len(data) >= way.cut_after:
            self.finish(rst=way.rst)
        return len(data)

    def finish(self, *, rst: bool) -> None:
        """End it on both sides: RST at once, or FIN behind what was written."""
        self.finished = True
        for writer in self.writers:
            abort(writer) if rst else close_quietly(writer)


def close_quietly(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        with suppress(OSError):
            writer.write_eof()


def abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if not writer.transport.is_closing() and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class TcpProxy:
    """Listens on 127.0.0.1 and passes everything on to *server_port*, as its two ways say."""

    def __init__(self, server_port: int) -> None:
        self.server_port, self.port = server_port, 0
        self.up, self.down = Direction(), Direction()
        self.connected = 0
        self.links: dict[Any, ProxiedConnection] = {}

    async def __aenter__(self) -> "TcpProxy":
        await self.accept()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.refuse()
        tasks = list(self.links)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)

    async def accept(self) -> None:
        self.listening = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        self.port = self.listening.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        await stop_listening(self.listening)

    def reset_faults(self) -> None:
        self.up.reset_faults()
        self.down.reset_faults()

    def cut(self, *, rst: bool = False) -> None:
        for link in self.links.values():
            link.finish(rst=rst)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until both sides have ended (or we are closed)."""
        task, number = asyncio.current_task(), self.connected
        self.connected, self.links[task] = number + 1, ProxiedConnection(number, writer)
        with suppress(OSError, asyncio.CancelledError):
            answers, server = await asyncio.open_connection("127.0.0.1", self.server_port)
            link = self.links[task] = ProxiedConnection(number, writer, server)
            up, down = link.pump(self.up, reader, server), link.pump(self.down, answers, writer)
            await asyncio.gather(up, down)
        for each in self.links.pop(task).writers:
            each.close()


async def slow_down(server_port: int, latency_s: float) -> None:
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    async with TcpProxy(server_port) as proxy:
        proxy.down.latency_s = latency_s
        sys.stdout.write(f"{proxy.port}\n")
        sys.stdout.flush()
        await lines.readline()
        proxy.reset_faults()
        await lines.read()


if __name__ == "__main__":
    asyncio.run(slow_down(int(sys.argv[1]), float(sys.argv[2])))
