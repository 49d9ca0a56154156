"""Finds batches whose wake-up was lost, and wakes them. It never writes to the ledger."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from consumers.control import Pauses
from consumers.ledger import codec
from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.wake import Waker
from contracts import subjects
from contracts.delivery import BatchKey
from producers.bus import Bus, BusError

log = structlog.get_logger()
EVERY_S = 60.0
GRACE_S = 120.0
AT_ONCE = 200
STATE = "state."


@dataclass
class Sweep:
    """Looks at every open batch once a minute; remembers which are closed for ever."""

    bus: Bus
    ledger: Ledger
    waker: Waker
    pauses: Pauses
    clock: Callable[[], float] = time.time
    every_s: float = EVERY_S
    closed: set[str] = field(default_factory=set)
    woken: dict[str, float] = field(default_factory=dict)
    idle: dict[str, bool] = field(default_factory=dict)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            try:
                await self.sweep()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

    async def sweep(self) -> int:
        """Wake what is stuck; returns how many."""
        self.idle.clear()
        keys = await self.ledger.bucket.keys(STATE)
        unknown = [key for key in keys if key not in self.closed]
        stuck = 0
        for start in range(0, len(unknown), AT_ONCE):
            stuck += await self.look(unknown[start : start + AT_ONCE])
        if stuck:
            log.warning("batches_swept", batches=stuck)
        return stuck

    async def look(self, keys: list[str]) -> int:
        stuck = 0
        for key, value in (await self.ledger.bucket.many(keys)).items():
            entry = codec.decode_state(value.data)
            if entry.closed:
                self.closed.add(key)
                self.woken.pop(key, None)
            elif await self.is_stuck(key, entry):
                self.woken[key] = self.clock()
                await self.waker.wake(BatchKey.parse(key.removeprefix(STATE)), entry.lane)
                stuck += 1
        return stuck

    async def is_stuck(self, key: str, entry: Entry) -> bool:
        """Due and lease long past, not woken lately, its lane empty, its channel running.

        Without the last two a paused or busy channel would be flooded with wake-ups.
        """
        batch = BatchKey.parse(key.removeprefix(STATE))
        latest = max(entry.due, entry.lease, self.woken.get(key, 0.0))
        if latest > self.clock() - GRACE_S or batch.channel in self.pauses.channels:
            return False
        return await self.is_idle(subjects.deliver(batch.channel, entry.lane))

    async def is_idle(self, lane: str) -> bool:
        """Whether nothing waited in *lane* before this sweep; its own wake-ups do not count."""
        if lane not in self.idle:
            durable = subjects.durable(lane)
            queue = await self.bus.consumer_info(subjects.DELIVER.name, durable)
            self.idle[lane] = int(queue["num_pending"]) == 0
        return self.idle[lane]
