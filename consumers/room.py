"""Says in time that a stream or bucket of the bus is filling up: a full one refuses everything."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from producers.bus import Bus, BusError, topology

log = structlog.get_logger()
LOOK_S, TOLD_EVERY_S = 300.0, 3600.0
FILLING, ALMOST_FULL = 80, 95


@dataclass
class Room:
    """`filled` has those of which there is something to say, in percent of what they may hold."""

    bus: Bus
    clock: Callable[[], float]
    filled: dict[str, int] = field(default_factory=dict)
    told: dict[str, tuple[int, float]] = field(default_factory=dict)

    async def run(self) -> None:
        """As a task."""
        while True:
            try:
                await self.look()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Raises BusError."""
        found = {name: percent(await self.bus.stream_info(name)) for name in topology.names()}
        self.filled = {name: full for name, full in found.items() if full >= FILLING}
        for name, full in self.filled.items():
            self.tell(name, full)

    def tell(self, name: str, full: int) -> None:
        """Once an hour, and when it becomes serious."""
        mark = ALMOST_FULL if full >= ALMOST_FULL else FILLING
        said, at = self.told.get(name, (0, 0.0))
        if mark <= said and self.clock() - at < TOLD_EVERY_S:
            return
        self.told[name] = mark, self.clock()
        if mark == ALMOST_FULL:
            log.error("stream_filling", stream=name, percent=full)
        else:
            log.warning("stream_filling", stream=name, percent=full)


def percent(info: dict[str, Any]) -> int:
    """How much of its bytes a stream uses; nothing of what has no limit."""
    limit = info["config"]["max_bytes"]
    return int(100 * info["state"]["bytes"] / limit) if limit > 0 else 0
