"""The files of `folder/public` as a server gives them out: kept in memory until they change."""

import os
import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from channels.portal.linked import links

MEMORY_BYTES = 64 << 20
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".rss": "application/rss+xml; charset=utf-8",
    ".atom": "application/atom+xml",
    ".json": "application/feed+json",
    ".opml": "text/x-opml; charset=utf-8",
    ".xml": "application/xml",
    ".txt": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
LIFETIMES = {
    ".html": "public, max-age=60",
    ".css": "public, max-age=31536000, immutable",
    ".svg": "public, max-age=31536000, immutable",
    ".jpg": "public, max-age=86400",  # one that is removed is soon nobody's any more
}
FEEDS = (".rss", ".atom", ".json")
FEED_LIFETIME = "public, max-age=300"

# Every name the portal writes has this form; `..`, `%`, `\\` and hidden files do not.
_NAME = "[a-z0-9][a-z0-9-]{0,79}"
_PATH = re.compile(rf"/(?:{_NAME}/){{0,4}}(?:{_NAME}(\.[a-z]{{1,4}})?)?")
_STATE = re.compile(rb'<!doctype html>\n<html lang="vi" data-state="([a-z]+)">')
_BREAK = re.compile(rb"[\r\n\0]")
_STATUSES = {b"withdrawn": 410, b"missing": 404}

Stamp = tuple[int, int, int]
Header = tuple[bytes, bytes]
LAST_MODIFIED = b"last-modified"


@dataclass(frozen=True, slots=True)
class Served:
    """One file, ready to be sent. A page says of itself that it was withdrawn, in its first tag.

    `head` stands on every answer, `about` on one that has a body.
    """

    body: bytes
    tag: str
    modified_s: int
    status: int
    head: list[Header]
    about: list[Header]
    blocks: dict[int, bytes] = field(default_factory=dict, compare=False)
    """Heads as they go over the wire, by status: whoever makes one keeps it here."""

    def by(self, now_s: int) -> "Served":
        """As it is to be sent at *now_s*: nothing was modified later than that."""
        if self.modified_s <= now_s:
            return self
        kept = [header for header in self.head if header[0] != LAST_MODIFIED]
        return replace(self, modified_s=now_s, head=[*kept, last_modified(now_s)], blocks={})

    def told_at(self, path: str) -> "Served":
        """As the answer of another address, which has several forms; this one lies at *path*."""
        kept = [header for header in self.head if header[0] != b"vary"]
        told = (b"vary", b"Accept, Accept-Encoding"), (b"content-location", path.encode())
        return replace(self, head=[*kept, *told], blocks={})


class Loaded(NamedTuple):
    """What the disk said of a file at one moment."""

    stamp: Stamp
    served: Served


class Files:
    """The newest files, by where they lie; plain strings, since every request makes one.

    `kept` and `keep` are for one thread, the loop's; `load` is for any other.
    """

    def __init__(self, root: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self._root = str(root)
        self._memory_bytes = memory_bytes
        self._kept: OrderedDict[str, Loaded] = OrderedDict()
        self._size = 0

    def locate(self, path: str) -> str | None:
        """The file that *path* asks for, below the root whatever *path* says; None for no file."""
        shape = _PATH.fullmatch(path)
        if not shape:
            return None
        if shape[1] is None:
            return f"{self._root}{path.rstrip('/')}/{INDEX}"
        return self._root + path if shape[1] in TYPES else None

    def kept(self, file: str) -> Served | None:
        """The file from memory, if it hasn't changed: one stat, no more."""
        found = self._kept.get(file)
        if found and found.stamp == _stamp_at(file):
            self._kept.move_to_end(file)
            return found.served
        return None

    def keep(self, file: str, loaded: Loaded) -> Served:
        """Remember the file in place of what was known of it, and of what nobody asks for."""
        self._forget(file)
        self._kept[file] = loaded
        self._size += len(loaded.served.body)
        while self._size > self._memory_bytes:
            self._forget(next(iter(self._kept)))
        return loaded.served

    def _forget(self, file: str) -> None:
        if old := self._kept.pop(file, None):
            self._size -= len(old.served.body)


def load(file: str) -> Loaded | None:
    """The file from the disk; None when it isn't there. Name and bytes belong together."""
    try:
        with Path(file).open("rb") as opened:
            facts = os.fstat(opened.fileno())
            body = opened.read() if S_ISREG(facts.st_mode) else None
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    if body is None:
        return None
    return Loaded(_stamp(facts), _served(Path(file).suffix, int(facts.st_mtime), body))


def _served(suffix: str, modified_s: int, body: bytes) -> Served:
    state = _STATE.match(body)
    status = _STATUSES.get(state[1], 200) if state else 200
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    lifetime = LIFETIMES.get(suffix, FEED_LIFETIME) if status != 404 else "no-cache"
    head = [
        (b"etag", tag.encode()),
        (b"cache-control", lifetime.encode()),
        (b"vary", b"Accept-Encoding"),
        last_modified(modified_s),
    ]
    about = [(b"content-length", b"%d" % len(body)), (b"content-type", TYPES[suffix].encode())]
    if suffix in FEEDS and (named := links(body)):
        about.append((b"link", named))
    return Served(body, tag, modified_s, status, head, about)


def block(status: int, headers: Iterable[Header]) -> bytes:
    """Status line and headers on the wire, but for the end. Raises ValueError for a line's end."""
    lines = [b"%b: %b" % header for header in headers]
    if any(_BREAK.search(line) for line in lines):
        raise ValueError("a header ends too early")
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()
    return b"".join(b"%b\r\n" % line for line in (first, *lines))


def last_modified(at_s: int) -> Header:
    return LAST_MODIFIED, formatdate(at_s, usegmt=True).encode()


def _stamp(facts: os.stat_result) -> Stamp:
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _stamp_at(file: str) -> Stamp | None:
    try:
        return _stamp(os.stat(file))  # noqa: PTH116 -- a Path costs more than the look
    except OSError:
        return None
