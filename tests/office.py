"""A case event's whole way with scripted channels: the door, intake, the ledger, two workers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.base import Outcome
from consumers.cases import Cases
from consumers.circuit import Circuit
from consumers.deliver import Deliver
from consumers.lanes import Gate
from consumers.ledger.store import Ledger
from consumers.library import Library
from consumers.notices import Notices, Persons
from consumers.slots import Slot
from consumers.suppressions import Suppressions
from consumers.wake import Waker, WakeUp
from contracts import envelope, subjects
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from producers.bus import Bus
from tests.doors import UNIT, Door
from tests.fakes import Clock, People, Provider

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
SECRET = b"a secret for tests"


@dataclass
class Office:
    """The parts as the composition root joins them."""

    bus: Bus
    door: Door
    folder: Path
    clock: Clock
    providers: dict[ChannelName, Provider] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger, self.waker = Ledger(self.bus), Waker(self.bus)
        self.notices = Notices(self.bus, self.ledger, self.waker)
        self.suppressed = Suppressions(self.bus, SECRET)
        self.cases = Cases(self.bus, self.notices, self.clock)
        self.workers = {one: self.worker(one) for one in (EMAIL, ZALO)}

    def worker(self, name: ChannelName) -> Deliver:
        provider = self.providers.setdefault(name, Provider(name=name, window=1))
        return Deliver(
            provider, self.ledger, Library(self.bus, self.ledger, provider.render), People([]),
            self.waker, Gate(provider.connections), Slot(self.folder / name, name),
            Circuit(self.bus, name), clock=self.clock,
            persons=Persons(self.notices, self.suppressed),
        )  # fmt: skip

    def says(self, channel: ChannelName, outcome: Outcome) -> None:
        self.providers[channel].answer = lambda _: outcome

    async def accepted(self, event: dict[str, Any]) -> dict[str, Any]:
        answer = await self.door.post(event)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def take_in(self) -> None:
        """Hand every stored event to intake, as the bus does."""
        async for one in self.bus.scan(subjects.CONTENT.name):
            event = envelope.decode(None, one.headers, one.data)
            await self.cases.take(event, UNIT, seq=one.seq)

    async def work(self, channel: ChannelName, content_id: str, revision: int = 1) -> None:
        batch = BatchKey(channel, content_id, revision, 0)
        await self.workers[channel].on_wake_up(WakeUp(batch=str(batch), lane=Lane.NOTICE))

    async def status(
        self, channel: ChannelName, content_id: str, revision: int = 1
    ) -> Status | None:
        held = await self.ledger.state(BatchKey(channel, content_id, revision, 0))
        return next(iter(held.value.count())) if held else None

    async def woken(self) -> list[str]:
        """The subjects of the wake-ups that wait."""
        return [one.subject async for one in self.bus.scan(subjects.DELIVER.name)]
