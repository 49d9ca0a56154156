"""Days of trouble in seconds: real ledger and breaker, and a queue, workers and clock to play with.

`run` does what queue, timers and processes do. Every effect has its moment on the clock.
"""

import asyncio
import heapq
import itertools
import random
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from channels.base import Deadline, Outcome, Recipient
from channels.errors import Unreachable
from consumers.channel_health.pauses import ChannelMonitor
from consumers.deliver.worker import DeliveryWorker
from consumers.dispatch.supersede import Supersession
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import WakeUp
from consumers.operations.sweep import Sweeper
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.publication import Publication
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.scripted_channel import ScriptedChannel, StaticReaders, reader_ids
from tests.support.services import ReleasedPositions, new_audience, new_dispatcher, new_worker

SWEEP_S = 300.0
ACK_WAIT_S = 30.0
HOUR_S = 3600.0


@dataclass
class RateLimitedChannel(ScriptedChannel):
    """Takes `rate` rows a second on the test's clock; away while *away* says so."""

    clock: Callable[[], float] = float
    forward: Callable[[float], None] = print
    rate: float = 1000.0
    away: Callable[[], bool] = bool
    attempts: list[float] = field(default_factory=list)
    attempting: int = 0
    most_at_once: int = 0
    effect_log: list[tuple[float, str, int]] = field(default_factory=list)
    line: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["RateLimitedChannel"]:
        if self.away():
            await self.refuse()
        yield self

    async def refuse(self) -> None:
        """Slowly enough for others to call meanwhile, if they would."""
        self.attempts.append(self.clock())
        self.attempting += 1
        self.most_at_once = max(self.most_at_once, self.attempting)
        for _ in range(20):
            await asyncio.sleep(0)
        self.attempting -= 1
        raise Unreachable("no connection")

    async def send(
        self, rendered: str, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        async with self.line:
            self.forward(len(rows) / self.rate)
            outcomes = await super().send(rendered, rows, expired)
            self.effect_log.append((self.clock(), rendered, len(rows)))
            return outcomes


@dataclass(order=True)
class QueuedWakeUp:
    """A wake-up in the queue."""

    at: float
    number: int
    batch: BatchKey = field(compare=False)
    lane: Lane = field(compare=False)


@dataclass
class WakeUpQueue:
    """Queue of wake-ups as on the bus, on the test's clock."""

    clock: FakeClock
    calls: list[QueuedWakeUp] = field(default_factory=list)
    numbers: itertools.count = field(default_factory=itertools.count)

    def put(self, batch: BatchKey, lane: Lane, at: float) -> None:
        heapq.heappush(self.calls, QueuedWakeUp(at, next(self.numbers), batch, lane))

    async def wake(self, batch: BatchKey, lane: Lane, number: int | None = None) -> None:
        self.put(batch, lane, self.clock())

    async def schedule(self, batch: BatchKey, entry: LedgerEntry) -> None:
        self.put(batch, entry.lane, entry.due)


@dataclass
class WorkerProcess:
    """One worker process on one channel: its subscribers, and what they are busy with."""

    worker: DeliveryWorker
    tasks: dict[asyncio.Task[None], Lane] = field(default_factory=dict)

    async def kill(self) -> None:
        """Nothing is booked, nothing released: only the slot's lock goes, as the kernel sees to."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.worker.slot.close()

    def has_room(self, lane: Lane) -> bool:
        copies = dict(self.worker.subscribers_per_lane())[lane]
        return list(self.tasks.values()).count(lane) < copies


class OutageSimulation:
    """Planners, workers and a sweeper of some channels, and one clock for all."""

    def __init__(self, bus: Bus, folder: Path, readers: int, seed: int) -> None:
        self.bus, self.folder, self.random = bus, folder, random.Random(seed)
        self.clock, self.people = FakeClock(), StaticReaders(reader_ids(readers))
        self.queue = WakeUpQueue(self.clock)
        self.ledger, self.pauses = Ledger(bus), ChannelMonitor(bus)
        self.released = ReleasedPositions()
        self.fence = Supersession(self.ledger, self.queue, self.clock)
        self.sweeper = Sweeper(bus, self.ledger, self.queue, self.pauses, self.clock)
        self.swept_at = self.clock()
        self.providers: dict[ChannelName, RateLimitedChannel] = {}
        self.processes: dict[ChannelName, list[WorkerProcess]] = defaultdict(list)
        self.waiting: dict[tuple[ChannelName, Lane], deque[QueuedWakeUp]] = defaultdict(deque)
        self.plans: dict[PlanKey, Publication] = {}
        self.visits: Counter[ChannelName] = Counter()
        self.rescheduled: Counter[ChannelName] = Counter()

    async def open(
        self, channel: ChannelName, processes: int = 1, **provider: object
    ) -> RateLimitedChannel:
        """A channel with its workers."""
        self.providers[channel] = RateLimitedChannel(
            name=channel, clock=self.clock, forward=self.clock.advance, **provider
        )
        for _ in range(processes):
            await self.start(channel)
        return self.providers[channel]

    async def start(self, channel: ChannelName) -> None:
        provider = self.providers[channel]
        contacts = {"contact_lookup": self.people} if channel is ChannelName.EMAIL else {}
        worker = new_worker(
            self.bus, provider, self.clock, self.folder, ledger=self.ledger, waker=self.queue,
            is_paused=lambda: channel in self.pauses.paused_channels, **contacts,
        )  # fmt: skip
        for circuit, gate in worker.gates.items():
            await gate.refresh(self.pauses.breaker(circuit))
            self.pauses.listeners.append((circuit, gate.refresh))
        self.processes[channel].append(WorkerProcess(worker))
        await worker.wake_interrupted()

    async def restart(self) -> None:
        """Every process is killed and comes back; it knows what the bus holds, and its slot."""
        self.pauses = ChannelMonitor(self.bus)
        await self.pauses.refresh()
        self.sweeper = Sweeper(self.bus, self.ledger, self.queue, self.pauses, self.clock)
        for channel, group in list(self.processes.items()):
            dead = list(group)
            group.clear()
            for process in dead:
                await process.kill()
                await self.start(channel)

    async def publish(self, channel: ChannelName, publication: Publication) -> PlanKey:
        released = await self.released.publish(self.bus, publication)
        planner = new_dispatcher(
            self.bus, new_audience(channel, self.people), self.released, self.clock,
            channel=channel, ledger=self.ledger, waker=self.queue, supersession=self.fence,
        )  # fmt: skip
        await planner.on_publication(released)
        plan = PlanKey(channel, publication.content_id, publication.revision)
        self.plans[plan] = publication
        return plan

    # ---- what queue, timers and subscribers do ------------------------------------------------

    async def run(self, until: float) -> None:
        """Go on until *until*."""
        while self.clock() < until:
            await self.tick()
            self.hand_out()
            if tasks := self.tasks():
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self.collect()
            elif self.queue.calls or any(self.waiting.values()):
                self.clock.now = max(self.clock(), min(self.next_call(), until))
            else:
                self.clock.now = until
        await asyncio.gather(*self.tasks())
        self.collect()

    def tasks(self) -> list[asyncio.Task[None]]:
        every = [process for group in self.processes.values() for process in group]
        return [task for process in every for task in process.tasks]

    def next_call(self) -> float:
        return self.queue.calls[0].at if self.queue.calls else self.swept_at + SWEEP_S

    async def tick(self) -> None:
        """The services' own timers: a look at the control bucket, the sweeper."""
        for channel, group in self.processes.items():
            breaker = self.pauses.breaker(channel)
            if any(process.worker.gates[channel].current != breaker for process in group):
                await self.pauses.refresh()
        if self.pauses.resumed_event.is_set() or self.clock() - self.swept_at >= SWEEP_S:
            self.pauses.resumed_event.clear()
            self.swept_at = self.clock()
            await self.sweeper.sweep()

    def hand_out(self) -> None:
        """Give each lane's subscribers what is due."""
        while self.queue.calls and self.queue.calls[0].at <= self.clock():
            call = heapq.heappop(self.queue.calls)
            self.waiting[call.batch.channel, call.lane].append(call)
        for (channel, lane), calls in self.waiting.items():
            group = self.processes[channel]
            for process in self.random.sample(group, len(group)):
                while calls and process.has_room(lane):
                    task = asyncio.create_task(self.handle(process.worker, calls.popleft()))
                    process.tasks[task] = lane

    def collect(self) -> None:
        for group in self.processes.values():
            for process in group:
                for task in [task for task in process.tasks if task.done()]:
                    del process.tasks[task]
                    task.result()

    async def handle(self, worker: DeliveryWorker, call: QueuedWakeUp) -> None:
        """One delivery of one wake-up; a nak brings it back."""
        self.visits[call.batch.channel] += 1
        try:
            await worker.on_wake_up(WakeUp(batch=str(call.batch), lane=call.lane))
        except asyncio.CancelledError:
            self.queue.put(call.batch, call.lane, self.clock() + ACK_WAIT_S)
            raise
        except RetryLater as later:
            self.rescheduled[call.batch.channel] += 1
            self.queue.put(call.batch, call.lane, self.clock() + later.delay_s)

    # ---- what came of it ----------------------------------------------------------------------

    async def entries(self, plan: PlanKey) -> list[LedgerEntry]:
        cursor = (await self.ledger.plan(plan)).value
        return [held.value async for _, held in self.ledger.entries(plan, cursor)]

    async def counts(self, plans: Sequence[PlanKey]) -> Counter[Status]:
        total: Counter[Status] = Counter()
        for plan in plans:
            for entry in await self.entries(plan):
                total.update(entry.count_by_status())
        return total
