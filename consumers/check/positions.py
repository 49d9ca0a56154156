"""The record of every position: what waits lies on the desk, what was released is published."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from consumers.check.batches import Moment
from consumers.check.events import Count, illegible, parse, read
from consumers.check.findings import STUCK_S, Tell, Violation, untold
from consumers.check.released import Released
from consumers.items import Item, Position
from contracts import publication, subjects
from contracts.errors import ContractError
from contracts.records import Ownership
from producers.bus import Bus

AT_ONCE = 250
DONE = ("released", "withdrawn")


@dataclass
class Positions:
    """Reads the bucket `publications` once; what looks wrong, a second time."""

    bus: Bus
    released: Released
    clock: Callable[[], float]
    since: float = 0.0
    again_s: float = 0.0
    tell: Tell = untold
    count: int = 0

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.PUBLISHED.name)
        self.desk = self.bus.bucket(subjects.DESK.name)

    async def violations(self) -> list[Violation]:
        found: list[Violation] = []
        suspects: list[str] = []
        async for chunk in self.chunks(found):
            self.count += len(chunk)
            self.tell("positions", self.count)
            suspects += [key async for key, _ in self.judge(chunk)]
        if suspects:
            await asyncio.sleep(self.again_s)
        for start in range(0, len(suspects), AT_ONCE):
            chunk = await read(self.bucket, suspects[start : start + AT_ONCE], Position)
            found += [one async for _, one in self.judge(chunk)]
        return found

    async def chunks(self, unreadable: list[Violation]) -> AsyncIterator[dict[str, Position]]:
        chunk: dict[str, Position] = {}
        async for key, value in self.bucket.values():
            known = parse(Position if "." in key else Ownership, value.data)
            if known is None:
                unreadable.append(illegible(f"publication.{key}"))
            elif isinstance(known, Position):
                chunk[key] = known
            if len(chunk) == AT_ONCE:
                yield chunk
                chunk = {}
        yield chunk

    async def judge(self, chunk: dict[str, Position]) -> AsyncIterator[tuple[str, Violation]]:
        at = Moment(self.clock(), self.since)
        for rules in (self.published, self.unpublished, self.undrafted):
            async for key, rule, detail in rules(chunk, at):
                yield key, Violation(rule=rule, key=f"publication.{key}", detail=detail)

    async def published(
        self, chunk: dict[str, Position], _: Moment
    ) -> AsyncIterator[tuple[str, str, str]]:
        """A position that says where its publication lies."""
        for key, one in chunk.items():
            content_id, revision = key.split(".")
            known = self.released.find(content_id, int(revision))
            if one.seq is not None and known is None and not await self.lies(key, one.seq):
                yield key, "publication-lost", f"#{one.seq}, lost {self.place(one.seq)}"

    async def lies(self, key: str, seq: int) -> bool:
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, seq)
        try:
            return message is not None and publication.decode(message.data).key == key
        except ContractError:
            return True  # it is named as unreadable

    def place(self, seq: int) -> str:
        count = Count()
        for one in sorted(edition.seq for edition in self.released.all()):
            count.keep(one)
        return count.place(seq)

    async def unpublished(
        self, chunk: dict[str, Position], at: Moment
    ) -> AsyncIterator[tuple[str, str, str]]:
        """A position that was released long ago and never published."""
        late = [
            key
            for key, one in chunk.items()
            if one.state in DONE and one.seq is None and one.released_at
            if at.over(one.released_at.timestamp(), STUCK_S)
        ]
        items = await read(self.bucket, list({key.rpartition(".")[0] for key in late}), Item)
        for key in late:
            content_id, _, revision = key.rpartition(".")
            if content_id in items and int(revision) in items[content_id].released:
                yield key, "release-unpublished", f"released at {chunk[key].released_at}"

    async def undrafted(
        self, chunk: dict[str, Position], at: Moment
    ) -> AsyncIterator[tuple[str, str, str]]:
        """A position that waits and that nobody can decide on."""
        waiting = [key for key, one in chunk.items() if one.state == "waiting"]
        late = [key for key in waiting if at.over(chunk[key].at.timestamp(), STUCK_S)]
        drafts = await self.desk.many(late)
        for key in late:
            if key not in drafts:
                yield key, "draft-lost", f"of {chunk[key].unit}"
