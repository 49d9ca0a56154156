"""One process: the product's own planner, workers and sweeper, wired as in production."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from consumers import items
from consumers.addresses import Addresses, Places
from consumers.audience import Audience, OfficialAccount, Portal, Subscribers
from consumers.circuit import Circuit
from consumers.control import Pauses
from consumers.deliver import Deliver
from consumers.dispatch import Dispatch, Released
from consumers.feedback import Feedback, Receipt
from consumers.fence import Fence
from consumers.items import Item
from consumers.lanes import Gate
from consumers.ledger.store import Ledger, LedgerError
from consumers.library import Library
from consumers.settle import BUS_PAUSE_S, KEEP_ALIVE_S, Later
from consumers.slots import Slot
from consumers.sweep import Sweep
from consumers.wake import Waker, WakeUp
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from producers.bus import BusError
from tests.model.clocks import wall
from tests.model.kinds import Kind
from tests.model.loop import Actor
from tests.model.net import SimBus, Wire
from tests.model.people import Directory
from tests.model.queues import Parcel, Queue, Taker
from tests.model.receivers import Channel

if TYPE_CHECKING:
    from tests.model.world import World

RECEIPTS = "receipts"
Handler = Callable[[Parcel], Awaitable[None]]
T = TypeVar("T")


class SimSlot(Slot):
    """A slot whose file is a page of the world: it outlives a kill, and the dead can't write it."""

    def __init__(self, actor: Actor, name: str, incarnation: str, page: list[BatchKey]) -> None:
        self.actor = actor
        self.name = name
        self.incarnation = incarnation
        self.claims = 0
        self.active: set[BatchKey] = set()
        self.page = page
        self.left = list(page)

    def note(self) -> None:
        if self.actor.alive:
            self.page[:] = sorted(self.active)


@dataclass
class Positions:
    """The released positions of an item, as its record has them."""

    wire: Wire
    item: Callable[[str], Item]

    async def positions(self, content_id: str) -> list[int]:
        return await self.ask(lambda: sorted(self.item(content_id).released))

    async def overtaken(self, content_id: str, revision: int) -> str:
        return await self.ask(lambda: items.halted(self.item(content_id), revision))

    async def ask(self, look: Callable[[], T]) -> T:
        return await self.wire.insist("positions", look, 2.0, 10.0)


@dataclass
class Process:
    """One incarnation of a process."""

    world: "World"
    actor: Actor
    incarnation: int

    def __post_init__(self) -> None:
        world = self.world
        self.wire = Wire(
            self.actor, world.server, world.loop, world.weather, world.chance("net"),
            partial(world.stumble, self.actor),
        )  # fmt: skip
        self.bus: Any = SimBus(self.wire)
        self.clock = partial(wall, world.loop)
        self.ledger = Ledger(self.bus)
        self.ledger.name = f"{self.actor.name}"
        self.waker = Waker(self.bus)
        self.pauses = Pauses(self.bus)
        self.unseen = self.looking = False
        self.directory = Directory(
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
            sweep = Sweep(self.bus, self.ledger, self.waker, self.pauses, clock=self.clock)
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
            await self.pauses.look()
        self.looking = False

    def run(self, coro: Any) -> None:
        self.world.loop.spawn(self.actor, coro)

    # --- the product's parts

    def start_dispatch(self, kind: Kind) -> None:
        planner = Dispatch(
            kind.channel, self.ledger, self.waker,
            Fence(self.ledger, self.waker, self.clock),
            Positions(self.wire, self.world.item), self.audience(kind), Gate(2, 1),
            waits=not kind.local, clock=self.clock,
        )  # fmt: skip

        async def on_publication(parcel: Parcel) -> None:
            released = Released(publication=publications.decode(parcel.body), seq=parcel.seq)
            await planner.on_publication(released)

        self.subscribe(subjects.dispatch(kind.channel), 3, on_publication)

    def audience(self, kind: Kind) -> Audience:
        if kind.people:
            return Subscribers(self.directory)
        return Portal() if kind.local else OfficialAccount()

    async def start_deliver(self, kind: Kind) -> None:
        channel = Channel(self.world.receivers[kind.channel], self.actor, self.world)
        slot = self.slot(kind.channel)
        addresses: Addresses = self.directory if kind.people else Places()
        worker = Deliver(
            channel, self.ledger, Library(self.bus, self.ledger, channel.render), addresses,
            self.waker, Gate(kind.connections, 1), slot,
            Circuit(self.bus, kind.channel, self.clock),
            paused=lambda: kind.channel in self.pauses.channels, clock=self.clock,
        )  # fmt: skip
        await worker.guard.attend(self.pauses.breaker(kind.channel))
        self.pauses.listeners.append((kind.channel, worker.guard.attend))
        self.world.watch.owners[self.actor, kind.channel] = f"{slot.name}#{slot.incarnation}#"

        async def on_wake_up(parcel: Parcel) -> None:
            await worker.on_wake_up(WakeUp.model_validate_json(parcel.body))

        for lane, copies in worker.connections():
            self.subscribe(subjects.deliver(kind.channel, lane), copies, on_wake_up)
        if slot.left:
            self.run(self.recover(worker))

    def slot(self, channel: ChannelName) -> SimSlot:
        """The slot of the dead incarnation, unless the process comes up on another machine."""
        place = self.actor.name.partition("#")[0]
        if not self.world.story.same_slots:
            place = self.actor.name.replace("#", "-")
        page = self.world.pages.setdefault((place, channel), [])
        return SimSlot(self.actor, f"{place}.{channel}.0", str(self.incarnation), page)

    async def recover(self, worker: Deliver) -> None:
        """A process whose bus does not answer at start ends, and is started again."""
        while True:
            try:
                await worker.recover()
            except BusError:
                await asyncio.sleep(1.0)
            else:
                return

    async def on_receipt(self, parcel: Parcel) -> None:
        await Feedback(self.ledger).on_receipt(Receipt.model_validate_json(parcel.body))

    # --- what `consumers.settle` does

    def subscribe(self, subject: str, copies: int, handler: Handler) -> None:
        queue = self.world.server.queue(subject)

        def hear(parcel: Parcel) -> None:
            self.run(self.settle(queue, taker, parcel, handler))

        taker = Taker(self.actor, copies, hear)
        queue.join(taker)

    async def settle(self, queue: Queue, taker: Taker, parcel: Parcel, handler: Handler) -> None:
        """Run the handler, then acknowledge as its outcome says."""
        delivery = parcel.deliveries
        beat = Beat(self.wire, queue, parcel)
        try:
            await handler(parcel)
        except Later as later:
            self.wire.tell(partial(queue.nak, parcel, delivery, later.delay_s))
        except BusError:
            self.world.seen["a handler met trouble with the bus"] += 1
            self.wire.tell(partial(queue.nak, parcel, delivery, BUS_PAUSE_S))
        except LedgerError as broken:
            self.world.watch.wrong("the ledger keeps its own rules", broken)
            self.wire.tell(partial(queue.nak, parcel, delivery, min(2.0**delivery, 60.0)))
        else:
            self.wire.tell(partial(queue.ack, parcel))
        beat.stop()
        queue.give_back(taker)


class Beat:
    """Tells the server that a handler still works."""

    def __init__(self, wire: Wire, queue: Queue, parcel: Parcel) -> None:
        self.wire, self.queue, self.parcel = wire, queue, parcel
        self.timer = wire.loop.call_later(KEEP_ALIVE_S, self.beat)

    def beat(self) -> None:
        self.wire.tell(partial(self.queue.extend, self.parcel))
        self.timer = self.wire.loop.call_later(KEEP_ALIVE_S, self.beat)

    def stop(self) -> None:
        self.timer.cancel()
