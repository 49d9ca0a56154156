"""A hundred readers of a portal, by HTTP and from the files, who note everything that is torn."""

import asyncio
import hashlib
import json
import os
import random
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event
from typing import Any

import uvicorn
import uvloop
from lxml import etree

from channels.portal.http.file_app import portal_app

FEEDS = ("tat-ca", "viec-lam", "van-phong-bo")
PATHS = [f"/nguon-tin/{slug}.{kind}" for slug in FEEDS for kind in ("rss", "atom", "json")]
PATHS += ["/", "/nguon-tin/"]
NUMBER = re.compile(r"/tin/tin-(\d+)")
PAUSE_S = 0.2
"""Between two looks of one reader; a hundred of them leave the writer some of the machine."""
ATOM_ID = "{http://www.w3.org/2005/Atom}entry/{http://www.w3.org/2005/Atom}id"
"""Items are called tin-0, tin-1, ... in the order of their release."""


@dataclass
class ReadLog:
    """Errors that one reader found, and how much it read."""

    whole: Mapping[str, frozenset[str]]  # page → digests of what it may say
    newest: dict[str, int] = field(default_factory=dict)
    seen_pages: set[str] = field(default_factory=set)
    reads: int = 0
    unchanged: int = 0
    torn: list[str] = field(default_factory=list)

    def choose(self, chance: random.Random) -> Iterator[str]:
        """Paths for one reader to read: a list or a feed, and an item that one of them named."""
        yield chance.choice(PATHS)
        newest = max(self.newest.values(), default=-1)
        if newest >= 0:
            yield f"/tin/tin-{chance.randint(0, newest)}"

    def check(self, path: str, body: bytes) -> None:
        """One body that a reader got."""
        self.reads += 1
        try:
            self.check_newness(path, body)
        except (AssertionError, ValueError, SyntaxError, KeyError) as wrong:
            self.torn.append(f"{path}: {wrong}"[:300])

    def check_newness(self, path: str, body: bytes) -> None:
        if path.startswith("/tin/"):
            assert hashlib.sha256(body).hexdigest() in self.whole[path], "neither old nor new"
            self.seen_pages.add(path)
            return
        assert body.endswith((b"</html>\n", b"</rss>\n", b"</feed>\n", b"}\n", b"}")), "cut off"
        ids = entries(path, body)
        assert len(ids) == len(set(ids)), "an entry twice"
        numbers = [int(NUMBER.search(one)[1]) for one in ids]
        if not path.endswith("/"):
            assert numbers == sorted(numbers, reverse=True), "not newest first"
        newest = max(numbers, default=-1)
        assert newest >= self.newest.get(path, -1), "older than what was read before"
        self.newest[path] = newest


def entries(path: str, body: bytes) -> list[str]:
    """The identities of a feed's entries; a page of ours has none that count."""
    if path.endswith(".rss"):
        return [str(one.text) for one in etree.fromstring(body).iter("guid")]
    if path.endswith(".atom"):
        return [str(one.text) for one in etree.fromstring(body).findall(ATOM_ID)]
    if path.endswith(".json"):
        return [one["id"] for one in json.loads(body)["items"]]
    return []


class HttpReader:
    """One reader with a kept connection and a cache, as browsers and feed readers have."""

    def __init__(self, port: int, seed: int, account: ReadLog) -> None:
        self.port, self.read_log = port, account
        self.chance = random.Random(seed)
        self.cache: dict[str, tuple[str, bytes]] = {}

    async def run(self, stop: Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while not stop.is_set():
                for path in self.read_log.choose(self.chance):
                    await self.fetch(reader, writer, path)
                await asyncio.sleep(PAUSE_S)
        finally:
            writer.close()

    async def fetch(self, reader: Any, writer: Any, path: str) -> None:
        known = self.cache.get(path)
        asked = f"If-None-Match: {known[0]}\r\n" if known and self.chance.random() < 0.7 else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: loa\r\n{asked}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status = int(head.split(" ", 2)[1])
        said = dict(line.split(": ", 1) for line in head.lower().split("\r\n")[1:] if ": " in line)
        body = b"" if status == 304 else await reader.readexactly(int(said["content-length"]))
        self.record(path, status, said.get("etag", ""), body, asked)

    def record(self, path: str, status: int, tag: str, body: bytes, asked: str) -> None:
        known = self.cache.get(path)
        if status == 304:
            self.read_log.unchanged += 1
            if not (asked and known and known[0] == tag):
                self.read_log.torn.append(f"{path}: 304 for bytes we do not have")
            return
        if status != 200:
            self.read_log.torn.append(f"{path}: {status}, although a feed pointed to it")
            return
        if tag != f'w/"{hashlib.sha256(body).hexdigest()[:32]}"':
            self.read_log.torn.append(f"{path}: the tag is not that of the bytes")
        if asked and known and known[0] == tag:
            self.read_log.torn.append(f"{path}: sent again although nothing changed")
        self.cache[path] = tag, body
        self.read_log.check(path, body)


class FileReader:
    """One reader on the folder itself, as another web server is."""

    def __init__(self, public: Path, seed: int, account: ReadLog) -> None:
        self.public, self.read_log = public, account
        self.chance = random.Random(seed)

    async def run(self, stop: Event) -> None:
        while not stop.is_set():
            for path in self.read_log.choose(self.chance):
                self.read(path)
            await asyncio.sleep(PAUSE_S)

    def read(self, path: str) -> None:
        name = path[1:] if "." in path else f"{path[1:].rstrip('/')}/index.html".lstrip("/")
        try:
            self.read_log.check(path, (self.public / name).read_bytes())
        except FileNotFoundError:
            self.read_log.torn.append(f"{path} is not there, although a feed pointed to it")


def run_readers(
    port: int, folder: str, whole: Mapping[str, frozenset[str]], stop: Event, report: Connection
) -> None:
    """A process with fifty readers: forty by HTTP, ten from the files."""
    accounts = [ReadLog(whole) for _ in range(50)]
    public = Path(folder) / "public"
    readers: Sequence[Any] = [
        HttpReader(port, n, account) if n < 40 else FileReader(public, n, account)
        for n, account in enumerate(accounts)
    ]

    async def everybody() -> None:
        watch = asyncio.create_task(until_orphaned(stop.set))
        await asyncio.gather(*(one.run(stop) for one in readers))
        watch.cancel()

    uvloop.run(everybody())
    report.send(
        {
            "reads": [one.reads for one in accounts],
            "unchanged": sum(one.unchanged for one in accounts),
            "pages": len(set().union(*(one.seen_pages for one in accounts))),
            "torn": [line for one in accounts for line in one.torn][:20],
        }
    )


def serve(folder: str, report: Connection) -> None:
    """A process that serves the folder, and says at which port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    report.send(listener.getsockname()[1])
    config = uvicorn.Config(portal_app(Path(folder)), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)

    async def serving() -> None:
        watch = asyncio.create_task(until_orphaned(lambda: setattr(server, "should_exit", True)))
        await server.serve(sockets=[listener])
        watch.cancel()

    uvloop.run(serving())


async def until_orphaned(end: Callable[[], None]) -> None:
    """Call *end* when the parent process is gone: nothing may outlive a killed test."""
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(1.0)
    end()
