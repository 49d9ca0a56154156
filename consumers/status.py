"""How the channels are doing: paused or broken, and what waits in each lane."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from consumers import circuit, control, extent, outlets
from consumers.breaker import Breaker, State
from consumers.canary.standing import OFF, Standing, standings
from consumers.control import Pause
from consumers.ledger import bulk, codec
from consumers.ledger.entry import OPEN, Entry
from consumers.ledger.store import Ledger
from consumers.mail import brake, pace
from consumers.register import read
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus

STATE = "state."
RECENT_S = 60.0


class LaneStatus(BaseModel):
    """`backlog` rows wait, the oldest for `oldest_s`; `per_s`: of the last minute's batches.

    `left_s`: how long the backlog takes at that rate; none while nothing moves. Where nobody works
    there is no rate either.
    """

    backlog: int = 0
    oldest_s: float = 0.0
    per_s: float | None = 0.0
    left_s: float | None = None


class ChannelStatus(BaseModel):
    """`breaker` is open while the channel itself can't work, half-open while one batch tries."""

    paused: bool
    paused_since: datetime | None = None
    paused_reason: str = ""
    paused_by: str = ""
    breaker: State = State.CLOSED
    breaker_since: datetime | None = None
    breaker_reason: str = ""
    next_probe: datetime | None = None
    canary: Standing = OFF
    slowed: int = 0
    """0: as fast as it can; see `consumers.mail.pace`."""
    slowed_reason: str = ""
    stopped: tuple[str, ...] = ()
    """Publications that wait for a person, because too much of them came back."""
    goes_to: str = ""
    """Where its output goes, by the worker that started last; empty where none ever has."""
    stand_in: bool = False
    """Nobody outside gets anything of it."""
    lanes: dict[Lane, LaneStatus]


class Report(BaseModel):
    """The answer of `loa status`."""

    channels: dict[ChannelName, ChannelStatus]


@dataclass
class Status:
    """Reads the batches of the ledger that are open, or closed within the last minute."""

    bus: Bus
    ledger: Ledger
    clock: Callable[[], float] = time.time

    async def report(self, *, at_work: bool = True) -> Report:
        """How everything stands. Not *at_work*: no Loa runs here, so nothing moves."""
        report = await self.channels()
        start = await extent.first_open(self.bus)
        async for key, value in self.ledger.bucket.values(STATE, start=start):
            batch = bulk.legible(BatchKey.parse, key.removeprefix(STATE))
            entry = bulk.legible(codec.decode_state, value.data)
            if batch and entry:  # else `loa check` names it
                self.add(report.channels[batch.channel].lanes[entry.lane], entry)
        await self.mail(report.channels[ChannelName.EMAIL])
        for name, found in (await outlets.outlets(self.bus)).items():
            report.channels[name].goes_to = found.to
            report.channels[name].stand_in = found.stand_in
        proven = await standings(self.bus, self.clock())
        for name, one in report.channels.items():
            one.canary = proven[name]
            self.estimate(one) if at_work else still(one)
        return report

    async def mail(self, one: ChannelStatus) -> None:
        """How fast mail leaves, and what of it stands still."""
        bucket = self.bus.bucket(subjects.CONTROL.name)
        now = (await read(bucket, pace.KEY, pace.Pace)).value or pace.FULL
        one.slowed = now.now(self.clock())
        one.slowed_reason = now.reason if one.slowed else ""
        plans = (await brake.brakes(self.bus)).plans
        one.stopped = tuple(name for name, each in plans.items() if each.state == "stopped")

    async def channels(self) -> Report:
        """Every channel, its lanes still empty."""
        pauses = await control.reasons(self.bus)
        breakers = await circuit.breakers(self.bus)
        return Report(channels={one: channel(one, pauses, breakers) for one in ChannelName})

    def add(self, lane: LaneStatus, entry: Entry) -> None:
        """Count one batch."""
        now = self.clock()
        waiting = sum(letter in OPEN for letter in entry.rows)
        lane.backlog += waiting
        if waiting:
            lane.oldest_s = max(lane.oldest_s, round(now - entry.created, 1))
        if entry.closed > now - RECENT_S:
            lane.per_s = round((lane.per_s or 0.0) + len(entry.rows) / RECENT_S, 2)

    def estimate(self, one: ChannelStatus) -> None:
        """A channel works on its lanes one after the other, most urgent first."""
        rate = sum(lane.per_s or 0.0 for lane in one.lanes.values())
        if one.paused or one.breaker is not State.CLOSED or not rate:
            return
        before = 0
        for lane in one.lanes.values():
            before += lane.backlog
            lane.left_s = round(before / rate, 1) if lane.backlog else 0.0


def still(one: ChannelStatus) -> None:
    """What was done in the last minute is no speed of anybody's."""
    for lane in one.lanes.values():
        lane.per_s = None


def channel(
    name: ChannelName,
    pauses: Mapping[ChannelName, Pause],
    breakers: Mapping[ChannelName, Breaker],
) -> ChannelStatus:
    pause, now = pauses.get(name), breakers[name]
    troubled = not now.is_closed
    return ChannelStatus(
        paused=pause is not None,
        paused_since=pause.since if pause else None,
        paused_reason=pause.reason if pause else "",
        paused_by=pause.by if pause else "",
        breaker=now.state,
        breaker_since=moment(now.since) if troubled else None,
        breaker_reason=now.reason,
        next_probe=moment(now.until) if now.state is State.OPEN else None,
        lanes={lane: LaneStatus() for lane in Lane},
    )


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds), UTC)
