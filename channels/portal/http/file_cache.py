"""Files of `folder/public` in memory with their headers, until they change on disk."""

import os
import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from hashlib import sha256
from html import unescape
from http import HTTPStatus
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

MEMORY_BYTES = 64 << 20


INDEX_PAGE = "index.html"


MEDIA_TYPES = {
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


CACHE_CONTROL = {
    ".html": "public, max-age=60",
    ".css": "public, max-age=31536000, immutable",
    ".svg": "public, max-age=31536000, immutable",
    ".jpg": "public, max-age=86400",  # one that is removed is soon nobody's any more
}


FEED_SUFFIXES = (".rss", ".atom", ".json")


FEED_CACHE_CONTROL = "public, max-age=300"


# Every name the portal writes has this form; `..`, `%`, `\\` and hidden files do not.
_NAME = "[a-z0-9][a-z0-9-]{0,79}"


_PATH = re.compile(rf"/(?:{_NAME}/){{0,4}}(?:{_NAME}(\.[a-z]{{1,4}})?)?")


_STATE = re.compile(rb'<!doctype html>\n<html lang="vi" data-state="([a-z]+)">')


_LINE_BREAK = re.compile(rb"[\r\n\0]")


_STATUSES = {b"withdrawn": 410, b"missing": 404}


FileStamp = tuple[int, int, int]


Header = tuple[bytes, bytes]


LAST_MODIFIED = b"last-modified"


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file, ready to be sent. A page says of itself that it was withdrawn, in its first tag.

    `head` stands on every answer, `about` on one that has a body.
    """

    body: bytes
    tag: str
    modified_s: int
    status: int
    headers: list[Header]
    body_headers: list[Header]
    raw_heads: dict[int, bytes] = field(default_factory=dict, compare=False)
    """Heads as they go over the wire, by status: whoever makes one keeps it here."""

    def as_of(self, now_s: int) -> "CachedFile":
        """As it is to be sent at *now_s*: nothing was modified later than that."""
        if self.modified_s <= now_s:
            return self
        kept = [header for header in self.headers if header[0] != LAST_MODIFIED]
        return replace(self, modified_s=now_s, headers=[*kept, last_modified(now_s)], raw_heads={})

    def with_content_location(self, path: str) -> "CachedFile":
        """As the answer of another address, which has several forms; this one lies at *path*."""
        kept = [header for header in self.headers if header[0] != b"vary"]
        told = (b"vary", b"Accept, Accept-Encoding"), (b"content-location", path.encode())
        return replace(self, headers=[*kept, *told], raw_heads={})


class LoadedFile(NamedTuple):
    """What the disk said of a file at one moment."""

    stamp: FileStamp
    file: CachedFile


class FileCache:
    """The newest files, by where they lie; plain strings, since every request makes one.

    `kept` and `keep` are for one thread, the loop's; `load` is for any other.
    """

    def __init__(self, root: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self._root = str(root)
        self._memory_bytes = memory_bytes
        self._entries: OrderedDict[str, LoadedFile] = OrderedDict()
        self._size = 0

    def locate(self, path: str) -> str | None:
        """The file that *path* asks for, below the root whatever *path* says; None for no file."""
        shape = _PATH.fullmatch(path)
        if not shape:
            return None
        if shape[1] is None:
            return f"{self._root}{path.rstrip('/')}/{INDEX_PAGE}"
        return self._root + path if shape[1] in MEDIA_TYPES else None

    def find(self, file: str) -> CachedFile | None:
        """The file from memory, if it hasn't changed: one stat, no more."""
        found = self._entries.get(file)
        if found and found.stamp == _stamp_at(file):
            self._entries.move_to_end(file)
            return found.file
        return None

    def put(self, file: str, loaded: LoadedFile) -> CachedFile:
        """Remember the file in place of what was known of it, and of what nobody asks for."""
        self._evict(file)
        self._entries[file] = loaded
        self._size += len(loaded.file.body)
        while self._size > self._memory_bytes:
            self._evict(next(iter(self._entries)))
        return loaded.file

    def _evict(self, file: str) -> None:
        if old := self._entries.pop(file, None):
            self._size -= len(old.file.body)


def load_file(file: str) -> LoadedFile | None:
    """The file from the disk; None when it isn't there. Name and bytes belong together."""
    try:
        with Path(file).open("rb") as opened:
            facts = os.fstat(opened.fileno())
            body = opened.read() if S_ISREG(facts.st_mode) else None
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    if body is None:
        return None
    return LoadedFile(_stamp(facts), _cached_file(Path(file).suffix, int(facts.st_mtime), body))


def _cached_file(suffix: str, modified_s: int, body: bytes) -> CachedFile:
    state = _STATE.match(body)
    status = _STATUSES.get(state[1], 200) if state else 200
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    lifetime = CACHE_CONTROL.get(suffix, FEED_CACHE_CONTROL) if status != 404 else "no-cache"
    head = [
        (b"etag", tag.encode()),
        (b"cache-control", lifetime.encode()),
        (b"vary", b"Accept-Encoding"),
        last_modified(modified_s),
    ]
    about = [
        (b"content-length", b"%d" % len(body)),
        (b"content-type", MEDIA_TYPES[suffix].encode()),
    ]
    if suffix in FEED_SUFFIXES and (named := hub_link_header(body)):
        about.append((b"link", named))
    return CachedFile(body, tag, modified_s, status, head, about)


def raw_head(status: int, headers: Iterable[Header]) -> bytes:
    """Status line and headers on the wire, but for the end. Raises ValueError for a line's end."""
    lines = [b"%b: %b" % header for header in headers]
    if any(_LINE_BREAK.search(line) for line in lines):
        raise ValueError("a header ends too early")
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()
    return b"".join(b"%b\r\n" % line for line in (first, *lines))


def last_modified(at_s: int) -> Header:
    return LAST_MODIFIED, formatdate(at_s, usegmt=True).encode()


def _stamp(facts: os.stat_result) -> FileStamp:
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _stamp_at(file: str) -> FileStamp | None:
    try:
        return _stamp(os.stat(file))  # noqa: PTH116 -- a Path costs more than the look
    except OSError:
        return None


_HEAD_BYTES = 4096
"""Everything that a feed says of itself stands before its first item."""


_HUB_LINKS = (
    re.compile(rb'<(?:atom:)?link rel="hub" href="([^"]*)"'),
    re.compile(rb'"hubs": \[\{"type": "WebSub", "url": "([^"]*)"'),
)


_SELF_LINKS = (
    re.compile(rb'<(?:atom:)?link rel="self" type="[^"]*" href="([^"]*)"'),
    re.compile(rb'"feed_url": "([^"]*)"'),
)


def hub_link_header(body: bytes) -> bytes:
    """The header's value; empty for a feed without a hub."""
    head = body[:_HEAD_BYTES]
    for hub, itself in zip(_HUB_LINKS, _SELF_LINKS, strict=True):
        found, own = hub.search(head), itself.search(head)
        if found and own:
            return b'<%b>; rel="hub", <%b>; rel="self"' % (_unescaped(found[1]), _unescaped(own[1]))
    return b""


def _unescaped(address: bytes) -> bytes:
    return unescape(address.decode()).encode()
