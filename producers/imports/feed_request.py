"""The interface of the HTTP request, and the pacing of requests per host."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from contracts.base.conditional_response import ConditionalResponse

Sleep = Callable[[float], Awaitable[None]]


class FeedRequest(Protocol):
    """One conditional request. Raises FeedUnavailable."""

    async def __call__(self, url: str, *, etag: str, last_modified: str) -> ConditionalResponse: ...


@dataclass
class HostPacing:
    """One request at a time per host, with a pause between two."""

    pause_s: float
    clock: Callable[[], float]
    sleep: Sleep = asyncio.sleep
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    last_request: dict[str, float] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        host = host_of(url)
        async with self.locks.setdefault(host, asyncio.Lock()):
            since = self.clock() - self.last_request.get(host, float("-inf"))
            if since < self.pause_s:
                await self.sleep(self.pause_s - max(0.0, since))
            try:
                yield
            finally:
                self.last_request[host] = self.clock()


def host_of(url: str) -> str:
    """The host by which requests are paced."""
    return (urlsplit(url).hostname or "").removeprefix("www.")
