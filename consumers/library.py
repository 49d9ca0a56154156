"""What a channel has to say, as it needs it: read once from its stream, rendered once."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from channels.base import Content
from consumers.ledger.store import Ledger, LedgerError
from contracts import envelope, events, keys, publication, subjects
from contracts.case import AcceptedNotice
from contracts.delivery import PlanKey
from contracts.publication import Publication
from contracts.subjects import Stream
from producers.bus import Bus, Message

KEPT = 64


@dataclass(frozen=True, slots=True)
class Edition:
    """A publication, or a case notice, as its channel renders it, and when it is over."""

    rendered: Any
    expires_at: datetime | None = None
    personal: bool = False
    """A case notice."""


class Library:
    """The newest editions of one channel; found through the ledger, kept in memory."""

    def __init__(self, bus: Bus, ledger: Ledger, render: Callable[[Content], Any]) -> None:
        self.bus = bus
        self.ledger = ledger
        self.render = render
        self.kept: OrderedDict[PlanKey, Edition] = OrderedDict()

    async def edition(self, plan: PlanKey, source: int = 0) -> Edition:
        """*source*: where a case notice's event lies; a publication's place is in its plan.

        Raises LedgerError when a plan, its publication or an event is missing.
        """
        if plan not in self.kept:
            self.kept[plan] = await self.read(plan, source)
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(plan)
        return self.kept[plan]

    async def read(self, plan: PlanKey, source: int) -> Edition:
        if keys.is_case(plan.content_id):
            return Edition(self.render(await self.notice(source)), personal=True)
        found = await self.find(plan)
        return Edition(self.render(found), found.expires_at)

    async def find(self, plan: PlanKey) -> Publication:
        held = await self.ledger.plan(plan)
        if held is None:
            raise LedgerError(f"plan.{plan} is missing")
        message = await self.message(subjects.PUBLICATIONS, held.value.source)
        return publication.decode(message.data)

    async def notice(self, source: int) -> AcceptedNotice:
        """What is said of a dossier, at the moment at which the stream took it."""
        message = await self.message(subjects.CONTENT, source)
        notice = events.notice(envelope.decode(None, message.headers, message.data))
        return AcceptedNotice(**dict(notice), accepted_at=message.time)

    async def message(self, stream: Stream, seq: int) -> Message:
        message = await self.bus.get_message(stream.name, seq)
        if message is None:
            raise LedgerError(f"{stream.name} {seq} is missing")
        return message
