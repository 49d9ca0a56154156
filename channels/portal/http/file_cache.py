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
from pathlib import Path, PurePath
from stat import S_ISREG
from time import monotonic

from channels.portal.model.page_sets import FIGURES_JSON
from contracts.base.security_headers import raw_headers
from contracts.desk.uploads import FOLDER as UPLOADS_FOLDER
from contracts.desk.uploads import MEDIA_TYPES as UPLOAD_TYPES
from contracts.desk.uploads import file_headers, parse_address
from design.frame import URGENT_SHEET

_MEMORY_BYTES = 64 << 20
FRESH_S = 0.1
"""How long a file is given from memory without another look at the disk."""
_INDEX_PAGE = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".rss": "application/rss+xml; charset=utf-8",
    ".atom": "application/atom+xml",
    ".json": "application/feed+json",
    ".opml": "text/x-opml; charset=utf-8",
    ".xml": "application/xml",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
}
CACHE_CONTROL = {
    ".html": "public, max-age=60",
    ".css": "public, max-age=31536000, immutable",
    PurePath(URGENT_SHEET).name: "public, max-age=60",  # as the home page, whose band it tells of
    ".svg": "public, max-age=31536000, immutable",
    ".webp": "public, max-age=86400",
    ".jpg": "public, max-age=86400",  # a removed picture should leave caches soon
}
_NAMED_BY_BYTES = ("tai-nguyen/emblem-*", "tai-nguyen/cover-*")
"""Assets of formats that others have, too."""
_UPLOADS_PATH = f"/{UPLOADS_FOLDER}/"
_FEED_SUFFIXES = (".rss", ".atom", ".json")
FEED_CACHE_CONTROL = "public, max-age=300"
# Every name the portal writes has this form; `..`, `%`, `\\` and hidden files do not.
_NAME = "[a-z0-9][a-z0-9-]{0,79}"
_PATH = re.compile(rf"/(?:{_NAME}/){{0,4}}(?:{_NAME}(\.[a-z]{{1,4}})?)?")
_STATE = re.compile(rb'<!doctype html>\n<html lang="vi" data-state="([a-z]+)">')
_LINE_BREAK = re.compile(rb"[\r\n\0]")
_STATUSES = {b"withdrawn": 410, b"missing": 404}
_FileStamp = tuple[int, int, int]
Header = tuple[bytes, bytes]
_LAST_MODIFIED = b"last-modified"


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file, ready to be sent; a page's first tag says whether it was withdrawn.

    Every response has `headers`, one with a body also `body_headers`.
    """

    body: bytes
    tag: str
    stamp: _FileStamp
    modified_s: int
    status: int
    headers: list[Header]
    body_headers: list[Header]
    raw_heads: dict[int, bytes] = field(default_factory=dict, compare=False)
    """Complete heads as bytes, by status; the app fills this cache."""

    def as_of(self, now_s: int) -> "CachedFile":
        """The file for a response at *now_s*, with no later modification time."""
        if self.modified_s <= now_s:
            return self
        others = [header for header in self.headers if header[0] != _LAST_MODIFIED]
        headers = [*others, _last_modified(now_s)]
        return replace(self, modified_s=now_s, headers=headers, raw_heads={})

    def with_content_location(self, path: str) -> "CachedFile":
        """The file as the negotiated response of another address; its own is *path*."""
        others = [header for header in self.headers if header[0] != b"vary"]
        added = (b"vary", b"Accept, Accept-Encoding"), (b"content-location", path.encode())
        return replace(self, headers=[*others, *added], raw_heads={})


class FileCache:
    """Recently used files by path; paths are plain strings for speed.

    Its methods belong to the event loop's thread and never look at the disk, which may hang;
    `refresh_file` runs in another.
    """

    def __init__(self, root: Path, memory_bytes: int = _MEMORY_BYTES) -> None:
        self._root = str(root)
        self._memory_bytes = memory_bytes
        self._entries: OrderedDict[str, CachedFile] = OrderedDict()
        self._fresh_until: dict[str, float] = {}
        self._size = 0

    def locate(self, path: str) -> str | None:
        """The file for a request's *path*, always below the root; None for no file."""
        if path.startswith(_UPLOADS_PATH):
            return self._locate_upload(path)
        match = _PATH.fullmatch(path)
        if not match:
            return None
        if match[1] is None:
            return f"{self._root}{path.rstrip('/')}/{_INDEX_PAGE}"
        return self._root + path if match[1] in MEDIA_TYPES else None

    def _locate_upload(self, path: str) -> str | None:
        hash, _, name = path.removeprefix(_UPLOADS_PATH).partition("/")
        address = parse_address(hash, name)
        return f"{self._root}/{address.file}" if address else None

    def find(self, file: str) -> CachedFile | None:
        """The file from memory, as it was when it was last compared with the disk."""
        return self._entries.get(file)

    def find_fresh(self, file: str) -> CachedFile | None:
        """As `find`, if that was at most `FRESH_S` ago."""
        if monotonic() > self._fresh_until.get(file, 0.0):
            return None
        self._entries.move_to_end(file)
        return self._entries[file]

    def put(self, file: str, loaded: CachedFile | None, looked_at: float) -> CachedFile | None:
        """Cache the file as of *looked_at*, by the monotonic clock; None: it is missing.

        Evict the least recently used files beyond the memory limit.
        """
        self._evict(file)
        if loaded is None:
            return None
        self._entries[file], self._fresh_until[file] = loaded, looked_at + FRESH_S
        self._size += len(loaded.body)
        while self._size > self._memory_bytes:
            self._evict(next(iter(self._entries)))
        return loaded

    def _evict(self, file: str) -> None:
        self._fresh_until.pop(file, None)
        if evicted := self._entries.pop(file, None):
            self._size -= len(evicted.body)


def refresh_file(file: str, known: CachedFile | None) -> CachedFile | None:
    """*known* if it is unchanged, at the cost of one `stat`, else the file as read from disk."""
    return known if known and known.stamp == _stamp_at(file) else load_file(file)


def load_file(file: str) -> CachedFile | None:
    """Read a file from disk, with the stamp of exactly these bytes; None if missing."""
    try:
        with Path(file).open("rb") as opened:
            status = os.fstat(opened.fileno())
            if S_ISREG(status.st_mode):
                return _cached_file(PurePath(file), status, opened.read())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        pass
    return None


def _cached_file(path: PurePath, on_disk: os.stat_result, body: bytes) -> CachedFile:
    suffix = path.suffix
    modified_s, state = int(on_disk.st_mtime), _STATE.match(body)
    status = _STATUSES.get(state[1], 200) if state else 200
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    lifetime = _lifetime(path) if status != 404 else "no-cache"
    headers = [
        (b"etag", tag.encode()),
        (b"cache-control", lifetime.encode()),
        (b"vary", b"Accept-Encoding"),
        _last_modified(modified_s),
    ]
    body_headers = [
        (b"content-length", b"%d" % len(body)),
        (b"content-type", _media_type(path).encode()),
    ]
    if path.parts[-3:-2] == (UPLOADS_FOLDER,):
        headers += raw_headers(file_headers(suffix))
    if suffix in _FEED_SUFFIXES and (link := _hub_link_header(body)):
        body_headers.append((b"link", link))
    return CachedFile(body, tag, _stamp(on_disk), modified_s, status, headers, body_headers)


def _media_type(path: PurePath) -> str:
    is_plain_json = FIGURES_JSON.endswith(f"/{path.parent.name}/{path.name}")
    if is_plain_json:
        return "application/json"
    return MEDIA_TYPES.get(path.suffix) or UPLOAD_TYPES[path.suffix]


def _lifetime(path: PurePath) -> str:
    """How long caches may keep the file."""
    if path.parts[-3:-2] == (UPLOADS_FOLDER,):
        return FEED_CACHE_CONTROL
    if any(map(path.match, _NAMED_BY_BYTES)):
        return CACHE_CONTROL[".svg"]
    return CACHE_CONTROL.get(path.name) or CACHE_CONTROL.get(path.suffix, FEED_CACHE_CONTROL)


def raw_head(status: int, headers: Iterable[Header]) -> bytes:
    """Status line and headers as bytes. Raises ValueError for a line break in a header."""
    lines = [b"%b: %b" % header for header in headers]
    if any(_LINE_BREAK.search(line) for line in lines):
        raise ValueError("a header ends too early")
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()
    return b"".join(b"%b\r\n" % line for line in (first, *lines))


def _last_modified(at_s: int) -> Header:
    return _LAST_MODIFIED, formatdate(at_s, usegmt=True).encode()


def _stamp(status: os.stat_result) -> _FileStamp:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _stamp_at(file: str) -> _FileStamp | None:
    try:
        return _stamp(os.stat(file))  # noqa: PTH116 -- a Path costs more than the look
    except OSError:
        return None


_HEAD_BYTES = 4096
"""A feed's metadata is within so many bytes, before its first item."""
_HUB_LINKS = (
    re.compile(rb'<(?:atom:)?link rel="hub" href="([^"]*)"'),
    re.compile(rb'"hubs": \[\{"type": "WebSub", "url": "([^"]*)"'),
)
_SELF_LINKS = (
    re.compile(rb'<(?:atom:)?link rel="self" type="[^"]*" href="([^"]*)"'),
    re.compile(rb'"feed_url": "([^"]*)"'),
)


def _hub_link_header(body: bytes) -> bytes:
    """Value of the `Link` header of a feed that names a hub; empty without a hub."""
    head = body[:_HEAD_BYTES]
    for hub, self_link in zip(_HUB_LINKS, _SELF_LINKS, strict=True):
        hub_match, self_match = hub.search(head), self_link.search(head)
        if hub_match and self_match:
            addresses = unescape(hub_match[1].decode()), unescape(self_match[1].decode())
            return '<{}>; rel="hub", <{}>; rel="self"'.format(*addresses).encode()
    return b""
