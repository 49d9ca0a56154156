"""The stream STATUS: a subject for each item, on which each fact is stored once.

A fact is stored only right behind the last message of its item that was read before, so of two
processes one is first, and the other one finds the fact there.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import structlog

from consumers.callbacks.endpoints import ListedEndpoint
from consumers.callbacks.progress import Span
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
MOST_READ = 1000
"""Facts that are read to count those that wait for one endpoint."""
_REMEMBERED = 10_000
"""Items of which a process remembers what it has read."""


class StoredStatus(NamedTuple):
    """A fact, its message, and the bytes in which it is told."""

    seq: int
    fact: StatusFact
    body: bytes
    at: datetime
    """When it was told."""


@dataclass(slots=True)
class _Read:
    """The facts of one subject that are stored, as far as this process has read it."""

    seq: int = 0
    """The last message that was read."""
    ids: set[str] = field(default_factory=set)


@dataclass
class StatusStore:
    """Reads and adds facts. Raises BusError."""

    bus: Bus
    subjects_read: dict[str, _Read] = field(default_factory=dict)
    """Of the subjects that were used last."""

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
        """Store facts of one subject in their order, but those that are there; how many were new.

        Raises RevisionConflict.
        """
        subject, written = subject_of(facts[0]), 0
        read = self._read_of(subject)
        for _ in range(_MAX_TRIES):
            if read.ids.issuperset(fact.id for fact in facts):
                return written
            await self._read_on(subject, read)
            missing = [fact for fact in facts if fact.id not in read.ids]
            if missing and await self._add(missing[0], read):
                written += 1
        raise RevisionConflict(f"{facts[0].id} could not be told in {_MAX_TRIES} tries")

    def _read_of(self, subject: str) -> _Read:
        read = self.subjects_read.pop(subject, None) or _Read()
        self.subjects_read[subject] = read
        if len(self.subjects_read) > _REMEMBERED:
            del self.subjects_read[next(iter(self.subjects_read))]
        return read

    async def _read_on(self, subject: str, read: _Read) -> None:
        """Note the facts of a subject behind the last message that was read."""
        async for message in self.bus.scan(_STREAM, subject, read.seq + 1):
            if known := await self.genuine(message):
                read.ids.add(known.id)
            read.seq = max(read.seq, message.seq)

    async def _add(self, fact: StatusFact, read: _Read) -> bool:
        """Store a fact after the last one read of its item; False if it was not stored.

        Another process was first then, or what was read is no longer kept: it is read anew.
        """
        crash_point("status.decided")
        body, name = content_status.encode(fact), f"{fact.id}.{read.seq}"
        if not await append_sealed(self.bus, subject_of(fact), body, name, seen=read.seq):
            read.seq = 0
            return False
        crash_point("status.stored")
        read.ids.add(fact.id)
        metrics.STATUS_FACTS.add(fact.status.kind)
        about = fact.status.model_dump(include={"unit", "content_id", "revision", "channel"})
        log.info("status_told", kind=fact.status.kind.value, fact=fact.id, **about)
        return True

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


def item_of(fact: StatusFact) -> str:
    """The last word of a fact's subject: its item, or the fact's own id where it names none."""
    return fact.status.content_id or f"_{fact.id}"


def subject_of(fact: StatusFact) -> str:
    return subjects.status(fact.status.unit, item_of(fact))


async def facts_of(
    statuses: StatusStore, listed: ListedEndpoint, span: Span
) -> AsyncIterator[StoredStatus]:
    """The facts of a span of the kinds that the endpoint wants. Raises BusError."""
    async for one in _told_in(statuses, listed.unit, span):
        if one.fact.status.kind in listed.endpoint.told_kinds:
            yield one


async def _told_in(statuses: StatusStore, unit: str, span: Span) -> AsyncIterator[StoredStatus]:
    async for one in statuses.scan(subjects.status(unit, "*"), span.next):
        if span.last is not None and one.seq > span.last:
            return
        yield one


class WaitingCount(NamedTuple):
    """How many facts wait for an endpoint. `at_least`: more may wait, which are not read."""

    facts: int
    at_least: bool = False


async def count_waiting(statuses: StatusStore, listed: ListedEndpoint) -> WaitingCount:
    """The facts that wait, with the oldest ones that are not taken yet. Raises BusError."""
    count, read = listed.progress.count, 0
    for span in listed.progress.spans:
        async for one in _told_in(statuses, listed.unit, span):
            if read == MOST_READ:
                return WaitingCount(count, at_least=True)
            read += 1
            count += one.fact.status.kind in listed.endpoint.told_kinds
    return WaitingCount(count)
