"""Rules of publications: each matches its position, its event and its approval."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pydantic import ValidationError

from consumers.check.batches import RuleHits
from consumers.check.events import parse, read_records
from consumers.check.findings import ReportProgress, Violation, no_progress
from consumers.check.publications import PublicationFacts, PublicationIndex, text_fingerprint
from consumers.intake import approval
from consumers.intake.items import Item, Position
from consumers.intake.release import build_withdrawal
from consumers.operations import restore
from contracts import subjects
from contracts.errors import Forbidden
from contracts.records import EventRecord, UnitPolicy
from producers.bus import Bus

DESK_POLICY = "desk"


def check_approval(position: Position, policy: str, *, restored: bool = False) -> RuleHits:
    """*policy* is the unit's present one; what held at intake goes before it.

    *restored*: the publication came out of a backup. What was approved while that was taken may
    have come back as a draft and been approved again, while its release keeps the first moment.
    """
    decision = position.decision
    if position.kind == "withdrawn":
        return
    if decision is None:
        if (position.policy or policy) == DESK_POLICY:
            yield "unapproved", f"{position.unit} releases by the desk, and nobody decided"
    elif decision.verdict != "approved":
        yield "unapproved", f"{decision.verdict} by {decision.by}"
    elif not restored and (position.released_at is None or decision.at > position.released_at):
        yield "unapproved", f"approved at {decision.at:%Y-%m-%d %H:%M:%S}, after its release"
    elif is_own_content(position, decision.by):
        yield "self-approved", f"by {decision.by}"


def is_own_content(position: Position, approver: str) -> bool:
    try:
        approval.check_four_eyes(position, approver)
    except Forbidden:
        return True
    return False


CHUNK_PUBLICATIONS = 250


@dataclass(frozen=True, slots=True)
class StoredRecords:
    """What the buckets say of some publications."""

    positions: dict[str, Position]
    items: dict[str, Item]
    records: dict[str, EventRecord]


@dataclass
class ReleaseRules:
    """*says* is what the accepted events say, by publication key; *through* where that was read."""

    bus: Bus
    publications: PublicationIndex
    fingerprints: dict[str, bytes]
    last_seq: int
    recheck_after_s: float = 0.0
    report_progress: ReportProgress = no_progress
    policies: dict[str, str] = field(default_factory=dict)
    count: int = 0
    restored_up_to: int = 0  # the last publication that came out of a backup

    async def violations(self) -> list[Violation]:
        await self.publications.read()
        if back := await restore.last_restore(self.bus):
            self.restored_up_to = back.publications
        async for unit, value in self.bus.bucket(subjects.UNITS.name).values():
            rules = parse(UnitPolicy, value.data)
            self.policies[unit] = rules.release if rules else DESK_POLICY
        everything = [*self.publications.all(), *self.publications.conflicting.values()]
        suspects = [one async for one in self.check_publications(everything)]
        if suspects:
            await asyncio.sleep(self.recheck_after_s)
        again = {(one.content_id, one.revision, one.seq): one for one, _ in suspects}
        return [violation async for _, violation in self.check_publications(again.values())]

    async def check_publications(
        self, editions: Iterable[PublicationFacts]
    ) -> AsyncIterator[tuple[PublicationFacts, Violation]]:
        for chunk in chunks(one for one in editions if one.seq <= self.last_seq):
            known = await self.load_records(chunk)
            for one in chunk:
                self.count += 1
                for rule, detail in self.check_publication(one, known):
                    key = f"publication.{one.key}"
                    yield one, Violation(rule=rule, key=key, detail=f"#{one.seq}: {detail}")
            self.report_progress("publications", self.count)

    async def load_records(self, chunk: Sequence[PublicationFacts]) -> StoredRecords:
        register = self.bus.bucket(subjects.PUBLISHED.name)
        positions, items = await asyncio.gather(
            read_records(register, [one.key for one in chunk], Position),
            read_records(register, list({one.content_id for one in chunk}), Item),
        )
        events = self.bus.bucket(subjects.EVENTS.name)
        ids = list({one.event_id for one in positions.values()})
        return StoredRecords(positions, items, await read_records(events, ids, EventRecord))

    def check_publication(self, one: PublicationFacts, known: StoredRecords) -> RuleHits:
        position, item = known.positions.get(one.key), known.items.get(one.content_id)
        if position is None or item is None or one.revision not in item.released:
            yield "publication-unexpected", "nobody has released it"
            return
        record = known.records.get(position.event_id)
        expected = self.expected_fingerprint(one, position, item)
        if record is None or expected is None:
            yield "publication-unexpected", "no accepted event says so"
        elif expected != one.fingerprint or record.hash != position.hash:
            yield "text-differs", "not what the accepted event says"
        policy = self.policies.get(position.unit, DESK_POLICY)
        yield from check_approval(position, policy, restored=one.seq <= self.restored_up_to)

    def expected_fingerprint(
        self, one: PublicationFacts, position: Position, item: Item
    ) -> bytes | None:
        """What its event says; None when it has none, or its event has another position."""
        if item.position_of(position.event_id) != one.revision:
            return None
        if position.kind != "withdrawn":
            return self.fingerprints.get(one.key)
        try:
            return text_fingerprint(build_withdrawal(one.content_id, item, position))
        except ValidationError:
            return None


def unreadable_publication(seq: int) -> Violation:
    stream = subjects.PUBLICATIONS.name
    return Violation(rule="unreadable", key=f"{stream}.{seq}", detail="by this version")


def chunks(editions: Iterator[PublicationFacts]) -> Iterator[list[PublicationFacts]]:
    while chunk := list(islice(editions, CHUNK_PUBLICATIONS)):
        yield chunk
