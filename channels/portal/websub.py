"""Tells a WebSub hub which feeds have changed; publishing never waits for it.

What the hub has not heard of stands in the portal's index, so that no death loses it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import structlog

from channels.portal.places import KINDS
from channels.portal.site import Site, feed_path

ANSWER_S = 10.0
LOOK_S = 60.0
"""Another process may have written, or died before it told the hub."""
AGAIN_S, LONGEST_S = 5.0, 600.0

log = structlog.get_logger()
Untold = Callable[[], Awaitable[list[tuple[str, int]]]]
Told = Callable[[str, int], Awaitable[None]]


@dataclass
class Herald:
    """One task. *untold* gives feeds and how often each has changed since; *told* ticks one off.

    Both raise ChannelError or OSError where the index can't be had now.
    """

    site: Site
    untold: Untold
    told: Told
    again_s: float = AGAIN_S
    news: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0

    async def run(self) -> None:
        """As a task, for ever."""
        while True:
            self.news.clear()
            why = await self.tell()
            self.note(why)
            try:
                async with asyncio.timeout(self.pause_s if why else LOOK_S):
                    await (asyncio.Event() if why else self.news).wait()
            except TimeoutError:
                continue

    @property
    def pause_s(self) -> float:
        """Longer with every failure."""
        return min(self.again_s * 2.0 ** (self.failures - 1), LONGEST_S)

    async def tell(self) -> str:
        """Tell the hub everything that it has not heard of; why that failed, or nothing."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http:
                for slug, turn in await self.untold():
                    for kind in KINDS:
                        if why := await self.ping(http, self.site.url(feed_path(slug, kind))):
                            return why
                    await self.told(slug, turn)
        except (aiohttp.ClientError, OSError) as error:  # a time-out is an OSError
            return type(error).__name__
        return ""

    async def ping(self, http: aiohttp.ClientSession, topic: str) -> str:
        """Say that *topic* has changed. Hubs read the one field or the other."""
        said = {"hub.mode": "publish", "hub.url": topic, "hub.topic": topic}
        async with http.post(self.site.hub, data=said, allow_redirects=False) as answer:
            return "" if answer.status // 100 == 2 else f"HTTP {answer.status}"

    def note(self, why: str) -> None:
        """Say when it begins and when it is over."""
        if why and not self.failures:
            log.warning("hub_not_told", reason=why)
        elif not why and self.failures:
            log.info("hub_told_again")
        self.failures = self.failures + 1 if why else 0
