"""Notify a WebSub hub of changed feeds; publishing never waits for the hub.

The portal's index stores which feeds are unannounced, so that a crash loses none. A feed that the
hub refuses has a backoff of its own and comes after all others, so that it delays none.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
import structlog

from channels.portal.model.page_sets import FEED_FORMATS
from channels.portal.model.site import Site, feed_path

_RESPONSE_TIMEOUT_S = 10.0
POLL_S = 60.0
"""Another process may have written, or died before it notified the hub."""
_FIRST_RETRY_S, RETRY_MAX_S = 5.0, 600.0

log = structlog.get_logger()


class _FeedBackoff(NamedTuple):
    """Failures of one feed at the hub, and when the feed is due again."""

    failures: int = 0
    due: float = 0.0


@dataclass
class WebSubNotifier:
    """One task that notifies the hub.

    *list_unannounced* returns feeds with their change counts, *mark_announced* removes one. Both
    raise OSError while the index is unavailable.
    """

    site: Site
    list_unannounced: Callable[[], Awaitable[list[tuple[str, int]]]]
    mark_announced: Callable[[str, int], Awaitable[None]]
    first_retry_s: float = _FIRST_RETRY_S
    clock: Callable[[], float] = time.monotonic
    has_changes: asyncio.Event = field(default_factory=asyncio.Event)
    backoffs: dict[str, _FeedBackoff] = field(default_factory=dict)

    async def run(self) -> None:
        """Run as a task, for ever."""
        while True:
            self.has_changes.clear()
            await self.notify_hub()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.wait_s):
                    await self.has_changes.wait()

    @property
    def wait_s(self) -> float:
        """Seconds until the next feed is due, at most POLL_S."""
        due = min((backoff.due for backoff in self.backoffs.values()), default=float("inf"))
        return min(max(due - self.clock(), 0.0), POLL_S)

    async def notify_hub(self) -> str:
        """Notify the hub of unannounced feeds that are due; the first failure, or empty."""
        timeout = aiohttp.ClientTimeout(total=_RESPONSE_TIMEOUT_S)
        try:
            waiting = await self.list_unannounced()
            async with aiohttp.ClientSession(timeout=timeout) as http:
                return await self._notify_due(http, waiting)
        except OSError as error:
            log.warning("hub_not_told", reason=type(error).__name__)
            return type(error).__name__

    async def _notify_due(self, http: aiohttp.ClientSession, waiting: list[tuple[str, int]]) -> str:
        """Notify feeds with the fewest failures first; stop when the hub does not answer."""
        first_failure = ""
        for slug, change_count in sorted(waiting, key=lambda feed: self._backoff_of(feed[0])):
            if self._backoff_of(slug).due > self.clock():
                continue
            failure, answered = await self._notify_feed(http, slug)
            if not failure:
                await self.mark_announced(slug, change_count)
            self._update_backoff(slug, failure)
            first_failure = first_failure or failure
            if not answered:
                break
        return first_failure

    async def _notify_feed(self, http: aiohttp.ClientSession, slug: str) -> tuple[str, bool]:
        """The failure, empty for success, and whether the hub answered."""
        try:
            for feed_format in FEED_FORMATS:
                topic = self.site.url(feed_path(slug, feed_format))
                if failure := await self._post_topic(http, topic):
                    return failure, True
        except (aiohttp.ClientError, OSError) as error:  # a time-out is an OSError
            return type(error).__name__, False
        return "", True

    async def _post_topic(self, http: aiohttp.ClientSession, topic: str) -> str:
        """Post that *topic* has changed. Hubs read `hub.url` or `hub.topic`."""
        form = {"hub.mode": "publish", "hub.url": topic, "hub.topic": topic}
        async with http.post(self.site.hub, data=form, allow_redirects=False) as response:
            return "" if response.status // 100 == 2 else f"HTTP {response.status}"

    def _backoff_of(self, slug: str) -> _FeedBackoff:
        return self.backoffs.get(slug, _FeedBackoff())

    def _update_backoff(self, slug: str, failure: str) -> None:
        """Log the first failure and the recovery; double the pause with every failure."""
        failures = self._backoff_of(slug).failures
        if not failure:
            self.backoffs.pop(slug, None)
            if failures:
                log.info("hub_told_again", feed=slug)
            return
        if not failures:
            log.warning("hub_not_told", feed=slug, reason=failure)
        pause_s = min(self.first_retry_s * 2.0**failures, RETRY_MAX_S)
        self.backoffs[slug] = _FeedBackoff(failures + 1, self.clock() + pause_s)
