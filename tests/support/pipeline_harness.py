"""Intake, desk, planners and workers of all channels on a real bus; providers that note effects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.base import Recipient
from consumers.intake.handler import Intake
from consumers.ledger.store import Ledger
from consumers.runtime.errors import RetryLater
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import StoredPublication
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.scripted_channel import ScriptedChannel, StaticReaders
from tests.support.services import new_audience, new_dispatcher, new_worker, wake_until_closed

ROUNDS = 40


@dataclass
class RecordingChannel(ScriptedChannel):
    """Publications that one channel's public has seen: (content_id, revision, recipient)."""

    effect_log: list[tuple[str, int, str]] = field(default_factory=list)

    def answer_row(self, rendered: str, row: Recipient, expired: Any) -> Any:
        before = len(self.arrivals)
        said = super().answer_row(rendered, row, expired)
        if len(self.arrivals) > before:
            content_id, _, revision = rendered.rpartition(".")
            self.effect_log.append((content_id, int(revision), row.id))
        return said


class ChannelServices:
    """One channel: its planner and its worker, wired as the composition root does."""

    def __init__(self, pipeline: "PipelineHarness", name: ChannelName, folder: Path) -> None:
        self.pipeline, self.name, self.clock = pipeline, name, pipeline.clock
        self.provider = RecordingChannel(name=name, window=25 if name is ChannelName.EMAIL else 1)
        bus = pipeline.bus
        self.ledger, readers = Ledger(bus), pipeline.readers
        self.planner = new_dispatcher(
            bus, new_audience(name, readers), pipeline.intake.repository, self.clock,
            channel=name, ledger=self.ledger,
        )  # fmt: skip
        contacts = {"contact_lookup": readers} if name is ChannelName.EMAIL else {}
        self.worker = new_worker(
            bus, self.provider, self.clock, folder, ledger=self.ledger, **contacts
        )

    async def deliver(self, released: Sequence[StoredPublication]) -> None:
        """Deliver publications until each is planned and done, in the order given."""
        waiting = list(released)
        for _ in range(ROUNDS):
            if not waiting:
                return
            waiting = [one for one in waiting if not await self.plan(one)]
            for one in released:
                await self.work(one)
        raise AssertionError(f"{self.name}: {len(waiting)} publications are never planned")

    async def plan(self, released: StoredPublication) -> bool:
        try:
            await self.planner.on_publication(released)
        except RetryLater as later:
            self.clock.advance(later.delay_s)
            return False
        return True

    async def work(self, released: StoredPublication) -> None:
        """Wake every batch of a publication until it is closed."""
        plan = PlanKey(self.name, released.publication.content_id, released.publication.revision)
        held = await self.ledger.plan(plan)
        for number in range(held.value.stored_count if held else 0):
            batch, lane = BatchKey(*plan, number), released.publication.lane
            await wake_until_closed(self.worker, self.clock, batch, lane)


class PipelineHarness:
    """Everything between an event and its effects, but without processes and queues."""

    def __init__(
        self,
        bus: Bus,
        folder: Path,
        readers: Iterable[str] = ("r1", "r2", "r3"),
        clock: FakeClock | None = None,
    ) -> None:
        self.bus, self.clock = bus, clock or FakeClock()
        self.readers = StaticReaders(list(readers))
        self.intake = Intake(bus, DEFAULT, self.clock)
        self.desk = self.intake.decisions
        self.services = {name: ChannelServices(self, name, folder) for name in ChannelName}
        self.done: set[int] = set()

    async def released(self, content_id: str) -> list[StoredPublication]:
        """The publications of an item, as its stream holds them."""
        found = self.bus.scan(subjects.PUBLICATIONS.name, f"publication.*.{content_id}")
        return [
            StoredPublication(publication=publications.decode(one.data), seq=one.seq)
            async for one in found
        ]

    async def deliver(
        self, content_id: str, *, backwards: bool = False, again: bool = False
    ) -> None:
        """Hand out what was released since the last time, or all of it *again*.

        *backwards* = the newest first.
        """
        found = await self.released(content_id)
        some = [one for one in found if again or one.seq not in self.done]
        for service in self.services.values():
            await service.deliver(some[::-1] if backwards else some)
        self.done |= {one.seq for one in some}

    def effects_of(self, content_id: str) -> dict[ChannelName, list[tuple[int, str]]]:
        """Per channel what happened, in order: (revision, recipient)."""
        return {
            name: [
                (number, who)
                for item, number, who in service.provider.effect_log
                if item == content_id
            ]
            for name, service in self.services.items()
        }
