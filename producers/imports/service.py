"""The clock of the import: every feed of every unit when it is due."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

import structlog

from producers.bus import BusError
from producers.imports.feed import Feed
from producers.imports.round import Importer
from producers.imports.site import host_of
from producers.imports.state import FeedState, key_of
from producers.registry import Member, Registry

log = structlog.get_logger()
TICK_S = 5.0
AT_ONCE = 4
"""Hosts that are asked at the same time."""

Task = tuple[Member, Feed]


class Imports:
    """Runs until it is cancelled. Several may run: a feed is claimed before it is asked for."""

    def __init__(self, importer: Importer, registry: Registry) -> None:
        self.importer = importer
        self.registry = registry
        self.room = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        while True:
            try:
                await self.tick()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Visit what is due. Raises BusError."""
        members = [one for one in await self.registry.members() if one.registration.feeds]
        if not members:
            return
        states = await self.importer.states.every()
        hosts = by_host(due(members, states, self.importer.clock()))
        await asyncio.gather(*map(self.one_host, hosts))

    async def one_host(self, tasks: Sequence[Task]) -> None:
        """One feed after the other. While the bus fails nobody is asked for nothing."""
        async with self.room:
            for member, feed in tasks:
                try:
                    await self.importer.visit(member, feed)
                except BusError as trouble:
                    log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
                    return


def due(members: Sequence[Member], states: dict[str, FeedState], now: float) -> list[Task]:
    """Whose time has come, longest overdue first."""
    tasks = [(member, feed) for member in members for feed in member.registration.feeds]
    found = [
        (states.get(key_of(member.unit, feed), FeedState()), member, feed) for member, feed in tasks
    ]
    ready = [one for one in found if one[0].due <= now and not one[0].stopped]
    return [(member, feed) for _, member, feed in sorted(ready, key=lambda one: one[0].due)]


def by_host(tasks: Sequence[Task]) -> list[list[Task]]:
    """The tasks of each host, which are done one after the other."""
    ordered = sorted(tasks, key=lambda task: host_of(task[1].url))  # stable: overdue ones first
    return [list(group) for _, group in groupby(ordered, key=lambda task: host_of(task[1].url))]
