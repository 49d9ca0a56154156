"""What the import asks of the outside, and how politely: the request itself is handed in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from contracts.errors import FieldError

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a site answered. `body` is None where nothing has changed."""

    body: bytes | None
    url: str
    moved_for_good: bool = False
    charset: str = ""
    etag: str = ""
    modified: str = ""
    max_age_s: float = 0.0


class Unreached(Exception):
    """Nothing was found. The site may have said for how long to stay away, or that it is over.

    *detail* is for the log: what a library calls the trouble. *feeds* are those that a page names.
    """

    def __init__(
        self,
        error: FieldError,
        *,
        after_s: float = 0.0,
        over: bool = False,
        detail: str = "",
        feeds: tuple[str, ...] = (),
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.detail = detail
        self.feeds = feeds
        self.after_s = after_s
        self.over = over


class Ask(Protocol):
    """One request; what was had before is named. Raises Unreached."""

    async def __call__(self, url: str, *, etag: str, modified: str) -> Found: ...


@dataclass
class Hosts:
    """One request at a time to each host, and a pause between two."""

    pause_s: float
    clock: Callable[[], float]
    sleep: Sleep = asyncio.sleep
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        host = host_of(url)
        async with self.turns.setdefault(host, asyncio.Lock()):
            since = self.clock() - self.last.get(host, float("-inf"))
            if since < self.pause_s:
                await self.sleep(self.pause_s - max(0.0, since))
            try:
                yield
            finally:
                self.last[host] = self.clock()


def host_of(url: str) -> str:
    """The host by which requests are counted."""
    return (urlsplit(url).hostname or "").removeprefix("www.")


def same_place(url: str, other: str) -> bool:
    """Whether a feed has moved within its site only: then the new address is asked from now on."""
    return host_of(url) == host_of(other)
