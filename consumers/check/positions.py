"""Rules of positions: a waiting one has a draft, a released one has a publication."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from consumers.check.context import CheckContext, CheckTime
from consumers.check.events import SequenceRange
from consumers.check.findings import STUCK_S, Violation, unreadable
from consumers.check.records import read_records
from consumers.chunks import chunked
from consumers.intake.desk import find_draft
from consumers.intake.items import Item, Position
from consumers.progress import report_progress
from contracts import publication, subjects
from contracts.errors import Conflict, ContractError
from contracts.records import Ownership
from contracts.text.moments import format_for_people
from producers.bus.records import parse

_CHUNK_POSITIONS = 250
_FINAL_STATES = ("released", "withdrawn")


@dataclass
class PositionRules:
    """Reads the bucket `publications` once, and suspicious positions a second time."""

    context: CheckContext
    count: int = 0

    def __post_init__(self) -> None:
        self.bus = self.context.bus
        self.bucket = self.bus.bucket(subjects.PUBLISHED.name)

    async def violations(self) -> list[Violation]:
        found: list[Violation] = []
        suspects: list[str] = []
        async for chunk in chunked(self.positions(found), _CHUNK_POSITIONS):
            self.count += len(chunk)
            report_progress("positions", self.count)
            suspects += [key async for key, _ in self.check_chunk(dict(chunk))]
        if suspects:
            await asyncio.sleep(self.context.recheck_after_s)
        for start in range(0, len(suspects), _CHUNK_POSITIONS):
            names = suspects[start : start + _CHUNK_POSITIONS]
            again = await read_records(self.bucket, names, Position)
            found += [violation async for _, violation in self.check_chunk(again)]
        return found

    async def positions(self, found: list[Violation]) -> AsyncIterator[tuple[str, Position]]:
        """Yield every position by its key; add the unreadable ones to *found*."""
        async for key, value in self.bucket.values():
            record = parse(Position if "." in key else Ownership, value.data)
            if record is None:
                found.append(unreadable(f"publication.{key}"))
            elif isinstance(record, Position):
                yield key, record

    async def check_chunk(self, chunk: dict[str, Position]) -> AsyncIterator[tuple[str, Violation]]:
        at = self.context.time()
        for rules in (self.check_published, self.check_unpublished, self.check_undrafted):
            async for key, rule, detail in rules(chunk, at):
                yield key, Violation(rule=rule, key=f"publication.{key}", detail=detail)

    async def check_published(
        self, chunk: dict[str, Position], _: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Yield positions whose publication is not at the sequence that they name."""
        for key, position in chunk.items():
            content_id, revision = key.split(".")
            seq, known = position.seq, self.context.publications.find(content_id, int(revision))
            if seq is not None and known is None and not await self.is_stored(key, seq):
                yield key, "publication-lost", f"#{seq}, lost {self.locate(seq)}"

    async def is_stored(self, key: str, seq: int) -> bool:
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, seq)
        try:
            return message is not None and publication.decode(message.data).key == key
        except ContractError:
            return True  # it is named as unreadable

    def locate(self, seq: int) -> str:
        stored = SequenceRange()
        for known in sorted(facts.seq for facts in self.context.publications.all()):
            stored.add(known)
        return stored.locate(seq)

    async def check_unpublished(
        self, chunk: dict[str, Position], at: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Yield positions that were released long ago and never published."""
        late = [
            key
            for key, position in chunk.items()
            if position.state in _FINAL_STATES and position.seq is None and position.released_at
            if at.is_overdue(position.released_at.timestamp(), STUCK_S)
        ]
        names = list({key.rpartition(".")[0] for key in late})
        items = await read_records(self.bucket, names, Item)
        for key in late:
            content_id, _, revision = key.rpartition(".")
            released = chunk[key].released_at
            if released and content_id in items and int(revision) in items[content_id].released:
                yield key, "release-unpublished", f"released at {format_for_people(released)}"

    async def check_undrafted(
        self, chunk: dict[str, Position], at: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Yield waiting positions without a draft on the desk."""
        waiting = [key for key, position in chunk.items() if position.state == "waiting"]
        late = [key for key in waiting if at.is_overdue(chunk[key].at.timestamp(), STUCK_S)]
        for key in late:
            content_id, _, revision = key.rpartition(".")
            if not await self.has_draft(content_id, int(revision)):
                yield key, "draft-lost", f"of {chunk[key].unit}"

    async def has_draft(self, content_id: str, revision: int) -> bool:
        """Whether the desk has the revision; of a broken item `acts-broken` tells."""
        try:
            return await find_draft(self.bus, content_id, revision) is not None
        except Conflict:
            return True
