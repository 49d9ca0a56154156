"""Publications against the records of their positions, and the other way round."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pydantic import ValidationError

from consumers import restore
from consumers.check import approval
from consumers.check.batches import Found
from consumers.check.events import parse, read
from consumers.check.findings import Tell, Violation, untold
from consumers.check.released import Edition, Released, fingerprint
from consumers.intake import Rules
from consumers.items import Item, Position
from consumers.release import retraction
from contracts import subjects
from contracts.records import EventRecord
from producers.bus import Bus

AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Known:
    """What the buckets say of some publications."""

    positions: dict[str, Position]
    items: dict[str, Item]
    records: dict[str, EventRecord]


@dataclass
class Releases:
    """*says* is what the accepted events say, by publication key; *through* where that was read."""

    bus: Bus
    released: Released
    says: dict[str, bytes]
    through: int
    again_s: float = 0.0
    tell: Tell = untold
    policies: dict[str, str] = field(default_factory=dict)
    count: int = 0
    restored: int = 0  # the last publication that came out of a backup

    async def violations(self) -> list[Violation]:
        await self.released.read()
        if back := await restore.last(self.bus):
            self.restored = back.publications
        async for unit, value in self.bus.bucket(subjects.UNITS.name).values():
            rules = parse(Rules, value.data)
            self.policies[unit] = rules.release if rules else approval.DESK
        everything = [*self.released.all(), *self.released.others.values()]
        suspects = [one async for one in self.judge(everything)]
        if suspects:
            await asyncio.sleep(self.again_s)
        again = {(one.content_id, one.revision, one.seq): one for one, _ in suspects}
        return [violation async for _, violation in self.judge(again.values())]

    async def judge(self, editions: Iterable[Edition]) -> AsyncIterator[tuple[Edition, Violation]]:
        for chunk in chunks(one for one in editions if one.seq <= self.through):
            known = await self.known(chunk)
            for one in chunk:
                self.count += 1
                for rule, detail in self.faults(one, known):
                    key = f"publication.{one.key}"
                    yield one, Violation(rule=rule, key=key, detail=f"#{one.seq}: {detail}")
            self.tell("publications", self.count)

    async def known(self, chunk: Sequence[Edition]) -> Known:
        register = self.bus.bucket(subjects.PUBLISHED.name)
        positions, items = await asyncio.gather(
            read(register, [one.key for one in chunk], Position),
            read(register, list({one.content_id for one in chunk}), Item),
        )
        events = self.bus.bucket(subjects.EVENTS.name)
        ids = list({one.event_id for one in positions.values()})
        return Known(positions, items, await read(events, ids, EventRecord))

    def faults(self, one: Edition, known: Known) -> Found:
        position, item = known.positions.get(one.key), known.items.get(one.content_id)
        if position is None or item is None or one.revision not in item.released:
            yield "publication-unexpected", "nobody has released it"
            return
        record = known.records.get(position.event_id)
        expected = self.expected(one, position, item)
        if record is None or expected is None:
            yield "publication-unexpected", "no accepted event says so"
        elif expected != one.says or record.hash != position.hash:
            yield "text-differs", "not what the accepted event says"
        policy = self.policies.get(position.unit, approval.DESK)
        yield from approval.judge(position, policy, restored=one.seq <= self.restored)

    def expected(self, one: Edition, position: Position, item: Item) -> bytes | None:
        """What its event says; None when it has none, or its event has another position."""
        if item.position_of(position.event_id) != one.revision:
            return None
        if position.kind != "withdrawn":
            return self.says.get(one.key)
        try:
            return fingerprint(retraction(one.content_id, item, position))
        except ValidationError:
            return None


def unreadable(seq: int) -> Violation:
    stream = subjects.PUBLICATIONS.name
    return Violation(rule="unreadable", key=f"{stream}.{seq}", detail="by this version")


def chunks(editions: Iterator[Edition]) -> Iterator[list[Edition]]:
    while chunk := list(islice(editions, AT_ONCE)):
        yield chunk
