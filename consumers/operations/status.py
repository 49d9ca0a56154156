"""Status of the channels: pauses, breakers, and the backlog of each lane."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from consumers.channel_health import breaker, breaker_store, destinations
from consumers.channel_health import pauses as channel_health_pauses
from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.channel_health.canary.status import CANARY_OFF, CanaryStatus, load_statuses
from consumers.channel_health.pauses import Pause
from consumers.channel_health.readback import ReadbackFailure, readback_failure
from consumers.email import bounce_stops, pace
from consumers.ledger import watermark
from consumers.ledger.store import Ledger
from consumers.operations.throughput import CountsByLane, Throughput
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from producers.bus import Bus
from producers.bus.records import read


class LaneStatus(BaseModel):
    """`backlog` rows wait, the oldest for `oldest_s`; `per_s`: rows that ended between two looks.

    `left_s`: how long what may go now takes at that rate; none while nothing moves, and of rows
    that wait for a person or for their own time. Without a running Loa there is no rate.
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
    breaker: BreakerState = BreakerState.CLOSED
    breaker_since: datetime | None = None
    breaker_reason: str = ""
    next_probe: datetime | None = None
    """None while it is open: due already, so that the next row that may go is the next try."""
    canary: CanaryStatus = CANARY_OFF
    slowed: int = 0
    """0: as fast as it can; see `consumers.email.pace`."""
    slowed_reason: str = ""
    stopped: tuple[str, ...] = ()
    """Publications that wait for a person, because too much of them came back."""
    goes_to: str = ""
    """Where its output goes, by the worker that started last; empty where none ever has."""
    stand_in: bool = False
    """Its output stays on this machine."""
    unseen: ReadbackFailure | None = None
    """The portal's: readers can't see what was written."""
    lanes: dict[Lane, LaneStatus]


class StatusReport(BaseModel):
    """The answer of `loa status`."""

    channels: dict[ChannelName, ChannelStatus]
    at_work: bool = True
    """False: no Loa runs on this folder, so this is how it was."""


@dataclass
class StatusReader:
    """Reads the batches of the ledger from the first open one on; twice while something waits."""

    bus: Bus
    ledger: Ledger
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def report(self, *, at_work: bool = True) -> StatusReport:
        """The whole report. Not *at_work*: no Loa runs here, so nothing moves."""
        report = await self.channel_report()
        report.at_work = at_work
        await self.add_mail(report.channels[ChannelName.EMAIL])
        await self.add_lanes(report, at_work=at_work)
        told = await destinations.load_destinations(self.bus)
        report.channels[ChannelName.PORTAL].unseen = readback_failure(told)
        for name, found in told.items():
            report.channels[name].goes_to = found.to
            report.channels[name].stand_in = found.stand_in
        proven = await load_statuses(self.bus, self.clock())
        for name, one in report.channels.items():
            one.canary = proven[name]
        return report

    async def add_lanes(self, report: StatusReport, *, at_work: bool) -> None:
        """Add the backlog of each lane and its throughput."""
        stopped = report.channels[ChannelName.EMAIL].stopped
        start = await watermark.read_watermark(self.bus)
        speeds = Throughput(self.ledger, start, stopped, self.clock, self.sleep)
        able = [name for name, one in report.channels.items() if at_work and is_working(one)]
        tallies = await speeds.measure(able)
        for (name, lane), found in tallies.items():
            facts = report.channels[name].lanes[lane]
            facts.backlog, facts.oldest_s = found.backlog, found.oldest_s
            facts.per_s = round(speeds.per_s.get((name, lane), 0.0), 2)
        for name, one in report.channels.items():
            estimate_time_left(name, one, tallies) if at_work else clear_rates(one)

    async def add_mail(self, one: ChannelStatus) -> None:
        """Add the pace of mail and its stopped publications."""
        bucket = self.bus.bucket(subjects.CONTROL.name)
        now = (await read(bucket, pace.PACE_KEY, pace.SendPace)).value or pace.FULL_PACE
        one.slowed = now.level_at(self.clock())
        one.slowed_reason = now.reason if one.slowed else ""
        plans = (await bounce_stops.load_stops(self.bus)).plans
        one.stopped = tuple(name for name, each in plans.items() if each.state == "stopped")

    async def channel_report(self) -> StatusReport:
        """Every channel, its lanes still empty."""
        pauses = await channel_health_pauses.load_pauses(self.bus)
        breakers = await breaker_store.load_breakers(self.bus)
        now = self.clock()
        return StatusReport(
            channels={one: channel_status(one, pauses, breakers, now) for one in ChannelName}
        )


def is_working(one: ChannelStatus) -> bool:
    """Whether anything may leave at all."""
    return not one.paused and one.breaker is BreakerState.CLOSED


def estimate_time_left(name: ChannelName, one: ChannelStatus, tallies: CountsByLane) -> None:
    """A channel works on its lanes one after the other, most urgent first."""
    rate = sum(lane.per_s or 0.0 for lane in one.lanes.values())
    if not (is_working(one) and rate):
        return
    before = 0
    for lane, facts in one.lanes.items():
        moving = tallies[name, lane].ready if facts.backlog else 0
        before += moving
        if moving or not facts.backlog:
            facts.left_s = round(before / rate, 1) if moving else 0.0


def clear_rates(one: ChannelStatus) -> None:
    """Remove the rates: no Loa runs."""
    for lane in one.lanes.values():
        lane.per_s = None


def channel_status(
    name: ChannelName,
    pauses: Mapping[ChannelName, Pause],
    breakers: Mapping[ChannelName, Breaker],
    at: float,
) -> ChannelStatus:
    pause, now = pauses.get(name), breakers[name]
    troubled = not now.is_closed
    waits = now.state is BreakerState.OPEN and not breaker.is_probe_due(now, at)
    return ChannelStatus(
        paused=pause is not None,
        paused_since=pause.since if pause else None,
        paused_reason=pause.reason if pause else "",
        paused_by=pause.by if pause else "",
        breaker=now.state,
        breaker_since=to_datetime(now.since) if troubled else None,
        breaker_reason=now.reason,
        next_probe=to_datetime(now.until) if waits else None,
        lanes={lane: LaneStatus() for lane in Lane},
    )


def to_datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds), UTC)
