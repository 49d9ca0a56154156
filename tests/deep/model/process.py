"""One process: the product's own planner, workers and sweeper, wired as in production."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consumers.channel_health.pauses import ChannelMonitor
from consumers.deliver.worker import DeliveryWorker
from consumers.deliver.worker_slot_file import WorkerSlot
from consumers.dispatch.audience import Audience, PortalAudience, SubscriberAudience, ZaloAudience
from consumers.feedback.handler import DeliveryReceipt, FeedbackHandler
from consumers.intake import items
from consumers.intake.items import Item
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.operations.sweep import Sweeper
from consumers.recipients import ContactLookup, FixedRecipients
from consumers.runtime.ack import BUS_RETRY_S, KEEP_ALIVE_S
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.publication import StoredPublication
from producers.bus import BusError
from tests.deep.model.receivers import ReceiverKind, SimulatedChannel
from tests.deep.model.simulated_bus import (
    DurableConsumer,
    NetworkClient,
    SimBus,
    Subscription,
    UnackedMessage,
)
from tests.deep.model.subscribers import LaggingDirectory
from tests.deep.model.virtual_loop import ProcessState, wall
from tests.support.services import new_dispatcher, new_worker

if TYPE_CHECKING:
    from tests.deep.model.world import Simulation

RECEIPTS = "receipts"
Handler = Callable[[UnackedMessage], Awaitable[None]]


class SimSlot(WorkerSlot):
    """A slot whose file is a page of the world: it outlives a kill, and the dead can't write it."""

    def __init__(
        self, actor: ProcessState, name: str, incarnation: str, page: list[BatchKey]
    ) -> None:
        self.actor, self.name, self.incarnation, self.page = actor, name, incarnation, page
        self.lease_count = 0
        self.active_batches: set[BatchKey] = set()
        self.interrupted_batches = list(page)

    def write_active_batches(self) -> None:
        if self.actor.alive:
            self.page[:] = sorted(self.active_batches)


@dataclass
class ReleasedPositions:
    """The released positions of an item, as its record has them."""

    wire: NetworkClient
    item: Callable[[str], Item]

    async def released_positions(self, content_id: str) -> list[int]:
        return await self.wire.read("positions", lambda: sorted(self.item(content_id).released))

    async def halt_mark(self, content_id: str, revision: int) -> str:
        return await self.wire.read(
            "positions", lambda: items.halt_mark(self.item(content_id), revision)
        )


@dataclass
class Process:
    """One incarnation of a process."""

    world: "Simulation"
    actor: ProcessState
    incarnation: int

    def __post_init__(self) -> None:
        world = self.world
        self.wire = NetworkClient(
            self.actor, world.server, world.loop, world.story.network_faults, world.chance("net"),
            partial(world.nemesis.interrupt, self.actor),
        )  # fmt: skip
        self.bus: Any = SimBus(self.wire)
        self.clock = partial(wall, world.loop)
        self.ledger = Ledger(self.bus)
        self.ledger.writer_id = self.actor.name
        self.waker = Waker(self.bus)
        self.pauses = ChannelMonitor(self.bus)
        self.unseen = self.looking = False
        lag_s = world.chance("lag").duration(((0.01, 0.1), (0.1, 3.0)))
        readers = self.bus.bucket(subjects.SUBSCRIBERS.name)
        self.directory = LaggingDirectory(world.readers, world.loop, readers, lag_s)

    async def start(self) -> None:
        self.unseen = self.looking = True
        await self.look_around()
        for kind in self.world.kinds.values():
            self.start_dispatch(kind)
            await self.start_deliver(kind)
        self.subscribe(RECEIPTS, 1, self.on_receipt)
        if self.world.story.sweeps:
            sweep = Sweeper(self.bus, self.ledger, self.waker, self.pauses, clock=self.clock)
            self.run(sweep.run())

    def look(self) -> None:
        """Look as `Pauses.run` does every second; here, when there is something to see."""
        self.unseen = True
        if not self.looking:
            self.looking = True
            self.run(self.look_around())

    async def look_around(self) -> None:
        while self.unseen:
            self.unseen = False
            await self.pauses.refresh()
        self.looking = False

    def run(self, coro: Any) -> None:
        self.world.loop.spawn(self.actor, coro)

    # --- the product's parts

    def start_dispatch(self, kind: ReceiverKind) -> None:
        planner = new_dispatcher(
            self.bus, self.audience(kind),
            ReleasedPositions(self.wire, self.world.item), self.clock,
            channel=kind.channel, ledger=self.ledger, waker=self.waker, gate=LaneSemaphore(2, 1),
            waits_for_earlier=not kind.is_local,
        )  # fmt: skip

        async def on_publication(message: UnackedMessage) -> None:
            publication = publications.decode(message.body)
            await planner.on_publication(
                StoredPublication(publication=publication, seq=message.seq)
            )

        self.subscribe(subjects.dispatch(kind.channel), 3, on_publication)

    def audience(self, kind: ReceiverKind) -> Audience:
        if kind.has_recipients:
            return SubscriberAudience(self.directory)
        return PortalAudience() if kind.is_local else ZaloAudience()

    async def start_deliver(self, kind: ReceiverKind) -> None:
        channel = SimulatedChannel(self.world.receivers[kind.channel], self.actor, self.world)
        slot = self.slot(kind.channel)
        addresses: ContactLookup = self.directory if kind.has_recipients else FixedRecipients()
        worker = new_worker(
            self.bus, channel, self.clock, Path(), slot=slot, contact_lookup=addresses,
            ledger=self.ledger, waker=self.waker, semaphore=LaneSemaphore(kind.connections, 1),
            is_paused=lambda: kind.channel in self.pauses.paused_channels,
        )  # fmt: skip
        for circuit, gate in worker.gates.items():
            await gate.refresh(self.pauses.breaker(circuit))
            self.pauses.listeners.append((circuit, gate.refresh))
        self.world.monitor.owners[self.actor, kind.channel] = f"{slot.name}#{slot.incarnation}#"

        async def on_wake_up(message: UnackedMessage) -> None:
            await worker.on_wake_up(WakeUp.model_validate_json(message.body))

        for lane, copies in worker.subscribers_per_lane():
            self.subscribe(subjects.deliver(kind.channel, lane), copies, on_wake_up)
        if slot.interrupted_batches:
            self.run(self.recover(worker))

    def slot(self, channel: ChannelName) -> SimSlot:
        """The slot of the dead incarnation, unless the process comes up on another machine."""
        same = self.world.story.same_slots
        place = self.actor.place if same else self.actor.name.replace("#", "-")
        page = self.world.pages.setdefault((place, channel), [])
        return SimSlot(self.actor, f"{place}.{channel}.0", str(self.incarnation), page)

    async def recover(self, worker: DeliveryWorker) -> None:
        """A process whose bus does not answer at start ends, and is started again."""
        while True:
            try:
                await worker.wake_interrupted()
            except BusError:
                await asyncio.sleep(1.0)
            else:
                return

    async def on_receipt(self, message: UnackedMessage) -> None:
        receipt = DeliveryReceipt.model_validate_json(message.body)
        await FeedbackHandler(self.ledger, clock=self.clock).on_receipt(receipt)

    # --- what `consumers.runtime.ack` does

    def subscribe(self, subject: str, copies: int, handler: Handler) -> None:
        queue = self.world.server.queue(subject)

        def hear(message: UnackedMessage) -> None:
            self.run(self.settle(queue, subscription, message, handler))

        subscription = Subscription(self.actor, copies, hear)
        queue.join(subscription)

    async def settle(
        self,
        queue: DurableConsumer,
        subscription: Subscription,
        message: UnackedMessage,
        handler: Handler,
    ) -> None:
        """Run the handler, then acknowledge as its outcome says."""
        delivery = message.deliveries
        heartbeat = Heartbeat(self.wire, partial(queue.extend, message))
        try:
            await handler(message)
        except RetryLater as later:
            reply = partial(queue.nak, message, delivery, later.delay_s)
        except BusError:
            self.world.seen["a handler met trouble with the bus"] += 1
            reply = partial(queue.nak, message, delivery, BUS_RETRY_S)
        except LedgerError as broken:
            self.world.monitor.violation("the ledger keeps its own rules", broken)
            reply = partial(queue.nak, message, delivery, min(2.0**delivery, 60.0))
        else:
            reply = partial(queue.ack, message)
        self.wire.send_reply(reply)
        heartbeat.stop()
        queue.ask_again(subscription)


class Heartbeat:
    """Tells the server that a handler still works."""

    def __init__(self, wire: NetworkClient, extend: Callable[[], None]) -> None:
        self.wire, self.extend = wire, extend
        self.wait()

    def wait(self) -> None:
        self.timer = self.wire.loop.call_later(KEEP_ALIVE_S, self.beat)

    def beat(self) -> None:
        self.wire.send_reply(self.extend)
        self.wait()

    def stop(self) -> None:
        self.timer.cancel()
