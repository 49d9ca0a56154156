"""Intake, desk, planners and workers of all channels on a real bus; providers that note effects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.base import Recipient
from consumers.addresses import Places
from consumers.audience import OfficialAccount, Portal, Subscribers
from consumers.circuit import Circuit
from consumers.deliver import Deliver
from consumers.dispatch import Dispatch, Released
from consumers.fence import Fence
from consumers.intake import Intake
from consumers.lanes import Gate
from consumers.ledger.store import Ledger
from consumers.library import Library
from consumers.settle import Later
from consumers.slots import Slot
from consumers.wake import Waker, WakeUp
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.fakes import Clock, People, Provider

ROUNDS = 40


@dataclass
class Effects(Provider):
    """What one channel's public has seen, in order: (content_id, revision, recipient)."""

    seen: list[tuple[str, int, str]] = field(default_factory=list)

    def one(self, rendered: str, row: Recipient, expired: Any) -> Any:
        before = len(self.arrivals)
        said = super().one(rendered, row, expired)
        if len(self.arrivals) > before:
            content_id, _, revision = rendered.rpartition(".")
            self.seen.append((content_id, int(revision), row.id))
        return said


class Office:
    """One channel: its planner and its worker, wired as the composition root does."""

    def __init__(self, ministry: "Ministry", name: ChannelName, folder: Path) -> None:
        self.ministry, self.name, self.clock = ministry, name, ministry.clock
        self.provider = Effects(name=name, window=25 if name is ChannelName.EMAIL else 1)
        bus = ministry.bus
        self.ledger, waker = Ledger(bus), Waker(bus)
        readers = ministry.readers
        audiences = {
            ChannelName.EMAIL: (Subscribers(readers), readers),
            ChannelName.ZALO: (OfficialAccount(), Places()),
            ChannelName.PORTAL: (Portal(), Places()),
        }
        audience, addresses = audiences[name]
        self.planner = Dispatch(
            name, self.ledger, waker, Fence(self.ledger, waker, self.clock),
            ministry.intake.release, audience, Gate(3), waits=name is not ChannelName.PORTAL,
            clock=self.clock,
        )  # fmt: skip
        self.worker = Deliver(
            self.provider, self.ledger, Library(bus, self.ledger, self.provider.render), addresses,
            waker, Gate(2), Slot(folder, name), Circuit(bus, name, self.clock), clock=self.clock,
        )  # fmt: skip

    async def hand_out(self, released: Sequence[Released]) -> None:
        """Deliver publications until each is planned and done, in the order given."""
        waiting = list(released)
        for _ in range(ROUNDS):
            if not waiting:
                return
            waiting = [one for one in waiting if not await self.plan(one)]
            for one in released:
                await self.work(one)
        raise AssertionError(f"{self.name}: {len(waiting)} publications are never planned")

    async def plan(self, released: Released) -> bool:
        try:
            await self.planner.on_publication(released)
        except Later as later:
            self.clock.forward(later.delay_s)
            return False
        return True

    async def work(self, released: Released) -> None:
        """Wake every batch of a publication until it is closed."""
        plan = PlanKey(self.name, released.publication.content_id, released.publication.revision)
        held = await self.ledger.plan(plan)
        for number in range(held.value.count if held else 0):
            await self.close(BatchKey(*plan, number), released)

    async def close(self, batch: BatchKey, released: Released) -> None:
        for _ in range(ROUNDS):
            state = await self.ledger.state(batch)
            if state.value.closed:
                return
            try:
                wake_up = WakeUp(batch=str(batch), lane=released.publication.lane)
                await self.worker.on_wake_up(wake_up)
            except Later as later:
                self.clock.forward(later.delay_s)
            else:
                self.clock.forward(max(0.0, state.value.due - self.clock()))
        raise AssertionError(f"{batch} never closes")


class Ministry:
    """Everything between an event and its effects, but without processes and queues."""

    def __init__(self, bus: Bus, folder: Path, readers: Iterable[str] = ("r1", "r2", "r3")) -> None:
        self.bus, self.clock = bus, Clock()
        self.readers = People(list(readers))
        self.intake = Intake(bus, DEFAULT, self.clock)
        self.desk = self.intake.desk
        self.offices = {name: Office(self, name, folder) for name in ChannelName}
        self.done: set[int] = set()

    async def released(self, content_id: str) -> list[Released]:
        """The publications of an item, as its stream holds them."""
        found = self.bus.scan(subjects.PUBLICATIONS.name, f"publication.*.{content_id}")
        return [
            Released(publication=publications.decode(one.data), seq=one.seq) async for one in found
        ]

    async def deliver(
        self, content_id: str, *, backwards: bool = False, again: bool = False
    ) -> None:
        """Hand out what was released since the last time, or all of it *again*.

        *backwards* = the newest first.
        """
        found = await self.released(content_id)
        some = [one for one in found if again or one.seq not in self.done]
        for office in self.offices.values():
            await office.hand_out(some[::-1] if backwards else some)
        self.done |= {one.seq for one in some}

    def seen(self, content_id: str) -> dict[ChannelName, list[tuple[int, str]]]:
        """Per channel what happened, in order: (revision, recipient)."""
        return {
            name: [
                (number, who) for item, number, who in office.provider.seen if item == content_id
            ]
            for name, office in self.offices.items()
        }
