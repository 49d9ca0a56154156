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
_MAX_VISITS_AT_ONCE = 4
"""Number of feeds visited concurrently, each of another host."""

FeedTask = tuple[RegisteredUnit, Feed]


class ImportService:
    """Runs until cancelled. Several may run: a feed is claimed before a request.

    `visits` has the visits under way, by host: a slow host holds up its own feeds and no other's.
    """

    def __init__(self, importer: Importer, registry: UnitRegistry) -> None:
        self.importer = importer
        self.registry = registry
        self.slots = asyncio.Semaphore(_MAX_VISITS_AT_ONCE)
        self.visits: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            await every(_CHECK_INTERVAL_S, self.begin_due_visits)
        finally:
            for visit in self.visits.values():
                visit.cancel()

    async def begin_due_visits(self) -> None:
        """Begin to visit the feeds that are due. Raises BusError, and what ended a visit."""
        for host in [host for host, visit in self.visits.items() if visit.done()]:
            self.visits.pop(host).result()
        units = await self.registry.registered_units()
        members = [unit for unit in units if unit.registration.feeds]
        if not members:
            _tell_freshness((), {})
            return
        states = await self.importer.states.read_all()
        _tell_freshness(members, states)
        due = _group_by_host(_due_feeds(members, states, self.importer.clock()))
        for host in due.keys() - self.visits.keys():
            self.visits[host] = asyncio.create_task(self.visit_host(due[host]))

    async def visit_host(self, tasks: Sequence[FeedTask]) -> None:
        """Visit the feeds of one host, one after another; stop at a bus failure.

        A slot is given back behind each feed, so that slow hosts do not keep them all.
        """

        async def visit_all() -> None:
            for member, feed in tasks:
                async with self.slots:
                    await self.importer.visit(member, feed)

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


def _group_by_host(tasks: Sequence[FeedTask]) -> dict[str, list[FeedTask]]:
    ordered = sorted(tasks, key=lambda task: host_of(task[1].url))  # stable: overdue ones first
    grouped = groupby(ordered, key=lambda task: host_of(task[1].url))
    return {host: list(group) for host, group in grouped}
