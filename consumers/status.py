"""How the channels are doing: paused or not, and what waits in each lane."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from consumers import control
from consumers.ledger import codec
from consumers.ledger.entry import OPEN, Entry
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus

STATE = "state."
RECENT_S = 60.0


class LaneStatus(BaseModel):
    """`backlog` rows wait, the oldest for `oldest_s`; `per_s`: of the last minute's batches."""

    backlog: int = 0
    oldest_s: float = 0.0
    per_s: float = 0.0


class ChannelStatus(BaseModel):
    """`breaker` is open while the channel itself can't work."""

    paused: bool
    breaker: Literal["closed", "open"]
    lanes: dict[Lane, LaneStatus]


class Report(BaseModel):
    """The answer of `loa status`."""

    channels: dict[ChannelName, ChannelStatus]


@dataclass
class Status:
    """Reads every batch of the ledger that is open, or closed within the last minute."""

    bus: Bus
    ledger: Ledger
    clock: Callable[[], float] = time.time

    async def report(self) -> Report:
        report = await self.channels()
        async for key, value in self.ledger.bucket.values(STATE):
            batch = BatchKey.parse(key.removeprefix(STATE))
            entry = codec.decode_state(value.data)
            self.add(report.channels[batch.channel].lanes[entry.lane], entry)
        return report

    async def channels(self) -> Report:
        """Every channel, its lanes still empty."""
        paused = await control.paused(self.bus)
        tripped = await control.tripped(self.bus, self.clock())
        return Report(
            channels={
                one: ChannelStatus(
                    paused=one in paused,
                    breaker="open" if one in tripped else "closed",
                    lanes={lane: LaneStatus() for lane in Lane},
                )
                for one in ChannelName
            }
        )

    def add(self, lane: LaneStatus, entry: Entry) -> None:
        """Count one batch."""
        now = self.clock()
        waiting = sum(letter in OPEN for letter in entry.rows)
        lane.backlog += waiting
        if waiting:
            lane.oldest_s = max(lane.oldest_s, round(now - entry.created, 1))
        if entry.closed > now - RECENT_S:
            lane.per_s = round(lane.per_s + len(entry.rows) / RECENT_S, 2)
