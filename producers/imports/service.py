"""The import service: visits every feed of every unit when it is due."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

from producers import metrics
from producers.bus.periodic import attempt, every
from producers.imports.feed_request import host_of
from producers.imports.feed_state import FeedState, state_key
from producers.imports.visit import Importer
from producers.units.feed_settings import Feed
from producers.units.registry import RegisteredUnit, UnitRegistry

_CHECK_INTERVAL_S = 5.0
_MAX_HOSTS_AT_ONCE = 4
"""Number of hosts visited concurrently."""

FeedTask = tuple[RegisteredUnit, Feed]


class ImportService:
    """Runs until cancelled. Several may run: a feed is claimed before a request."""

    def __init__(self, importer: Importer, registry: UnitRegistry) -> None:
        self.importer = importer
        self.registry = registry
        self.host_slots = asyncio.Semaphore(_MAX_HOSTS_AT_ONCE)

    async def run(self) -> None:
        await every(_CHECK_INTERVAL_S, self.visit_due_feeds)

    async def visit_due_feeds(self) -> None:
        """Visit the feeds that are due. Raises BusError."""
        units = await self.registry.registered_units()
        members = [unit for unit in units if unit.registration.feeds]
        if not members:
            _tell_freshness((), {})
            return
        states = await self.importer.states.read_all()
        _tell_freshness(members, states)
        hosts = _group_by_host(_due_feeds(members, states, self.importer.clock()))
        await asyncio.gather(*map(self.visit_host, hosts))

    async def visit_host(self, tasks: Sequence[FeedTask]) -> None:
        """Visit the feeds of one host, one after another; stop at a bus failure."""

        async def visit_all() -> None:
            for member, feed in tasks:
                await self.importer.visit(member, feed)

        async with self.host_slots:
            await attempt(visit_all)


def _tell_freshness(members: Sequence[RegisteredUnit], states: dict[str, FeedState]) -> None:
    """Tell `/metrics` when each registered feed was last read, and how often not since."""
    of_feed: dict[tuple[str, ...], FeedState] = {
        (member.unit, feed.feed_id): states.get(state_key(member.unit, feed), FeedState())
        for member in members
        for feed in member.registration.feeds
    }
    metrics.FEED_READ.replace({feed: state.read for feed, state in of_feed.items()})
    failures = {feed: float(state.failures) for feed, state in of_feed.items()}
    metrics.FEED_FAILURES.replace(failures)


def _due_feeds(
    members: Sequence[RegisteredUnit], states: dict[str, FeedState], now: float
) -> list[FeedTask]:
    """The feeds that are due, longest overdue first."""
    ready: list[tuple[float, FeedTask]] = []
    for member in members:
        for feed in member.registration.feeds:
            state = states.get(state_key(member.unit, feed), FeedState())
            if state.due <= now and not state.stopped:
                ready.append((state.due, (member, feed)))
    return [task for _, task in sorted(ready, key=lambda due_task: due_task[0])]


def _group_by_host(tasks: Sequence[FeedTask]) -> list[list[FeedTask]]:
    ordered = sorted(tasks, key=lambda task: host_of(task[1].url))  # stable: overdue ones first
    return [list(group) for _, group in groupby(ordered, key=lambda task: host_of(task[1].url))]
