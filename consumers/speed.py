"""What waits in each lane, and how fast it goes: the open batches, looked at twice."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from consumers.ledger import bulk, codec
from consumers.ledger.entry import OPEN, Entry
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, ChannelName, Lane

STATE = "state."
LOOK_S = 1.0
LOOKS = 3
"""As many at most, where a window takes longer than one."""


@dataclass
class Tally:
    """One lane's rows; of those that wait, `moving` may go now, `ended` wait no more."""

    backlog: int = 0
    moving: int = 0
    ended: int = 0
    oldest_s: float = 0.0


Tallies = dict[tuple[ChannelName, Lane], Tally]


@dataclass
class Speeds:
    """Rows of the batches from `start` on, and how many of them end in a second."""

    ledger: Ledger
    start: int
    stopped: Collection[str] = ()  # publications that wait for a person
    clock: Callable[[], float] = time.time
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    per_s: dict[tuple[ChannelName, Lane], float] = field(default_factory=dict)

    async def count(self) -> Tallies:
        """Every lane as it stands; a batch that nobody can read is left to `loa check`."""
        tallies: Tallies = defaultdict(Tally)
        async for key, value in self.ledger.bucket.values(STATE, start=self.start):
            batch = bulk.legible(BatchKey.parse, key.removeprefix(STATE))
            entry = bulk.legible(codec.decode_state, value.data)
            if batch and entry:
                self.add(tallies[batch.channel, entry.lane], batch, entry)
        return tallies

    def add(self, lane: Tally, batch: BatchKey, entry: Entry) -> None:
        waiting = sum(letter in OPEN for letter in entry.rows)
        lane.ended += len(entry.rows) - waiting
        lane.backlog += waiting
        if waiting:
            lane.oldest_s = max(lane.oldest_s, round(self.clock() - entry.created, 1))
        if str(batch.plan) not in self.stopped and self.may_go(entry):
            lane.moving += waiting

    def may_go(self, entry: Entry) -> bool:
        """Whether somebody works on it, or could now; else it waits for its own time."""
        return bool(entry.owner) or entry.due <= self.clock() + 1

    async def measure(self, at_work: Collection[ChannelName]) -> Tallies:
        """Look until each channel of *at_work* that has something to do has got on, or long enough.

        What stands afterwards; `per_s` has the lanes in which something has ended.
        """
        before, began = await self.count(), self.clock()
        after = before
        for _ in range(LOOKS):
            if not self.standing(after, at_work):
                break
            await self.wait(LOOK_S)
            after = await self.count()
            took_s = max(self.clock() - began, LOOK_S)
            ended = {lane: one.ended - before[lane].ended for lane, one in after.items()}
            self.per_s = {lane: rows / took_s for lane, rows in ended.items() if rows > 0}
        return after

    def standing(self, tallies: Tallies, at_work: Collection[ChannelName]) -> bool:
        """Whether a channel has something to do and has not got on yet."""
        moved = {channel for channel, _ in self.per_s}
        busy = {channel for (channel, _), one in tallies.items() if one.moving}
        return bool(busy & set(at_work) - moved)
