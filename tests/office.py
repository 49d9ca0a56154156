"""A case event's whole way with scripted channels: the door, intake, the ledger, two workers."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.base import Outcome
from consumers.circuit import Circuit
from consumers.deliver import Deliver
from consumers.lanes import Gate
from consumers.ledger.store import Ledger
from consumers.library import Library
from consumers.notices.cases import Cases
from consumers.notices.persons import Notices, Persons
from consumers.settle import Later
from consumers.slots import Slot
from consumers.suppressions import Suppressions
from consumers.wake import Waker, WakeUp
from contracts import envelope, keys, subjects
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from contracts.records import NoticeRecord, notice_key
from producers.bus import Bus
from tests.doors import UNIT, Door, an_event
from tests.fakes import Clock, People, Provider

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
SECRET = b"a secret for tests"
PHONE, MAIL, USER = "84912345678", "nguoi-nop@example.com", "4567890123456789012"
BOTH = {"phone": PHONE, "email": MAIL, "consent": True}
CASE = keys.case_content_id(an_event("updated")["data"]["case_code"])


def a_case(id: str = "e-1", **data: Any) -> dict[str, Any]:
    """A step of dossier CASE, whose person has a phone and a mailbox."""
    return an_event("updated", id=id, **{"contact": BOTH, **data})


def event_id(id: str = "e-1") -> str:
    return keys.event_id(UNIT, f"/units/{UNIT}", id)


def kept_at(id: str = "e-1", revision: int = 1) -> str:
    """Where the contact of a step lies."""
    return notice_key(CASE, revision, event_id(id))


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

    async def told(self, **data: Any) -> None:
        """An accepted event, taken in."""
        await self.accepted(a_case(**data))
        await self.take_in()

    async def kept(self, id: str = "e-1", revision: int = 1) -> NoticeRecord | None:
        """Whom a step is for, as long as that is kept."""
        value = await self.bus.bucket(subjects.NOTICES.name).get(kept_at(id, revision))
        return NoticeRecord.model_validate_json(value.data) if value else None

    async def forget(self, id: str = "e-1", revision: int = 1) -> None:
        """The contact's time is over, or its person wants to be forgotten."""
        await self.bus.bucket(subjects.NOTICES.name).purge(kept_at(id, revision))

    async def worked(self, channel: ChannelName, revision: int = 1) -> None:
        """One wake-up, whatever becomes of it."""
        with suppress(Later):
            await self.work(channel, CASE, revision)

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
