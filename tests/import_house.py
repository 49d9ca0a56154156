"""A unit whose site is read: a real bus, a site on this machine, a clock that waits for nobody."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from channels.fetch.visitor import Visitor
from consumers.app.imports import LIMITS, Site
from contracts import events, subjects
from contracts.cloudevent import CloudEvent
from contracts.envelope import decode
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.imports.feed import Feed
from producers.imports.round import Importer, Wish
from producers.imports.site import Hosts
from producers.imports.state import FeedState
from producers.registry import Member, Registry
from tests.conftest import Clock
from tests.feed_site import NOW, FeedSite
from tests.picture_server import picture_server

UNIT = "tap-chi-to-chuc-nha-nuoc-va-lao-dong"
TOPIC = "cai-cach-hanh-chinh"


class ImportHouse:
    """`read` visits the feed; `said` is what then stands in CONTENT."""

    def __init__(self, bus: Bus, site: FeedSite, clock: Clock) -> None:
        self.bus = bus
        self.site = site
        self.clock = clock
        self.waited: list[float] = []
        self.registry = Registry(bus, DEFAULT, clock)
        self.importer = self.process(bus)

    def process(self, bus: Any) -> Importer:
        """A process that imports, with nothing in its memory."""
        ask = Site(Visitor(self.site.server.gate(), LIMITS))
        hosts = Hosts(2.0, self.clock, self.sleep)
        return Importer(bus, DEFAULT, self.clock, ask, hosts, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.clock.advance(seconds)

    def feed(self, path: str = "/rss", **changes: Any) -> Feed:
        since = NOW - timedelta(days=2)
        said = {"url": self.site.url(path), "topic": TOPIC, "since": since, "most": 1000}
        return Feed.model_validate(said | changes)

    async def follow(self, *feeds: Feed, release: Any = "automatic") -> None:
        await self.registry.add(UNIT, release=release)
        for feed in feeds or (self.feed(),):
            await self.registry.follow(UNIT, feed)

    async def member(self) -> Member:
        found = await self.registry.find(UNIT)
        assert found
        return Member(UNIT, found)

    async def read(
        self, feed: Feed | None = None, wish: Wish | None = None, importer: Importer | None = None
    ) -> FeedState:
        member = await self.member()
        feed = feed or member.registration.feeds[0]
        state = await (importer or self.importer).visit(member, feed, wish)
        assert state
        return state

    async def said(self) -> list[CloudEvent]:
        found = self.bus.scan(subjects.CONTENT.name, subjects.content(UNIT, "*"))
        return [decode(None, one.headers, one.data) async for one in found]

    async def kinds(self) -> Counter[str]:
        return Counter(events.kind_of(one.type) for one in await self.said())


@asynccontextmanager
async def import_house(bus: Bus, clock: Clock) -> AsyncIterator[ImportHouse]:
    clock.now = NOW.timestamp()
    async with picture_server() as server:
        yield ImportHouse(bus, FeedSite(server), clock)
