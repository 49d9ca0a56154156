"""Rules of positions: a waiting one has a draft, a released one has a publication."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from consumers.check.batches import CheckTime
from consumers.check.events import SequenceRange, parse, read_records, unreadable_record
from consumers.check.findings import STUCK_S, ReportProgress, Violation, no_progress
from consumers.check.publications import PublicationIndex
from consumers.intake.items import Item, Position
from contracts import publication, subjects
from contracts.errors import ContractError
from contracts.records import Ownership
from producers.bus import Bus

CHUNK_POSITIONS = 250
FINAL_STATES = ("released", "withdrawn")


@dataclass
class PositionRules:
    """Reads the bucket `publications` once; what looks wrong, a second time."""

    bus: Bus
    publications: PublicationIndex
    clock: Callable[[], float]
    running_since: float = 0.0
    recheck_after_s: float = 0.0
    report_progress: ReportProgress = no_progress
    count: int = 0

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.PUBLISHED.name)
        self.desk = self.bus.bucket(subjects.DESK.name)

    async def violations(self) -> list[Violation]:
        found: list[Violation] = []
        suspects: list[str] = []
        async for chunk in self.chunks(found):
            self.count += len(chunk)
            self.report_progress("positions", self.count)
            suspects += [key async for key, _ in self.check_chunk(chunk)]
        if suspects:
            await asyncio.sleep(self.recheck_after_s)
        for start in range(0, len(suspects), CHUNK_POSITIONS):
            chunk = await read_records(
                self.bucket, suspects[start : start + CHUNK_POSITIONS], Position
            )
            found += [one async for _, one in self.check_chunk(chunk)]
        return found

    async def chunks(self, unreadable: list[Violation]) -> AsyncIterator[dict[str, Position]]:
        chunk: dict[str, Position] = {}
        async for key, value in self.bucket.values():
            known = parse(Position if "." in key else Ownership, value.data)
            if known is None:
                unreadable.append(unreadable_record(f"publication.{key}"))
            elif isinstance(known, Position):
                chunk[key] = known
            if len(chunk) == CHUNK_POSITIONS:
                yield chunk
                chunk = {}
        yield chunk

    async def check_chunk(self, chunk: dict[str, Position]) -> AsyncIterator[tuple[str, Violation]]:
        at = CheckTime(self.clock(), self.running_since)
        for rules in (self.check_published, self.check_unpublished, self.check_undrafted):
            async for key, rule, detail in rules(chunk, at):
                yield key, Violation(rule=rule, key=f"publication.{key}", detail=detail)

    async def check_published(
        self, chunk: dict[str, Position], _: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """A position that says where its publication lies."""
        for key, one in chunk.items():
            content_id, revision = key.split(".")
            known = self.publications.find(content_id, int(revision))
            if one.seq is not None and known is None and not await self.is_stored(key, one.seq):
                yield key, "publication-lost", f"#{one.seq}, lost {self.locate(one.seq)}"

    async def is_stored(self, key: str, seq: int) -> bool:
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, seq)
        try:
            return message is not None and publication.decode(message.data).key == key
        except ContractError:
            return True  # it is named as unreadable

    def locate(self, seq: int) -> str:
        count = SequenceRange()
        for one in sorted(edition.seq for edition in self.publications.all()):
            count.add(one)
        return count.locate(seq)

    async def check_unpublished(
        self, chunk: dict[str, Position], at: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """A position that was released long ago and never published."""
        late = [
            key
            for key, one in chunk.items()
            if one.state in FINAL_STATES and one.seq is None and one.released_at
            if at.is_overdue(one.released_at.timestamp(), STUCK_S)
        ]
        items = await read_records(
            self.bucket, list({key.rpartition(".")[0] for key in late}), Item
        )
        for key in late:
            content_id, _, revision = key.rpartition(".")
            if content_id in items and int(revision) in items[content_id].released:
                yield key, "release-unpublished", f"released at {chunk[key].released_at}"

    async def check_undrafted(
        self, chunk: dict[str, Position], at: CheckTime
    ) -> AsyncIterator[tuple[str, str, str]]:
        """A waiting position without a draft on the desk."""
        waiting = [key for key, one in chunk.items() if one.state == "waiting"]
        late = [key for key in waiting if at.is_overdue(chunk[key].at.timestamp(), STUCK_S)]
        drafts = await self.desk.get_many(late)
        for key in late:
            if key not in drafts:
                yield key, "draft-lost", f"of {chunk[key].unit}"
