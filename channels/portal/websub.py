"""Tells a WebSub hub which feeds have changed; publishing never waits for it.

What the hub has not heard of stands in the portal's index, so that no death loses it. A feed that
the hub refuses is tried again after pauses of its own, and after all others: it holds up none.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
import structlog

from channels.portal.model.page_sets import FEED_FORMATS
from channels.portal.model.site import Site, feed_path

RESPONSE_TIMEOUT_S = 10.0
POLL_S = 60.0
"""Another process may have written, or died before it told the hub."""
FIRST_RETRY_S, RETRY_MAX_S = 5.0, 600.0

log = structlog.get_logger()
ListUnannounced = Callable[[], Awaitable[list[tuple[str, int]]]]
MarkAnnounced = Callable[[str, int], Awaitable[None]]


class FeedBackoff(NamedTuple):
    """A feed that the hub did not take: how often, and when it is tried again."""

    failures: int
    due: float


NO_BACKOFF = FeedBackoff(0, 0.0)


@dataclass
class WebSubNotifier:
    """One task. *untold* gives feeds and how often each has changed since; *told* ticks one off.

    Both raise OSError where the index can't be had now.
    """

    site: Site
    list_unannounced: ListUnannounced
    mark_announced: MarkAnnounced
    first_retry_s: float = FIRST_RETRY_S
    clock: Callable[[], float] = time.monotonic
    has_changes: asyncio.Event = field(default_factory=asyncio.Event)
    backoffs: dict[str, FeedBackoff] = field(default_factory=dict)

    async def run(self) -> None:
        """As a task, for ever."""
        while True:
            self.has_changes.clear()
            await self.notify_hub()
            try:
                async with asyncio.timeout(self.wait_s):
                    await self.has_changes.wait()
            except TimeoutError:
                continue

    @property
    def wait_s(self) -> float:
        """Until the next feed is due again, or somebody else may have written."""
        due = min((one.due for one in self.backoffs.values()), default=float("inf"))
        return min(max(due - self.clock(), 0.0), POLL_S)

    async def notify_hub(self) -> str:
        """Tell the hub what it has not heard of and is due; the first failure, or nothing."""
        timeout = aiohttp.ClientTimeout(total=RESPONSE_TIMEOUT_S)
        try:
            waiting = await self.list_unannounced()
            async with aiohttp.ClientSession(timeout=timeout) as http:
                return await self._notify_due(http, waiting)
        except OSError as error:
            log.warning("hub_not_told", reason=type(error).__name__)
            return type(error).__name__

    async def _notify_due(self, http: aiohttp.ClientSession, waiting: list[tuple[str, int]]) -> str:
        """A hub that does not answer is left alone after one try; who failed least comes first."""
        first = ""
        for slug, turn in sorted(waiting, key=lambda one: self._backoff_of(one[0])):
            if self._backoff_of(slug).due > self.clock():
                continue
            why, answered = await self._notify_feed(http, slug)
            if not why:
                await self.mark_announced(slug, turn)
            self._update_backoff(slug, why)
            first = first or why
            if not answered:
                break
        return first

    async def _notify_feed(self, http: aiohttp.ClientSession, slug: str) -> tuple[str, bool]:
        """Why the hub was not told of the feed, empty if it was; and whether it answered."""
        try:
            for kind in FEED_FORMATS:
                if why := await self.post_topic(http, self.site.url(feed_path(slug, kind))):
                    return why, True
        except (aiohttp.ClientError, OSError) as error:  # a time-out is an OSError
            return type(error).__name__, False
        return "", True

    async def post_topic(self, http: aiohttp.ClientSession, topic: str) -> str:
        """Say that *topic* has changed. Hubs read the one field or the other."""
        said = {"hub.mode": "publish", "hub.url": topic, "hub.topic": topic}
        async with http.post(self.site.hub, data=said, allow_redirects=False) as answer:
            return "" if answer.status // 100 == 2 else f"HTTP {answer.status}"

    def _backoff_of(self, slug: str) -> FeedBackoff:
        return self.backoffs.get(slug, NO_BACKOFF)

    def _update_backoff(self, slug: str, why: str) -> None:
        """Say when it begins and when it is over; the pause grows with every failure."""
        failures = self._backoff_of(slug).failures
        if not why:
            self.backoffs.pop(slug, None)
            if failures:
                log.info("hub_told_again", feed=slug)
            return
        if not failures:
            log.warning("hub_not_told", feed=slug, reason=why)
        pause_s = min(self.first_retry_s * 2.0**failures, RETRY_MAX_S)
        self.backoffs[slug] = FeedBackoff(failures + 1, self.clock() + pause_s)
