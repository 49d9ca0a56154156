"""A unit whose site is read: a real bus, a site on this machine, a fake clock."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from channels.fetch.fetcher import ConditionalFetcher
from consumers.app.wiring.imports import FETCH_LIMITS, SiteFetcher
from contracts import events, subjects
from contracts.cloudevent import CloudEvent
from contracts.envelope import decode
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.imports.feed_request import HostPacing
from producers.imports.feed_state import FeedState
from producers.imports.planned import ManualVisit
from producers.imports.service import ImportService
from producers.imports.visit import Importer
from producers.units.feed_settings import Feed
from producers.units.registry import RegisteredUnit, UnitRegistry
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.feed_site import NOW, Article, FeedSite, rss
from tests.support.picture_server import open_picture_server

UNIT = "tap-chi-to-chuc-nha-nuoc-va-lao-dong"
TOPIC = "cai-cach-hanh-chinh"


async def visit_due(service: ImportService) -> None:
    """Visit the feeds that are due, and wait for the visits."""
    await service.begin_due_visits()
    await asyncio.gather(*service.visits.values())


class ImportPipeline:
    """`read` visits the feed; `stored_events` are what CONTENT then holds."""

    def __init__(self, bus: Bus, site: FeedSite, clock: FakeClock) -> None:
        self.bus = bus
        self.site = site
        self.clock = clock
        self.sleeps: list[float] = []
        self.registry = UnitRegistry(bus, DEFAULT, clock)
        self.importer = self.new_importer(bus)

    def new_importer(self, bus: Any) -> Importer:
        """A process that imports, with nothing in its memory."""
        ask = SiteFetcher(ConditionalFetcher(self.site.server.gate(), FETCH_LIMITS))
        hosts = HostPacing(2.0, self.clock, self.sleep)
        return Importer(bus, DEFAULT, self.clock, ask, hosts, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.clock.advance(seconds)

    def feed(self, path: str = "/rss", **changes: Any) -> Feed:
        since = NOW - timedelta(days=2)
        said = {"url": self.site.url(path), "topic": TOPIC, "since": since, "most": 1000}
        return Feed.model_validate(said | changes)

    async def follow(self, *feeds: Feed, release: Any = "automatic") -> None:
        await self.registry.add(UNIT, release=release)
        for feed in feeds or (self.feed(),):
            await self.registry.add_feed(UNIT, feed)

    async def member(self) -> RegisteredUnit:
        """The unit; with the default feed, if it follows none yet."""
        if await self.registry.find(UNIT) is None:
            await self.follow()
        registration = await self.registry.find(UNIT)
        assert registration
        return RegisteredUnit(UNIT, registration)

    def publish(self, *articles: Article, path: str = "/rss", ttl: int = 0, **headers: str) -> None:
        self.site.publish(rss(*articles, ttl=ttl), path, **headers)

    async def read(self, *articles: Article, ttl: int = 0, **visit: Any) -> FeedState:
        """The site lists *articles*, and its feed is visited."""
        self.publish(*articles, ttl=ttl)
        return await self.visit_feed(**visit)

    async def visit_feed(
        self,
        feed: Feed | None = None,
        wish: ManualVisit | None = None,
        importer: Importer | None = None,
        fresh: bool = False,
    ) -> FeedState:
        """Visit the feed; *fresh*: in a new process, with nothing in its memory."""
        member = await self.member()
        feed = feed or member.registration.feeds[0]
        importer = self.new_importer(self.bus) if fresh else importer or self.importer
        state = await importer.visit(member, feed, wish)
        assert state
        return state

    async def survives(self, calls: int, *, after: bool) -> bool:
        """Whether a process that crashes at its n-th call has outlived its reading."""
        importer = self.new_importer(crashing_bus(self.bus, calls, after=after))
        try:
            await self.visit_feed(importer=importer)
        except SimulatedCrash:
            return False
        return True

    async def stored_events(self) -> list[CloudEvent]:
        found = self.bus.scan(subjects.CONTENT.name, subjects.content(UNIT, "*"))
        return [decode(None, one.headers, one.data) async for one in found]

    async def event_kinds(self) -> Counter[str]:
        return Counter(events.kind_of(one.type) for one in await self.stored_events())


@asynccontextmanager
async def open_import_pipeline(bus: Bus, clock: FakeClock) -> AsyncIterator[ImportPipeline]:
    clock.now = NOW.timestamp()
    async with open_picture_server() as server:
        yield ImportPipeline(bus, FeedSite(server), clock)
