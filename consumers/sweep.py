"""Finds batches whose wake-up was lost, and wakes them. It never writes to the ledger."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from consumers import control
from consumers.control import Pauses
from consumers.ledger import codec
from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.wake import Waker, queued
from contracts.delivery import BatchKey, ChannelName, Lane
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
    standing: frozenset[ChannelName] = frozenset()  # paused, or unable to work
    idle: dict[tuple[ChannelName, Lane], bool] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

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
        self.standing = self.pauses.channels | await control.tripped(self.bus, self.clock())
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
            if (found := self.read(key, value.data)) is None:
                continue
            batch, entry = found
            if entry.closed:
                self.closed.add(key)
                self.woken.pop(key, None)
            elif await self.is_stuck(key, batch, entry):
                self.woken[key] = self.clock()
                await self.waker.wake(batch, entry.lane)
                stuck += 1
        return stuck

    def read(self, key: str, data: bytes) -> tuple[BatchKey, Entry] | None:
        """One batch; what can't be read is left to a person, and holds up no other."""
        try:
            return BatchKey.parse(key.removeprefix(STATE)), codec.decode_state(data)
        except codec.BROKEN as broken:
            if key not in self.unreadable:
                log.error("batch_unreadable", key=key, error=type(broken).__name__)
                self.unreadable.add(key)
            return None

    async def is_stuck(self, key: str, batch: BatchKey, entry: Entry) -> bool:
        """Due and lease long past, not woken lately, its lane empty, its channel running.

        Without the last two a channel that stands still, or is busy, would be flooded.
        """
        latest = max(entry.due, entry.lease, self.woken.get(key, 0.0))
        if latest > self.clock() - GRACE_S or batch.channel in self.standing:
            return False
        return await self.is_idle(batch.channel, entry.lane)

    async def is_idle(self, channel: ChannelName, lane: Lane) -> bool:
        """Whether nothing waited in *lane* before this sweep; its own wake-ups do not count."""
        if (channel, lane) not in self.idle:
            self.idle[channel, lane] = not await queued(self.bus, channel, lane)
        return self.idle[channel, lane]
