"""Sweeper: find batches whose wake-up was lost, and wake them. It never writes to the ledger."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from consumers.channel_health import breaker_store
from consumers.channel_health.pauses import ChannelMonitor, pause_circuits
from consumers.ledger import codec, watermark
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, count_queued
from contracts.delivery import BatchKey, ChannelName, Lane
from producers.bus import Bus, BusError, Value
from producers.bus.periodic import attempt

log = structlog.get_logger()
INTERVAL_S = 60.0
GRACE_S = 120.0
_CLOSED_GRACE_S = 120.0
_FULL_SCAN_EVERY = 60
_STATE_PREFIX = "state."


@dataclass
class Sweeper:
    """Scans the open batches once a minute, and keeps the scan watermark."""

    bus: Bus
    ledger: Ledger
    waker: Waker
    channel_monitor: ChannelMonitor
    clock: Callable[[], float] = time.time
    interval_s: float = INTERVAL_S
    woken_at: dict[str, float] = field(default_factory=dict)
    blocked_circuits: frozenset[str] = frozenset()  # paused, or unable to work
    resumed_circuits: frozenset[str] = frozenset()  # no longer
    unprobed_circuits: set[str] = field(default_factory=set)  # with an overdue probe
    idle_lanes: dict[tuple[ChannelName, Lane], bool] = field(default_factory=dict)
    unreadable_keys: set[str] = field(default_factory=set)
    sweep_count: int = 0
    scan_start: int = 1
    last_scan_end: int = 0  # the end of the ledger at the last sweep
    written_watermark: int = 0
    first_open: int = 1

    async def run(self) -> None:
        """Sweep once a minute, and at once when a channel resumes."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.channel_monitor.resumed_event.wait(), self.interval_s)
            self.channel_monitor.resumed_event.clear()
            await attempt(self.sweep)

    async def sweep(self) -> int:
        """Wake stuck batches and batches of resumed channels; return their number."""
        self.idle_lanes.clear()
        await self.refresh_circuits()
        resumed = frozenset(self.channel_monitor.resumed_circuits)
        self.resumed_circuits = resumed - self.blocked_circuits
        self.channel_monitor.resumed_circuits -= self.resumed_circuits
        try:
            stuck = await self.scan()
        except BusError:
            self.channel_monitor.resumed_circuits |= self.resumed_circuits  # for the next sweep
            raise
        if stuck and self.resumed_circuits:
            log.info("batches_called_back", batches=stuck)
        elif stuck:
            log.warning("batches_swept", batches=stuck)
        return stuck

    async def refresh_circuits(self) -> None:
        """Update the blocked circuits, and those of them whose probe is long overdue."""
        known = self.channel_monitor.breakers
        breakers = (await breaker_store.load_breakers(self.bus, known)).items()
        broken = {circuit: breaker for circuit, breaker in breakers if not breaker.is_closed}
        paused = pause_circuits(self.channel_monitor.paused_channels)
        self.blocked_circuits = paused | broken.keys()
        limit = self.clock() - GRACE_S
        long_due = {circuit for circuit, breaker in broken.items() if breaker.until < limit}
        self.unprobed_circuits = long_due - paused

    async def scan(self) -> int:
        """Scan from the first open batch on; every FULL_SCAN_EVERY sweeps, the whole ledger."""
        start = 1 if self.sweep_count % _FULL_SCAN_EVERY == 0 else self.scan_start
        bound = await self.ledger.bucket.last_seq()
        self.first_open = self.last_scan_end + 1  # on every replica since the last sweep
        stuck = 0
        async for key, value in self.ledger.bucket.values(_STATE_PREFIX, start=start):
            stuck += await self.wake_if_stuck(key, value)
        if self.last_scan_end and self.first_open != self.written_watermark:
            await watermark.write_watermark(self.bus, self.first_open)
            self.written_watermark = self.first_open
        self.scan_start, self.last_scan_end = self.first_open, bound
        self.sweep_count += 1
        return stuck

    async def wake_if_stuck(self, key: str, value: Value) -> bool:
        decoded = self.decode_batch(key, value.data)
        closed_at = decoded[1].closed_at if decoded else 0.0
        if not closed_at or closed_at > self.clock() - _CLOSED_GRACE_S:
            self.first_open = min(self.first_open, value.revision)
        if decoded is None or closed_at:
            self.woken_at.pop(key, None)
            return False
        batch, entry = decoded
        if not await self.is_stuck(key, batch, entry):
            return False
        await self.waker.wake(batch, entry.lane)
        self.woken_at[key] = self.clock()
        return True

    def decode_batch(self, key: str, data: bytes) -> tuple[BatchKey, LedgerEntry] | None:
        """Decode one batch; an unreadable one is logged once and skipped."""
        try:
            return BatchKey.parse(key.removeprefix(_STATE_PREFIX)), codec.decode_state(data)
        except codec.DECODE_ERRORS as broken:
            if key not in self.unreadable_keys:
                log.error("batch_unreadable", key=key, error=type(broken).__name__)
                self.unreadable_keys.add(key)
            return None

    async def is_stuck(self, key: str, batch: BatchKey, entry: LedgerEntry) -> bool:
        """Whether due and lease are long past, not woken lately, lane empty, and channel working.

        The last two keep a blocked or busy channel from being flooded. When a channel resumes, its
        due batches without an owner are woken at once, as their wake-ups may be minutes away. On a
        blocked channel without wake-ups, one batch is woken to probe it.
        """
        circuit = breaker_store.circuit_of(batch.channel, entry.lane)
        if circuit in self.resumed_circuits:
            return max(entry.due, entry.lease_until) <= self.clock()
        latest = max(entry.due, entry.lease_until, self.woken_at.get(key, 0.0))
        is_blocked = circuit in self.blocked_circuits - self.unprobed_circuits
        if is_blocked or latest > self.clock() - GRACE_S:
            return False
        stuck = await self.is_lane_idle(batch.channel, entry.lane)
        if stuck:
            self.unprobed_circuits.discard(circuit)
        return stuck

    async def is_lane_idle(self, channel: ChannelName, lane: Lane) -> bool:
        """Whether *lane* had no wake-ups before this sweep."""
        if (channel, lane) not in self.idle_lanes:
            self.idle_lanes[channel, lane] = not await count_queued(self.bus, channel, lane)
        return self.idle_lanes[channel, lane]
