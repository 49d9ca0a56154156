"""Status of the channels: pauses, breakers, and the backlog and throughput of each lane."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from consumers.channel_health import breaker, breaker_store, destinations
from consumers.channel_health import pauses as channel_health_pauses
from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.channel_health.canary.status import load_statuses
from consumers.channel_health.pauses import Pause
from consumers.channel_health.readback import readback_failure
from consumers.email import bounce_stops, pace
from consumers.email.refused_items import REFUSED_KEY, RefusedItems
from consumers.email.relay_reports import RelayReports, load_relay_reports
from consumers.ledger import bulk, watermark
from consumers.ledger.entry import IN_DOUBT, OPEN_LETTERS, LedgerEntry, RowNote
from consumers.ledger.moves import count_letters
from consumers.status.report import (
    ChannelStatus,
    CircuitStatus,
    LaneStatus,
    RefusedPublication,
    RelayStatus,
    StatusReport,
    WaitReason,
)
from consumers.status.stuck import StuckDeliveries
from contracts import subjects
from contracts.base.times import Clock, utc_time
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bucket, Bus
from producers.bus.records import read

OnBatch = Callable[[BatchKey, LedgerEntry], None]
"""Told of each batch that a report reads."""
_SAMPLE_S = 1.0
_MAX_SAMPLES = 3
"""The most samples, if a window takes longer than one."""
_MAX_REASONS = 20


def _ignore(_batch: BatchKey, _entry: LedgerEntry) -> None:
    pass


@dataclass
class LaneCounts:
    """One lane's rows: `backlog` waits, `ready` of it may be sent now, `ended` is done."""

    backlog: int = 0
    ready: int = 0
    ended: int = 0
    doubted: int = 0
    oldest_s: float = 0.0
    ready_s: float = 0.0  # for how long the oldest batch that is ready has been


CountsByLane = dict[tuple[ChannelName, Lane], LaneCounts]


@dataclass
class Waits:
    """Rows of one channel that wait for one reason: since when, and their next try."""

    rows: int = 0
    since: float = float("inf")
    until: float = float("inf")

    def add(self, note: RowNote, created: float) -> None:
        self.rows += 1
        self.since = min(self.since, note.since or created)
        self.until = min(self.until, note.due)


@dataclass
class Throughput:
    """Row counts of the batches from `start` on, and how many rows end per second."""

    ledger: Bucket
    start: int
    stopped_plans: Collection[str]  # publications that wait for an operator
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]
    on_batch: OnBatch = _ignore
    per_s: dict[tuple[ChannelName, Lane], float] = field(default_factory=dict)
    waits: dict[ChannelName, dict[str, Waits]] = field(default_factory=dict)  # of the last count

    def __post_init__(self) -> None:
        self.stuck = StuckDeliveries(self.clock)

    async def count_lanes(self) -> CountsByLane:
        """Count every lane; unreadable batches are left to `loa check`."""
        lanes: CountsByLane = defaultdict(LaneCounts)
        self.waits = defaultdict(lambda: defaultdict(Waits))
        self.stuck = StuckDeliveries(self.clock)
        async for _, batch in bulk.read_states(self.ledger, start=self.start):
            if batch and batch.entry:
                self.on_batch(batch.key, batch.entry)
                self.stuck.add_batch(batch.key, batch.entry)
                lane = lanes[batch.key.channel, batch.entry.lane]
                self.add_batch(lane, batch.key, batch.entry)
        return lanes

    def add_batch(self, lane: LaneCounts, batch: BatchKey, entry: LedgerEntry) -> None:
        waiting = count_letters(entry, OPEN_LETTERS)
        lane.ended += len(entry.rows) - waiting
        lane.backlog += waiting
        if waiting:
            lane.oldest_s = max(lane.oldest_s, round(self.clock() - entry.created, 1))
        reasons = self.waits[batch.channel]
        for row, note in entry.notes.items():
            if note.reason and entry.rows[row] in OPEN_LETTERS:
                reasons[note.reason].add(note, entry.created)
        lane.doubted += entry.rows.count(IN_DOUBT)
        is_ready = bool(entry.owner) or entry.due <= self.clock() + 1
        if waiting and is_ready and str(batch.plan) not in self.stopped_plans:
            lane.ready += waiting
            lane.ready_s = max(lane.ready_s, self.clock() - max(entry.created, entry.due))

    async def measure(self, running_channels: Collection[ChannelName]) -> CountsByLane:
        """Sample until each channel of *running_channels* with ready rows has progressed.

        Returns the last counts; `per_s` has the lanes in which rows ended.
        """
        before, began = await self.count_lanes(), self.clock()
        after = before
        for _ in range(_MAX_SAMPLES):
            if not self.lacks_progress(after, running_channels):
                break
            await self.sleep(_SAMPLE_S)
            after = await self.count_lanes()
            took_s = max(self.clock() - began, _SAMPLE_S)
            ended = {lane: counts.ended - before[lane].ended for lane, counts in after.items()}
            self.per_s = {lane: rows / took_s for lane, rows in ended.items() if rows > 0}
        return after

    def lacks_progress(self, counts: CountsByLane, running: Collection[ChannelName]) -> bool:
        """Whether a running channel has ready rows and no progress yet."""
        progressed = {channel for channel, _ in self.per_s}
        busy = {channel for (channel, _), lane in counts.items() if lane.ready}
        return bool(busy & set(running) - progressed)


def _relays_out(reports: RelayReports, now: float) -> tuple[RelayStatus, ...]:
    return tuple(
        RelayStatus(
            name=one.name,
            address=one.address,
            variable=one.variable,
            reason=one.reason,
            since=utc_time(round(one.since)),
        )
        for one in reports.relays_out(now)
    )


@dataclass
class StatusReader:
    """Reads the batches of the ledger from the first open one on; twice while something waits."""

    bus: Bus
    clock: Clock = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    on_batch: OnBatch = _ignore

    @property
    def ledger(self) -> Bucket:
        return self.bus.bucket(subjects.LEDGER.name)

    async def report(self, *, at_work: bool = True) -> StatusReport:
        """Make the report. Not *at_work*: no Loa runs here, so there is no progress."""
        report = await self.channel_report()
        report.at_work = at_work
        await self.add_mail(report.channels[ChannelName.EMAIL])
        stuck = await self.add_lanes(report, at_work=at_work)
        places = await destinations.load_destinations(self.bus)
        for name, found in (await stuck.load(self.ledger, places)).items():
            report.channels[name].stuck = tuple(found)
        report.channels[ChannelName.PORTAL].unseen = readback_failure(places)
        for name, place in places.items():
            report.channels[name].goes_to = place.to
            report.channels[name].stand_in = place.stand_in
            if place.former:
                report.channels[name].former = place.former
                report.channels[name].former_until = utc_time(round(place.former_until))
            report.channels[name].failing = place.failing
            if place.failing:
                report.channels[name].failing_since = utc_time(round(place.failing_since))
        for name, canary in (await load_statuses(self.bus, self.clock())).items():
            report.channels[name].canary = canary
        return report

    async def add_lanes(self, report: StatusReport, *, at_work: bool) -> StuckDeliveries:
        stopped = report.channels[ChannelName.EMAIL].stopped
        start = await watermark.read_watermark(self.bus)
        throughput = Throughput(self.ledger, start, stopped, self.clock, self.sleep, self.on_batch)
        channels = report.channels.items()
        running = [name for name, channel in channels if at_work and _is_working(channel)]
        counts = await throughput.measure(running)
        for (name, lane), count in counts.items():
            status = report.channels[name].lanes[lane]
            status.backlog, status.oldest_s = count.backlog, count.oldest_s
            status.ready, status.ready_s = count.ready, round(max(count.ready_s, 0.0), 1)
            status.in_doubt = count.doubted
            status.per_s = round(throughput.per_s.get((name, lane), 0.0), 2)
        for name, channel in channels:
            channel.waits = _wait_reasons(throughput.waits.get(name, {}))
            if at_work:
                _estimate_time_left(name, channel, counts)
            else:
                for status in channel.lanes.values():
                    status.per_s = None
        return throughput.stuck

    async def add_mail(self, mail: ChannelStatus) -> None:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        now = (await read(bucket, pace.PACE_KEY, pace.SendPace)).value or pace.FULL_PACE
        mail.slowed = now.level_at(self.clock())
        mail.slowed_reason = now.reason if mail.slowed else ""
        plans = (await bounce_stops.load_stops(self.bus)).plans
        mail.stopped = tuple(name for name, stop in plans.items() if stop.state == "stopped")
        mail.relays_out = _relays_out(await load_relay_reports(self.bus), self.clock())
        refused = (await read(bucket, REFUSED_KEY, RefusedItems)).value or RefusedItems()
        mail.refused = tuple(
            RefusedPublication(
                plan=name,
                since=utc_time(round(item.since)),
                next_at=utc_time(round(item.until)),
                reason=item.reason,
                alone=item.is_own,
            )
            for name, item in refused.still_refused(self.clock())
        )

    async def channel_report(self) -> StatusReport:
        pauses = await channel_health_pauses.load_pauses(self.bus)
        breakers = await breaker_store.load_breakers(self.bus)
        now = self.clock()
        return StatusReport(
            channels={name: _channel_status(name, pauses, breakers, now) for name in ChannelName}
        )


def _wait_reasons(waits: Mapping[str, Waits]) -> tuple[WaitReason, ...]:
    most = sorted(waits.items(), key=lambda one: -one[1].rows)[:_MAX_REASONS]
    return tuple(
        WaitReason(
            reason=reason,
            rows=one.rows,
            since=utc_time(round(one.since)),
            until=utc_time(round(one.until)),
        )
        for reason, one in most
    )


def _is_working(channel: ChannelStatus) -> bool:
    return not channel.paused and channel.breaker is BreakerState.CLOSED


def _estimate_time_left(name: ChannelName, channel: ChannelStatus, counts: CountsByLane) -> None:
    """Estimate each lane's end: a channel serves its lanes one after the other, urgent first."""
    rate = sum(lane.per_s or 0.0 for lane in channel.lanes.values())
    if not (_is_working(channel) and rate):
        return
    before = 0
    for lane, status in channel.lanes.items():
        ready = counts[name, lane].ready if status.backlog else 0
        before += ready
        if ready or not status.backlog:
            status.left_s = round(before / rate, 1) if ready else 0.0


def _channel_status(
    name: ChannelName,
    pauses: Mapping[ChannelName, Pause],
    breakers: Mapping[str, Breaker],
    at: float,
) -> ChannelStatus:
    circuits = breaker_store.circuits_of(name)
    broken = [_circuit_status(one, breakers[one], at) for one in circuits]
    broken = [one for one in broken if one.breaker is not BreakerState.CLOSED]
    first = broken[0] if broken else CircuitStatus()
    pause = pauses.get(name)
    return ChannelStatus(
        **first.model_dump(),
        paused=pause is not None,
        paused_since=pause.since if pause else None,
        paused_reason=pause.reason if pause else "",
        paused_by=pause.by if pause else "",
        other_breakers=tuple(broken[1:]),
        lanes={lane: LaneStatus() for lane in Lane},
    )


def _circuit_status(circuit: str, now: Breaker, at: float) -> CircuitStatus:
    waits = now.state is BreakerState.OPEN and not breaker.is_probe_due(now, at)
    return CircuitStatus(
        breaker=now.state,
        breaker_since=None if now.is_closed else utc_time(round(now.since)),
        breaker_reason=now.reason,
        breaker_part=circuit.partition(".")[2],
        next_probe=utc_time(round(now.until)) if waits else None,
    )
