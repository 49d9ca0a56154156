"""One process: the product's own planner, workers and sweeper, wired as in production."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from consumers.channel_health.pauses import ChannelMonitor
from consumers.deliver.slots import WorkerSlot
from consumers.deliver.worker import DeliveryWorker
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
from tests.deep.model.clocks import wall
from tests.deep.model.network import NetworkClient, SimBus
from tests.deep.model.queues import DurableConsumer, Subscription, UnackedMessage
from tests.deep.model.receiver_kinds import ReceiverKind
from tests.deep.model.receivers import SimulatedChannel
from tests.deep.model.subscribers import LaggingDirectory
from tests.deep.model.virtual_loop import ProcessState
from tests.support.services import new_dispatcher, new_worker

if TYPE_CHECKING:
    from tests.deep.model.world import Simulation

RECEIPTS = "receipts"
Handler = Callable[[UnackedMessage], Awaitable[None]]
T = TypeVar("T")


class SimSlot(WorkerSlot):
    """A slot whose file is a page of the world: it outlives a kill, and the dead can't write it."""

    def __init__(
        self, actor: ProcessState, name: str, incarnation: str, page: list[BatchKey]
    ) -> None:
        self.actor = actor
        self.name = name
        self.incarnation = incarnation
        self.lease_count = 0
        self.active_batches: set[BatchKey] = set()
        self.page = page
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
        return await self.ask(lambda: sorted(self.item(content_id).released))

    async def halt_mark(self, content_id: str, revision: int) -> str:
        return await self.ask(lambda: items.halt_mark(self.item(content_id), revision))

    async def ask(self, look: Callable[[], T]) -> T:
        return await self.wire.ask_until_answered("positions", look, 2.0, 10.0)


@dataclass
class Process:
    """One incarnation of a process."""

    world: "Simulation"
    actor: ProcessState
    incarnation: int

    def __post_init__(self) -> None:
        world = self.world
        self.wire = NetworkClient(
            self.actor, world.server, world.loop, world.weather, world.chance("net"),
            partial(world.interrupt, self.actor),
        )  # fmt: skip
        self.bus: Any = SimBus(self.wire)
        self.clock = partial(wall, world.loop)
        self.ledger = Ledger(self.bus)
        self.ledger.writer_id = f"{self.actor.name}"
        self.waker = Waker(self.bus)
        self.pauses = ChannelMonitor(self.bus)
        self.unseen = self.looking = False
        self.directory = LaggingDirectory(
            world.readers, world.loop, self.bus.bucket(subjects.SUBSCRIBERS.name), world.lag()
        )

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
        """What `Pauses.run` does every second; here, when there is something to see."""
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

        async def on_publication(parcel: UnackedMessage) -> None:
            released = StoredPublication(
                publication=publications.decode(parcel.body), seq=parcel.seq
            )
            await planner.on_publication(released)

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
        await worker.channel_gate.refresh(self.pauses.breaker(kind.channel))
        self.pauses.listeners.append((kind.channel, worker.channel_gate.refresh))
        self.world.watch.owners[self.actor, kind.channel] = f"{slot.name}#{slot.incarnation}#"

        async def on_wake_up(parcel: UnackedMessage) -> None:
            await worker.on_wake_up(WakeUp.model_validate_json(parcel.body))

        for lane, copies in worker.subscribers_per_lane():
            self.subscribe(subjects.deliver(kind.channel, lane), copies, on_wake_up)
        if slot.interrupted_batches:
            self.run(self.recover(worker))

    def slot(self, channel: ChannelName) -> SimSlot:
        """The slot of the dead incarnation, unless the process comes up on another machine."""
        place = self.actor.name.partition("#")[0]
        if not self.world.story.same_slots:
            place = self.actor.name.replace("#", "-")
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

    async def on_receipt(self, parcel: UnackedMessage) -> None:
        await FeedbackHandler(self.ledger).on_receipt(
            DeliveryReceipt.model_validate_json(parcel.body)
        )

    # --- what `consumers.runtime.ack` does

    def subscribe(self, subject: str, copies: int, handler: Handler) -> None:
        queue = self.world.server.queue(subject)

        def hear(parcel: UnackedMessage) -> None:
            self.run(self.settle(queue, taker, parcel, handler))

        taker = Subscription(self.actor, copies, hear)
        queue.join(taker)

    async def settle(
        self, queue: DurableConsumer, taker: Subscription, parcel: UnackedMessage, handler: Handler
    ) -> None:
        """Run the handler, then acknowledge as its outcome says."""
        delivery = parcel.deliveries
        beat = HeartbeatTarget(self.wire, queue, parcel)
        try:
            await handler(parcel)
        except RetryLater as later:
            self.wire.send_reply(partial(queue.nak, parcel, delivery, later.delay_s))
        except BusError:
            self.world.seen["a handler met trouble with the bus"] += 1
            self.wire.send_reply(partial(queue.nak, parcel, delivery, BUS_RETRY_S))
        except LedgerError as broken:
            self.world.watch.violation("the ledger keeps its own rules", broken)
            self.wire.send_reply(partial(queue.nak, parcel, delivery, min(2.0**delivery, 60.0)))
        else:
            self.wire.send_reply(partial(queue.ack, parcel))
        beat.stop()
        queue.return_messages(taker)


class HeartbeatTarget:
    """Tells the server that a handler still works."""

    def __init__(self, wire: NetworkClient, queue: DurableConsumer, parcel: UnackedMessage) -> None:
        self.wire, self.queue, self.parcel = wire, queue, parcel
        self.timer = wire.loop.call_later(KEEP_ALIVE_S, self.beat)

    def beat(self) -> None:
        self.wire.send_reply(partial(self.queue.extend, self.parcel))
        self.timer = self.wire.loop.call_later(KEEP_ALIVE_S, self.beat)

    def stop(self) -> None:
        self.timer.cancel()
