"""The lines between the servers of a cluster, through proxies that can cut them."""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from tests.support.nats_cluster import ClusterServer

Pair = frozenset[str]
_NAME = re.compile(rb'"server_name":"([^"]+)"')
_CHUNK = 1 << 16


@dataclass(eq=False)
class Line:
    """One connection: who opened it is known as soon as that server has said its name."""

    to: str
    writers: tuple[asyncio.StreamWriter, ...]
    pair: Pair = frozenset()
    said: bytes = b""

    def listen_for_name(self, data: bytes) -> None:
        self.said += data
        if found := _NAME.search(self.said):
            self.pair, self.said = frozenset((self.to, found[1].decode())), b""

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


@dataclass
class Routes:
    """The proxies in front of the servers' routes. A cut holds between two servers.

    A silent cut delays, as a network does that loses every packet: after it all arrives. Another
    one ends the connections, and refuses new ones.
    """

    lines: set[Line] = field(default_factory=set)
    silent: dict[Pair, asyncio.Event] = field(default_factory=dict)
    refused: set[Pair] = field(default_factory=set)
    listening: list[asyncio.Server] = field(default_factory=list)

    async def listen(self, servers: Iterable[ClusterServer]) -> None:
        for server in servers:
            serve = partial(self._serve, server)
            self.listening.append(await asyncio.start_server(serve, "127.0.0.1", server.proxy))

    def cut(self, pair: Pair, *, silent: bool) -> None:
        if silent:
            self.silent[pair] = asyncio.Event()
            return
        self.refused.add(pair)
        for line in [line for line in self.lines if line.pair == pair]:
            line.abort()

    def heal(self) -> None:
        """Join everything again."""
        self.refused.clear()
        for event in self.silent.values():
            event.set()
        self.silent.clear()

    def close(self) -> None:
        self.heal()
        for server in self.listening:
            server.close()
        for line in list(self.lines):
            line.abort()

    async def _serve(
        self, server: ClusterServer, asked: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        """One connection to *server*, until one side ends it."""
        try:
            answers, to = await asyncio.open_connection("127.0.0.1", server.route)
        except OSError:
            back.transport.abort()
            return
        line = Line(server.name, (back, to))
        self.lines.add(line)
        try:
            await asyncio.gather(
                self._pump(line, asked, to, line.listen_for_name), self._pump(line, answers, back)
            )
        finally:
            self.lines.discard(line)
            line.abort()

    async def _pump(
        self, line: Line, reader: asyncio.StreamReader, to: asyncio.StreamWriter, listen=None
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if listen and not line.pair:
                    listen(data)
                if line.pair in self.refused:
                    break
                if held := self.silent.get(line.pair):
                    await held.wait()
                to.write(data)
                await to.drain()
        line.abort()
