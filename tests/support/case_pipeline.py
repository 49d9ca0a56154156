"""A case event's whole way with scripted channels: the door, intake, the ledger, two workers."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.base import Outcome, Verdict
from consumers.case_notices.handler import CaseNoticeHandler
from consumers.case_notices.recipients import CaseNoticeRecipients, CaseNotices
from consumers.deliver.worker import DeliveryWorker
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.runtime.errors import RetryLater
from consumers.suppression.store import SuppressionStore
from contracts import envelope, keys, subjects
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from contracts.records import NoticeRecord, notice_key
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.gateway_client import UNIT, GatewayClient, sample_event
from tests.support.scripted_channel import ScriptedChannel
from tests.support.services import new_worker

EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
SECRET = b"a secret for tests"
PHONE, MAIL, USER = "84912345678", "nguoi-nop@example.com", "4567890123456789012"
BOTH = {"phone": PHONE, "email": MAIL, "consent": True}
CASE = keys.case_content_id(sample_event("updated")["data"]["case_code"])


def case_event(id: str = "e-1", **data: Any) -> dict[str, Any]:
    """A step of dossier CASE, whose person has a phone and a mailbox."""
    return sample_event("updated", id=id, **{"contact": BOTH, **data})


def case_event_id(id: str = "e-1") -> str:
    return keys.event_id(UNIT, f"/units/{UNIT}", id)


def contact_key(id: str = "e-1", revision: int = 1) -> str:
    """Return the key of a step's contact."""
    return notice_key(CASE, revision, case_event_id(id))


@dataclass
class CasePipeline:
    """The services of case notices, wired as in the composition root."""

    bus: Bus
    gateway: GatewayClient
    folder: Path
    clock: FakeClock
    providers: dict[ChannelName, ScriptedChannel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger, self.waker = Ledger(self.bus), Waker(self.bus)
        self.notices = CaseNotices(self.bus, self.ledger, self.waker)
        self.suppressed = SuppressionStore(self.bus, SECRET)
        self.cases = CaseNoticeHandler(self.bus, self.notices, self.clock)
        self.workers = {one: self.worker(one) for one in (EMAIL, ZALO)}

    def worker(self, name: ChannelName) -> DeliveryWorker:
        provider = self.providers.setdefault(name, ScriptedChannel(name=name, window=1))
        strategies = [CaseNoticeRecipients(self.notices, self.suppressed)]
        return new_worker(
            self.bus, provider, self.clock, self.folder / name,
            ledger=self.ledger, strategies=strategies,
        )  # fmt: skip

    def set_outcome(self, channel: ChannelName, outcome: Outcome) -> None:
        self.providers[channel].answer = lambda _: outcome

    async def accepted(self, event: dict[str, Any]) -> dict[str, Any]:
        answer = await self.gateway.post(event)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def take_in(self) -> None:
        """Hand every stored event to intake, as the bus does."""
        async for one in self.bus.scan(subjects.CONTENT.name):
            event = envelope.decode(None, one.headers, one.data)
            await self.cases.handle(event, UNIT, seq=one.seq)

    async def accept_and_take_in(self, **data: Any) -> None:
        """Accept an event and take it in."""
        await self.accepted(case_event(**data))
        await self.take_in()

    async def contact_of(self, id: str = "e-1", revision: int = 1) -> NoticeRecord | None:
        """Return the contact of a step, while it is kept."""
        value = await self.bus.bucket(subjects.NOTICES.name).get(contact_key(id, revision))
        return NoticeRecord.model_validate_json(value.data) if value else None

    async def delete_contact(self) -> None:
        """Delete the first step's contact, as its expiry or an erasure does."""
        await self.bus.bucket(subjects.NOTICES.name).purge(contact_key())

    async def wake(self, channel: ChannelName, revision: int = 1) -> None:
        """Send one wake-up, and ignore RetryLater."""
        with suppress(RetryLater):
            await self.work(channel, revision)

    async def work(self, channel: ChannelName, revision: int = 1) -> None:
        batch = BatchKey(channel, CASE, revision, 0)
        await self.workers[channel].on_wake_up(WakeUp(batch=str(batch), lane=Lane.NOTICE))

    async def status(self, channel: ChannelName, revision: int = 1) -> Status | None:
        state = await self.ledger.state(BatchKey(channel, CASE, revision, 0))
        return next(iter(state.value.count_by_status())) if state else None

    async def end_unknown(self, **data: Any) -> None:
        """Accept an event whose notice by Zalo ends unknown."""
        await self.accept_and_take_in(**data)
        self.set_outcome(ZALO, Outcome(Verdict.DOUBT, "no answer"))
        self.providers[ZALO].known = lambda _: Outcome(Verdict.UNKNOWN, "zalo can't say")
        for _ in range(2):
            await self.wake(ZALO)
        assert await self.status(ZALO) == Status.UNKNOWN

    async def pending_subjects(self) -> list[str]:
        """Return the subjects of the waiting wake-ups."""
        return [one.subject async for one in self.bus.scan(subjects.DELIVER.name)]
