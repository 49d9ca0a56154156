"""Rules of plans: their totals, the order of an item's positions, and who gets a correction."""

from collections.abc import AsyncIterator, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.check.batches import CheckTime, RuleHits
from consumers.check.findings import STUCK_S
from consumers.dispatch.supersede import merge_distinct
from consumers.ledger import bulk, codec
from consumers.ledger.bulk import StoredBatch
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import REACHED_LETTERS, LedgerEntry
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.subscriptions.digest import Issue
from producers.bus import Bucket

MAX_PLANNING_S = 2 * STUCK_S
"""A plan may rightly wait until no older text can land any more: ten minutes at Zalo."""


HALT_MARKS = ("v", "w")


@dataclass
class PlanTally:
    """A plan and what its batches add up to."""

    plan: PlanKey
    cursor: PlanCursor
    rows: int = 0
    last_recipient: str = ""
    last_of_batch: str = ""  # the last batch's last recipient
    closed: float = 0.0  # when the last batch ended
    unclosed: list[BatchKey] = field(default_factory=list)
    halted: list[BatchKey] = field(default_factory=list)

    def add(self, batch: StoredBatch) -> None:
        if batch.entry:
            self.add_entry(batch.key, batch.entry)
        self.last_of_batch = batch.rows.ids[-1] if batch.rows else ""
        self.last_recipient = self.last_of_batch or self.last_recipient

    def add_entry(self, key: BatchKey, entry: LedgerEntry) -> None:
        self.rows += len(entry.rows)
        self.closed = max(self.closed, entry.closed_at)
        if not entry.closed_at:
            self.unclosed.append(key)
        if entry.halt:
            self.halted.append(key)

    @property
    def is_begun(self) -> bool:
        """Whether it was planned for itself, and not only halted for a newer position."""
        return bool(self.cursor.source or self.cursor.count or self.cursor.complete)


def check_total(tally: PlanTally) -> RuleHits:
    """The cursor counts what its batches hold, to the last recipient."""
    cursor = tally.cursor
    if tally.rows != cursor.planned:
        yield "rows-lost", f"{cursor.planned} planned, {tally.rows} in batches"
    if tally.last_of_batch and tally.last_of_batch != cursor.last:
        yield (
            "last-differs",
            f"goes on behind {cursor.last}, its batches end with {tally.last_of_batch}",
        )


def is_stuck(cursor: PlanCursor, at: CheckTime) -> bool:
    return not (cursor.complete or cursor.halt) and at.is_overdue(cursor.created, MAX_PLANNING_S)


def check_order(
    tallies: Sequence[PlanTally], released: Iterable[int] | None
) -> Iterator[tuple[str, str, str]]:
    """Between the positions of one item on one channel, lowest first: (rule, key, detail).

    *released* are the item's positions; None when nothing is known of them.
    """
    planned = {one.plan.revision for one in tallies if one.is_begun}
    for place, tally in enumerate(tallies):
        for fault in check_halt(tally, None if released is None else {*released, *planned}):
            yield "halt-wrong", f"plan.{tally.plan}", fault
        for key in tally.halted if not tally.cursor.halt else ():
            yield "halt-wrong", f"state.{key}", "halted, and its plan is not"
        newer = next((one for one in tallies[place + 1 :] if one.is_begun), None)
        if newer:
            yield from check_stopped(tally, newer)


def check_halt(tally: PlanTally, released: Container[int] | None) -> Iterator[str]:
    """A plan is halted by a higher position that was released, in its letter."""
    mark, by = tally.cursor.halt[:1], tally.cursor.halt[1:]
    if not mark:
        return
    if mark not in HALT_MARKS or not by.isdigit() or int(by) <= tally.plan.revision:
        yield f"halted by {tally.cursor.halt}"
    elif released is not None and int(by) not in released:
        yield f"halted by {tally.cursor.halt}, which was never released"


def check_stopped(older: PlanTally, newer: PlanTally) -> Iterator[tuple[str, str, str]]:
    """Once a newer position was begun the older ones are stopped, and on e-mail and Zalo quiet."""
    because = f"position {newer.plan.revision} has begun"
    if not older.cursor.halt:
        yield "order-broken", f"plan.{older.plan}", f"not halted although {because}"
    waits = older.plan.channel is not ChannelName.PORTAL
    for key in older.unclosed if waits and newer.cursor.count else ():
        yield "order-broken", f"state.{key}", f"still open although {because}"


ARTICLE_ROW = "article"


NAMED_RECIPIENTS = 5


async def check_corrections(
    bucket: Bucket, tallies: Sequence[PlanTally], digests: Sequence[tuple[Issue, int]] = ()
) -> AsyncIterator[tuple[str, str, str]]:
    """(rule, key, detail) for every position that has readers of older ones to tell.

    *digests*: issues that held a position of the item, and its number there.
    """
    for place, newer in enumerate(tallies):
        older = [reached_by_plan(bucket, one) for one in tallies[:place] if one.cursor.planned]
        if newer.plan.channel is ChannelName.EMAIL:
            older += [
                reached_by_digest(bucket, issue.plan, number)
                for issue, number in digests
                if issue.items[number].revision < newer.plan.revision
            ]
        if older and newer.cursor.complete and newer.plan.channel is not ChannelName.PORTAL:
            async for rule, people in compare_recipients(bucket, older, newer):
                yield (
                    rule,
                    f"plan.{newer.plan}",
                    f"{len(people)}: {', '.join(people[:NAMED_RECIPIENTS])}",
                )


async def compare_recipients(
    bucket: Bucket, older: Sequence[AsyncIterator[str]], newer: PlanTally
) -> AsyncIterator[tuple[str, list[str]]]:
    """Two sorted sequences side by side: who was reached, and who is told."""
    wrong: dict[str, list[str]] = {"correction-missing": [], "correction-unfounded": []}
    async for one in join_by_id(plan_recipients(bucket, newer), merge_distinct(older)):
        if one.was_reached and not one.is_correction and needs_correction(newer, one.id):
            wrong["correction-missing"].append(one.id)
        if one.is_correction and not one.was_reached:
            wrong["correction-unfounded"].append(one.id)
    for rule, people in wrong.items():
        if people:
            yield rule, people


class CorrectionRecipient(NamedTuple):
    """A recipient of an older text, or of the newer one (`is_correction`: marked as one)."""

    id: str
    is_correction: bool
    was_reached: bool


async def join_by_id(
    planned: AsyncIterator[tuple[str, bool]], reached: AsyncIterator[str]
) -> AsyncIterator[CorrectionRecipient]:
    one, id = await anext(planned, None), await anext(reached, None)
    while one is not None or id is not None:
        names = [name for name in (one and one[0], id) if name is not None]
        first = min(names)
        is_told, is_reached = one is not None and one[0] == first, id == first
        yield CorrectionRecipient(first, bool(is_told and one and one[1]), is_reached)
        if is_told:
            one = await anext(planned, None)
        if is_reached:
            id = await anext(reached, None)


def needs_correction(newer: PlanTally, id: str) -> bool:
    """A broadcast that went out is not repeated: its link leads to the corrected article."""
    return newer.plan.channel is ChannelName.EMAIL or id == ARTICLE_ROW


async def plan_recipients(bucket: Bucket, tally: PlanTally) -> AsyncIterator[tuple[str, bool]]:
    """A plan's recipients in order, and whether they are told that it is a correction."""
    async for batch in read_batches(bucket, tally):
        if batch.rows:
            for id in batch.rows.ids:
                yield id, id in batch.rows.corrections


async def reached_by_plan(bucket: Bucket, tally: PlanTally) -> AsyncIterator[str]:
    async for batch in read_batches(bucket, tally):
        if batch.entry and batch.rows:
            for letter, id in zip(batch.entry.rows, batch.rows.ids, strict=False):
                if letter in REACHED_LETTERS:
                    yield id


async def reached_by_digest(bucket: Bucket, plan: PlanKey, number: int) -> AsyncIterator[str]:
    """Who got, or may have got, item *number* in a digest."""
    async for batch in read_plan_batches(bucket, plan):
        if batch.entry and batch.rows:
            for letter, id in zip(batch.entry.rows, batch.rows.ids, strict=False):
                if letter in REACHED_LETTERS and batch.rows.item_masks.get(id, 0) >> number & 1:
                    yield id


def read_batches(bucket: Bucket, tally: PlanTally) -> AsyncIterator[bulk.StoredBatch]:
    keys = (BatchKey(*tally.plan, number) for number in range(tally.cursor.count))
    return bulk.read_batches(bucket, keys, recipients=True)


async def read_plan_batches(bucket: Bucket, plan: PlanKey) -> AsyncIterator[bulk.StoredBatch]:
    """All that a plan's cursor counts."""
    value = await bucket.get(f"plan.{plan}")
    cursor = bulk.decode_or_none(codec.decode_cursor, value.data) if value else None
    keys = (BatchKey(*plan, number) for number in range(cursor.count if cursor else 0))
    async for batch in bulk.read_batches(bucket, keys, recipients=True):
        yield batch
