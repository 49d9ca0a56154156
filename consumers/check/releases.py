"""Rules of publications: each matches its position, its event and its approval."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pydantic import ValidationError

from consumers.check.batches import Hits
from consumers.check.context import CheckContext, read_records
from consumers.check.desk_texts import approved_fingerprint
from consumers.check.findings import Violation
from consumers.check.publications import PublicationFacts, text_fingerprint
from consumers.editorial.log import EditorialLog
from consumers.intake import approval
from consumers.intake.items import Item, Position
from consumers.intake.release import build_withdrawal
from consumers.progress import report_progress
from consumers.restored import last_restore
from contracts import subjects
from contracts.records import EventRecord, UnitPolicy
from contracts.text.moments import format_for_people
from producers.bus.records import parse

_DESK_POLICY = "desk"
CHUNK_PUBLICATIONS = 250


def _check_approval(position: Position, policy: str, *, restored: bool = False) -> Hits:
    """Check that a position was approved; *policy*, the unit's present one, if it has none.

    *restored*: the publication came out of a backup. A position that was approved during the backup
    may have come back as a draft and been approved again; its release keeps the first time.
    """
    decision = position.decision
    if position.kind == "withdrawn":
        return
    if decision is None:
        if (position.policy or policy) == _DESK_POLICY:
            yield "unapproved", f"{position.unit} releases by the desk, and nobody decided"
    elif decision.verdict != "approved":
        yield "unapproved", f"{decision.verdict} by {decision.by}"
    elif not restored and (position.released_at is None or decision.at > position.released_at):
        yield "unapproved", f"approved at {format_for_people(decision.at)}, after its release"
    elif approval.is_own_content(position, decision.by):
        yield "self-approved", f"by {decision.by}"


@dataclass(frozen=True, slots=True)
class StoredRecords:
    """The records of some publications in the buckets."""

    positions: dict[str, Position]
    items: dict[str, Item]
    records: dict[str, EventRecord]
    approved: dict[str, bytes] = field(default_factory=dict)
    """By publication key: texts that are not as their event came, by the editorial log."""


@dataclass
class ReleaseRules:
    """`fingerprints`: texts of the accepted events, by publication key, read up to `last_seq`."""

    context: CheckContext
    fingerprints: dict[str, bytes]
    last_seq: int
    policies: dict[str, str] = field(default_factory=dict)
    count: int = 0
    restored_up_to: int = 0  # the last publication that came out of a backup

    async def violations(self) -> list[Violation]:
        bus, publications = self.context.bus, self.context.publications
        await publications.read()
        if restored := await last_restore(bus):
            self.restored_up_to = restored.publications
        async for unit, value in bus.bucket(subjects.UNITS.name).values():
            policy = parse(UnitPolicy, value.data)
            self.policies[unit] = policy.release if policy else _DESK_POLICY
        stored = [*publications.all(), *publications.conflicting.values()]
        suspects = [facts async for facts, _ in self.check_publications(stored)]
        if suspects:
            await asyncio.sleep(self.context.recheck_after_s)
        again = {(facts.content_id, facts.revision, facts.seq): facts for facts in suspects}
        return [violation async for _, violation in self.check_publications(again.values())]

    async def check_publications(
        self, publications: Iterable[PublicationFacts]
    ) -> AsyncIterator[tuple[PublicationFacts, Violation]]:
        remaining = (facts for facts in publications if facts.seq <= self.last_seq)
        while chunk := list(islice(remaining, CHUNK_PUBLICATIONS)):
            records = await self.load_records(chunk)
            await self.load_approved(chunk, records)
            for facts in chunk:
                self.count += 1
                for rule, detail in self.check_publication(facts, records):
                    key = f"publication.{facts.key}"
                    yield facts, Violation(rule=rule, key=key, detail=f"#{facts.seq}: {detail}")
            report_progress("publications", self.count)

    async def load_records(self, chunk: Sequence[PublicationFacts]) -> StoredRecords:
        bucket = self.context.bus.bucket(subjects.PUBLISHED.name)
        positions, items = await asyncio.gather(
            read_records(bucket, [facts.key for facts in chunk], Position),
            read_records(bucket, list({facts.content_id for facts in chunk}), Item),
        )
        events = self.context.bus.bucket(subjects.EVENTS.name)
        ids = list({position.event_id for position in positions.values()})
        return StoredRecords(positions, items, await read_records(events, ids, EventRecord))

    async def load_approved(self, chunk: Sequence[PublicationFacts], stored: StoredRecords) -> None:
        """Read what people wrote, changed or withdrew at the desk."""
        log = EditorialLog(self.context.bus)
        for facts in chunk:
            position, item = stored.positions.get(facts.key), stored.items.get(facts.content_id)
            if position is None or item is None or self.is_of_event(facts, position, item, stored):
                continue
            if text := await approved_fingerprint(log, facts, position, item):
                stored.approved[facts.key] = text

    def is_of_event(
        self, facts: PublicationFacts, position: Position, item: Item, stored: StoredRecords
    ) -> bool:
        """Return whether an accepted event has the text that was published."""
        is_known = position.event_id in stored.records
        return is_known and self.expected_fingerprint(facts, position, item) == facts.fingerprint

    def check_publication(self, facts: PublicationFacts, stored: StoredRecords) -> Hits:
        position, item = stored.positions.get(facts.key), stored.items.get(facts.content_id)
        if position is None or item is None or facts.revision not in item.released:
            yield "publication-unexpected", "nobody has released it"
            return
        if approved := stored.approved.get(facts.key):
            if approved != facts.fingerprint:
                yield "text-differs", "not what was approved at the desk"
        else:
            yield from self.check_event(facts, position, item, stored)
        policy = self.policies.get(position.unit, _DESK_POLICY)
        yield from _check_approval(position, policy, restored=facts.seq <= self.restored_up_to)

    def check_event(
        self, facts: PublicationFacts, position: Position, item: Item, stored: StoredRecords
    ) -> Hits:
        record = stored.records.get(position.event_id)
        expected = self.expected_fingerprint(facts, position, item)
        if record is None or expected is None:
            yield "publication-unexpected", "no accepted event says so"
        elif expected != facts.fingerprint or record.hash != position.hash:
            yield "text-differs", "not what the accepted event says"

    def expected_fingerprint(
        self, facts: PublicationFacts, position: Position, item: Item
    ) -> bytes | None:
        """The text of its event; None without one, or if its event has another position."""
        if item.position_of(position.event_id) != facts.revision:
            return None
        if position.kind != "withdrawn":
            return self.fingerprints.get(facts.key)
        try:
            return text_fingerprint(build_withdrawal(facts.content_id, item, position))
        except ValidationError:
            return None
