"""The stream STATUS: one subject for each item, on which each fact is stored once.

A fact is stored only right behind the last message of its item that was read before, so of two
processes one is first, and the other one finds the fact there.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import structlog

from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.errors import ContractError
from contracts.facts import content_status
from contracts.facts.content_status import StatusFact
from producers import metrics
from producers.bus import Bus, Message, RevisionConflict
from producers.seals import RefusedSeals, append_sealed

log = structlog.get_logger()
_STREAM = subjects.STATUS.name
_MAX_TRIES = 50
_REMEMBERED = 20_000


class StoredStatus(NamedTuple):
    """A fact, its message, and the bytes in which it is told."""

    seq: int
    fact: StatusFact
    body: bytes
    at: datetime
    """When it was told."""


@dataclass
class StatusStore:
    """Reads and adds facts. Raises BusError."""

    bus: Bus
    told: dict[str, None] = field(default_factory=dict)
    """Ids of facts that this process found stored, the newest ones."""

    async def scan(self, subject: str, start: int = 1) -> AsyncIterator[StoredStatus]:
        """The genuine facts on *subject* from sequence *start* on, in order."""
        async for message in self.bus.scan(_STREAM, subject, start):
            if fact := await self.genuine(message):
                yield StoredStatus(message.seq, fact, message.data, message.time)

    async def find(self, seq: int) -> StoredStatus | None:
        """The fact at a sequence; None once STATUS has forgotten it."""
        message = await self.bus.get_message(_STREAM, seq)
        fact = await self.genuine(message) if message else None
        return StoredStatus(seq, fact, message.data, message.time) if message and fact else None

    async def tell(self, facts: Sequence[StatusFact]) -> int:
        """Store facts of one item in their order, but those that are there; how many were new."""
        for written in range(_MAX_TRIES):
            wanted = [fact for fact in facts if fact.id not in self.told]
            if not wanted:
                return written
            seen = await self._read(wanted[0])
            missing = [fact for fact in wanted if fact.id not in self.told]
            if missing:
                await self._add(missing[0], seen)
        raise RevisionConflict(f"{facts[0].id} could not be told in {_MAX_TRIES} tries")

    async def _read(self, fact: StatusFact) -> int:
        """Note the facts of an item that are stored; return its last sequence, 0 for none."""
        seen = 0
        async for message in self.bus.scan(_STREAM, _subject(fact)):
            seen = message.seq
            if known := await self.genuine(message):
                self._remember(known.id)
        return seen

    async def _add(self, fact: StatusFact, seen: int) -> None:
        """Store a fact behind message *seen* of its item, unless another one was first."""
        crash_point("status.decided")
        body, name = content_status.encode(fact), f"{fact.id}.{seen}"
        if await append_sealed(self.bus, _subject(fact), body, name, seen=seen):
            crash_point("status.stored")
            metrics.STATUS_FACTS.add(fact.status.kind)
            about = fact.status.model_dump(include={"unit", "content_id", "revision", "channel"})
            log.info("status_told", kind=fact.status.kind.value, fact=fact.id, **about)

    def _remember(self, id: str) -> None:
        self.told[id] = None
        if len(self.told) > _REMEMBERED:
            del self.told[next(iter(self.told))]

    async def genuine(self, message: Message) -> StatusFact | None:
        """The fact in *message*, if Loa wrote it and this version can read it."""
        seals = self.bus.seals_of(message.subject)
        is_known = seals is not None and not isinstance(seals, RefusedSeals)
        if seals and is_known and (problem := await seals.problem(message)):
            log.error("status_not_sealed", seq=message.seq, reason=problem)
            return None
        try:
            return content_status.decode(message.data)
        except ContractError:
            log.error("status_unreadable", seq=message.seq)
            return None


def _subject(fact: StatusFact) -> str:
    return subjects.status(fact.status.unit, fact.status.content_id)
