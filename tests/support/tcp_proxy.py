"""A TCP proxy that spoils connections on demand, for tests: put it between Loa and any server.

    async with Proxy(server_port) as proxy:  # listens on 127.0.0.1:proxy.port
        proxy.up.cut_after = 120             # each connection ends after 120 bytes to the server
        proxy.down.swallow_after = 0         # the server's answers vanish, nobody hangs up
        proxy.calm()                         # no faults any more, also for open connections

`up` is client to server, `down` the way back; both are a `Way`, whose fields may be set at any
moment and hold from the next bytes on. `refuse()`, `await accept()`: nobody listens, and again on
the same port; `freeze()`, `thaw()`: nothing moves, nothing closes; `cut()`, `reset()`: every open
connection ends now, by FIN or RST. `up.count` and `down.count` are the bytes let through.

As a process of its own, which ends with its standard input:

    python -m tests.support.tcp_proxy SERVER_PORT [LISTEN_PORT]

writes `{"port": ...}`, then answers every line on stdin by `{"up": bytes, "down": bytes}`. A line
is an object: `{"up": {"latency_s": 0.2}, "down": {"cut_after": 9, "rst": true}}` sets fields,
`{"do": "reset_faults"}` (or any other method) does one thing, `{}` only asks.
"""

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any


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
    count: int = 0
    bytes_seen: bytearray = field(default_factory=bytearray)

    def reset_faults(self) -> None:
        """No faults any more; what was counted and seen stays."""
        for one in fields(self):
            if one.name not in ("keep", "count", "bytes_seen"):
                setattr(self, one.name, one.default)

    def has_fault(self, number: int) -> bool:
        return self.only is None or number in self.only

    def pieces(self, data: bytes) -> list[bytes]:
        data = self.rewrite(data) if self.rewrite else data
        size = self.slice or max(1, int(self.rate / 10) if self.rate else len(data))
        return [data[start : start + size] for start in range(0, len(data), size)]

    def allowed(self, passed: int, size: int) -> int:
        limits = [one for one in (self.cut_after, self.swallow_after) if one is not None]
        return max(0, min(*limits, passed + size) - passed) if limits else size


class ProxiedConnection:
    """One client's connection and ours to the server."""

    def __init__(self, proxy: "TcpProxy", number: int, *writers: asyncio.StreamWriter) -> None:
        self.proxy, self.number, self.writers = proxy, number, writers
        self.finished = False

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
        await self.proxy.moving.wait()
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
        await self.proxy.moving.wait()
        if allowed and not self.finished:
            to.write(data[:allowed])
            way.count += allowed
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

    def __init__(self, server_port: int, port: int = 0) -> None:
        self.server_port, self.port = server_port, port
        self.up, self.down = Direction(), Direction()
        self.connected = 0
        self.links: dict[Any, ProxiedConnection] = {}
        self.moving = asyncio.Event()
        self.freeze, self.thaw = self.moving.clear, self.moving.set
        self.thaw()

    async def __aenter__(self) -> "TcpProxy":
        await self.accept()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.refuse()
        tasks = list(self.links)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)

    async def accept(self) -> None:
        self.listening = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        self.port = self.listening.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        self.listening.close()

    def reset_faults(self) -> None:
        self.up.reset_faults()
        self.down.reset_faults()
        self.thaw()

    def cut(self, *, rst: bool = False) -> None:
        for link in self.links.values():
            link.finish(rst=rst)

    def reset(self) -> None:
        self.cut(rst=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until both sides have ended (or we are closed)."""
        task, number = asyncio.current_task(), self.connected
        self.connected, self.links[task] = number + 1, ProxiedConnection(self, number, writer)
        with suppress(OSError, asyncio.CancelledError):
            answers, server = await asyncio.open_connection("127.0.0.1", self.server_port)
            link = self.links[task] = ProxiedConnection(self, number, writer, server)
            up, down = link.pump(self.up, reader, server), link.pump(self.down, answers, writer)
            await asyncio.gather(up, down)
        for one in self.links.pop(task).writers:
            one.close()


async def apply_order(proxy: TcpProxy, order: dict[str, Any]) -> None:
    for name in ("up", "down"):
        for key, value in order.get(name, {}).items():
            setattr(getattr(proxy, name), key, value)
    if "do" in order and (waiting := getattr(proxy, order["do"])()):
        await waiting


async def run_from_stdin(server_port: int, port: int = 0) -> None:
    """Obey the lines on stdin."""
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    async with TcpProxy(server_port, port) as proxy:
        sys.stdout.write(json.dumps({"port": proxy.port}) + "\n")
        while not sys.stdout.flush() and (line := await lines.readline()):
            await apply_order(proxy, json.loads(line))
            counts = {"up": proxy.up.count, "down": proxy.down.count}
            sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    asyncio.run(run_from_stdin(*map(int, sys.argv[1:])))
