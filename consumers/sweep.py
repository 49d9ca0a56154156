"""Finds batches whose wake-up was lost, and wakes them. It never writes to the ledger."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from consumers import circuit, extent
from consumers.control import Pauses
from consumers.ledger import codec
from consumers.ledger.entry import Entry
from consumers.ledger.store import Ledger
from consumers.wake import Waker, queued
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus, BusError, Value

log = structlog.get_logger()
EVERY_S = 60.0
GRACE_S = 120.0
SETTLED_S = 120.0
WHOLE_EVERY = 60
STATE = "state."


@dataclass
class Sweep:
    """Looks at every open batch once a minute; remembers before which place all are closed."""

    bus: Bus
    ledger: Ledger
    waker: Waker
    pauses: Pauses
    clock: Callable[[], float] = time.time
    every_s: float = EVERY_S
    woken: dict[str, float] = field(default_factory=dict)
    standing: frozenset[ChannelName] = frozenset()  # paused, or unable to work
    resumed: frozenset[ChannelName] = frozenset()  # no longer
    untried: set[ChannelName] = field(default_factory=set)  # broken, and nobody looks
    idle: dict[tuple[ChannelName, Lane], bool] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    turn: int = 0
    start: int = 1
    bound: int = 0  # the end of the ledger at the last sweep
    noted: int = 0
    first_open: int = 1

    async def run(self) -> None:
        while True:
            await self.rest()
            try:
                await self.sweep()
            except BusError as trouble:
                log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))

    async def rest(self) -> None:
        """Until it is time again, or a channel goes on: what waited for it is woken at once."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.pauses.went_on.wait(), self.every_s)
        self.pauses.went_on.clear()

    async def sweep(self) -> int:
        """Wake what is stuck, or was put off by a channel that goes on; returns how many."""
        self.idle.clear()
        await self.look_at_channels()
        self.resumed = frozenset(self.pauses.resumed) - self.standing
        self.pauses.resumed -= self.resumed
        stuck = await self.walk()
        if stuck and self.resumed:
            log.info("batches_called_back", batches=stuck)
        elif stuck:
            log.warning("batches_swept", batches=stuck)
        return stuck

    async def look_at_channels(self) -> None:
        """Which stand still; and which of them nobody tries, although a probe is long due."""
        tried = (await circuit.breakers(self.bus)).items()
        broken = {channel: one for channel, one in tried if not one.is_closed}
        self.standing = self.pauses.channels | broken.keys()
        long_due = {
            channel for channel, one in broken.items() if one.until < self.clock() - GRACE_S
        }
        self.untried = long_due - self.pauses.channels

    async def walk(self) -> int:
        """Look at everything from the first open place on; now and then at the whole ledger."""
        start = 1 if self.turn % WHOLE_EVERY == 0 else self.start
        self.turn += 1
        bound = await self.ledger.bucket.last_seq()
        self.first_open = self.bound + 1  # every replica has held the last sweep's end for long
        stuck = 0
        async for key, value in self.ledger.bucket.values(STATE, start=start):
            stuck += await self.look(key, value)
        if self.bound and self.first_open != self.noted:
            await extent.note(self.bus, self.first_open)
            self.noted = self.first_open
        self.start, self.bound = self.first_open, bound
        return stuck

    async def look(self, key: str, value: Value) -> bool:
        """Wake one batch if it is stuck, and say so."""
        found = self.read(key, value.data)
        if found is None or not found[1].closed or found[1].closed > self.clock() - SETTLED_S:
            self.first_open = min(self.first_open, value.revision)
        if found is None or found[1].closed:
            self.woken.pop(key, None)
            return False
        batch, entry = found
        if not await self.is_stuck(key, batch, entry):
            return False
        self.woken[key] = self.clock()
        await self.waker.wake(batch, entry.lane)
        return True

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

        Without the last two a channel that stands still, or is busy, would be flooded. When it goes
        on, whatever is due and nobody's was put off, and its wake-up may be minutes away. Until it
        does somebody has to try: where all wake-ups were lost, one batch is woken for that.
        """
        if batch.channel in self.resumed:
            return max(entry.due, entry.lease) <= self.clock()
        latest = max(entry.due, entry.lease, self.woken.get(key, 0.0))
        may_go = batch.channel not in self.standing or batch.channel in self.untried
        if latest > self.clock() - GRACE_S or not may_go:
            return False
        stuck = await self.is_idle(batch.channel, entry.lane)
        if stuck:
            self.untried.discard(batch.channel)
        return stuck

    async def is_idle(self, channel: ChannelName, lane: Lane) -> bool:
        """Whether nothing waited in *lane* before this sweep; its own wake-ups do not count."""
        if (channel, lane) not in self.idle:
            self.idle[channel, lane] = not await queued(self.bus, channel, lane)
        return self.idle[channel, lane]
