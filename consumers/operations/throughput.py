"""Backlog and throughput of each lane, from two scans of the open batches."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from consumers.ledger import bulk, codec
from consumers.ledger.entry import OPEN_LETTERS, LedgerEntry
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, ChannelName, Lane

STATE_PREFIX = "state."
SAMPLE_S = 1.0
MAX_SAMPLES = 3
"""The most samples, if a window takes longer than one."""


@dataclass
class LaneCounts:
    """One lane's rows: `backlog` waits, `ready` of it may be sent now, `ended` is done."""

    backlog: int = 0
    ready: int = 0
    ended: int = 0
    oldest_s: float = 0.0


CountsByLane = dict[tuple[ChannelName, Lane], LaneCounts]


@dataclass
class Throughput:
    """Row counts of the batches from `start` on, and how many rows end per second."""

    ledger: Ledger
    start: int
    stopped_plans: Collection[str] = ()  # publications that wait for an operator
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    per_s: dict[tuple[ChannelName, Lane], float] = field(default_factory=dict)

    async def count_lanes(self) -> CountsByLane:
        """Count every lane; unreadable batches are left to `loa check`."""
        lanes: CountsByLane = defaultdict(LaneCounts)
        async for key, value in self.ledger.bucket.values(STATE_PREFIX, start=self.start):
            batch = bulk.decode_or_none(BatchKey.parse, key.removeprefix(STATE_PREFIX))
            entry = bulk.decode_or_none(codec.decode_state, value.data)
            if batch and entry:
                self.add_batch(lanes[batch.channel, entry.lane], batch, entry)
        return lanes

    def add_batch(self, lane: LaneCounts, batch: BatchKey, entry: LedgerEntry) -> None:
        waiting = sum(letter in OPEN_LETTERS for letter in entry.rows)
        lane.ended += len(entry.rows) - waiting
        lane.backlog += waiting
        if waiting:
            lane.oldest_s = max(lane.oldest_s, round(self.clock() - entry.created, 1))
        is_ready = bool(entry.owner) or entry.due <= self.clock() + 1
        if is_ready and str(batch.plan) not in self.stopped_plans:
            lane.ready += waiting

    async def measure(self, running_channels: Collection[ChannelName]) -> CountsByLane:
        """Sample until each channel of *running_channels* with ready rows has progressed.

        Returns the last counts; `per_s` has the lanes in which rows ended.
        """
        before, began = await self.count_lanes(), self.clock()
        after = before
        for _ in range(MAX_SAMPLES):
            if not self.lacks_progress(after, running_channels):
                break
            await self.sleep(SAMPLE_S)
            after = await self.count_lanes()
            took_s = max(self.clock() - began, SAMPLE_S)
            ended = {lane: counts.ended - before[lane].ended for lane, counts in after.items()}
            self.per_s = {lane: rows / took_s for lane, rows in ended.items() if rows > 0}
        return after

    def lacks_progress(
        self, counts: CountsByLane, running_channels: Collection[ChannelName]
    ) -> bool:
        """Whether a running channel has ready rows and no progress yet."""
        progressed = {channel for channel, _ in self.per_s}
        busy = {channel for (channel, _), lane in counts.items() if lane.ready}
        return bool(busy & set(running_channels) - progressed)
