"""Rules of plans: their totals, the order of an item's positions, and who gets a correction."""

from collections.abc import AsyncIterator, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.check.batches import Hits
from consumers.check.context import CheckTime
from consumers.check.findings import STUCK_S, Violation
from consumers.dispatch.supersede import merge_distinct
from consumers.ledger import bulk, codec
from consumers.ledger.bulk import StoredBatch
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import REACHED_LETTERS
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.subscriptions.digest import Issue
from producers.bus import Bucket

MAX_PLANNING_S = 2 * STUCK_S
"""A plan waits until no older text can have late effects: ten minutes at Zalo."""
_KEPT_S = 365 * 86400.0
_HALT_MARKS = ("v", "w")
_ARTICLE_ROW = "article"
NAMED_RECIPIENTS = 5


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
        self.last_of_batch = batch.rows.ids[-1] if batch.rows else ""
        self.last_recipient = self.last_of_batch or self.last_recipient
        if entry := batch.entry:
            self.rows += len(entry.rows)
            self.closed = max(self.closed, entry.closed_at)
            self.unclosed += [] if entry.closed_at else [batch.key]
            self.halted += [batch.key] if entry.halt else []

    @property
    def is_begun(self) -> bool:
        """Whether it was planned, and not only halted for a newer position."""
        cursor = self.cursor
        return bool(cursor.source or cursor.count or cursor.complete or cursor.removed)


def check_total(tally: PlanTally) -> Hits:
    """Check that the cursor counts what its batches hold, to the last recipient."""
    cursor = tally.cursor
    if cursor.removed:
        yield from _check_removal(cursor)
    elif tally.rows != cursor.planned:
        yield "rows-lost", f"{cursor.planned} planned, {tally.rows} in batches"
    if tally.last_of_batch and tally.last_of_batch != cursor.last:
        detail = f"goes on behind {cursor.last}, its batches end with {tally.last_of_batch}"
        yield "last-differs", detail


def _check_removal(cursor: PlanCursor) -> Hits:
    """Check that rows were removed by retention, which keeps all of them for a year at least."""
    if cursor.removed < max(cursor.created, cursor.finished) + _KEPT_S:
        yield "rows-lost", f"{cursor.planned} planned, removed before their time"


def is_stuck(cursor: PlanCursor, at: CheckTime) -> bool:
    return not (cursor.complete or cursor.halt) and at.is_overdue(cursor.created, MAX_PLANNING_S)


def check_order(tallies: list[PlanTally], released: Iterable[int] | None) -> Iterator[Violation]:
    """Compare the positions of one item on one channel, lowest first.

    *released* are the item's positions; None when nothing is known of them.
    """
    planned = {tally.plan.revision for tally in tallies if tally.is_begun}
    for place, tally in enumerate(tallies):
        for fault in _check_halt(tally, None if released is None else {*released, *planned}):
            yield Violation(rule="halt-wrong", key=f"plan.{tally.plan}", detail=fault)
        for key in tally.halted if not tally.cursor.halt else ():
            detail = "halted, and its plan is not"
            yield Violation(rule="halt-wrong", key=f"state.{key}", detail=detail)
        newer = next((later for later in tallies[place + 1 :] if later.is_begun), None)
        if newer:
            yield from _check_stopped(tally, newer)


def _check_halt(tally: PlanTally, released: Container[int] | None) -> Iterator[str]:
    """Check that a higher, released position halts the plan, with its letter."""
    mark, by = tally.cursor.halt[:1], tally.cursor.halt[1:]
    if not mark:
        return
    if mark not in _HALT_MARKS or not by.isdigit() or int(by) <= tally.plan.revision:
        yield f"halted by {tally.cursor.halt}"
    elif released is not None and int(by) not in released:
        yield f"halted by {tally.cursor.halt}, which was never released"


def _check_stopped(older: PlanTally, newer: PlanTally) -> Iterator[Violation]:
    """Check that a newer position has halted the older one; on e-mail and Zalo, also closed it."""
    because = f"position {newer.plan.revision} has begun"
    if not older.cursor.halt:
        detail = f"not halted although {because}"
        yield Violation(rule="order-broken", key=f"plan.{older.plan}", detail=detail)
    waits = older.plan.channel is not ChannelName.PORTAL
    for key in older.unclosed if waits and newer.cursor.count else ():
        detail = f"still open although {because}"
        yield Violation(rule="order-broken", key=f"state.{key}", detail=detail)


async def check_corrections(
    bucket: Bucket, tallies: Sequence[PlanTally], digests: Sequence[tuple[Issue, int]] = ()
) -> AsyncIterator[Violation]:
    """Check every position whose older ones have reached recipients.

    *digests*: issues that held a position of the item, and its number there.
    """
    for place, newer in enumerate(tallies):
        planned = [tally for tally in tallies[:place] if tally.cursor.planned]
        older = [recipients(_read_batches(bucket, tally), REACHED_LETTERS) for tally in planned]
        if newer.plan.channel is ChannelName.EMAIL:
            older += [
                recipients(read_plan_batches(bucket, issue.plan), REACHED_LETTERS, number)
                for issue, number in digests
                if issue.items[number].revision < newer.plan.revision
            ]
        if older and newer.cursor.complete and newer.plan.channel is not ChannelName.PORTAL:
            async for rule, ids in _compare_recipients(bucket, older, newer):
                detail = f"{len(ids)}: {', '.join(ids[:NAMED_RECIPIENTS])}"
                yield Violation(rule=rule, key=f"plan.{newer.plan}", detail=detail)


async def _compare_recipients(
    bucket: Bucket, older: Sequence[AsyncIterator[str]], newer: PlanTally
) -> AsyncIterator[tuple[str, list[str]]]:
    """Compare the recipients of older texts with those of the correction, both sorted."""
    wrong: dict[str, list[str]] = {"correction-missing": [], "correction-unfounded": []}
    async for row in _join_by_id(_plan_recipients(bucket, newer), merge_distinct(older)):
        if row.was_reached and not row.is_correction and _needs_correction(newer, row.id):
            wrong["correction-missing"].append(row.id)
        if row.is_correction and not row.was_reached:
            wrong["correction-unfounded"].append(row.id)
    for rule, ids in wrong.items():
        if ids:
            yield rule, ids


class CorrectionRecipient(NamedTuple):
    """A recipient of an older text, or of the newer one (`is_correction`: marked as one)."""

    id: str
    is_correction: bool
    was_reached: bool


async def _join_by_id(
    planned: AsyncIterator[tuple[str, bool]], reached: AsyncIterator[str]
) -> AsyncIterator[CorrectionRecipient]:
    row, id = await anext(planned, None), await anext(reached, None)
    while row is not None or id is not None:
        first = min(name for name in (row and row[0], id) if name is not None)
        is_planned, is_reached = row is not None and row[0] == first, id == first
        yield CorrectionRecipient(first, bool(is_planned and row and row[1]), is_reached)
        if is_planned:
            row = await anext(planned, None)
        if is_reached:
            id = await anext(reached, None)


def _needs_correction(newer: PlanTally, id: str) -> bool:
    """Whether a recipient gets the correction: a sent broadcast is not repeated on Zalo."""
    return newer.plan.channel is ChannelName.EMAIL or id == _ARTICLE_ROW


async def _plan_recipients(bucket: Bucket, tally: PlanTally) -> AsyncIterator[tuple[str, bool]]:
    """Yield a plan's recipients in order, and whether their mail is marked as a correction."""
    async for batch in _read_batches(bucket, tally):
        if batch.rows:
            for id in batch.rows.ids:
                yield id, id in batch.rows.corrections


async def recipients(
    batches: AsyncIterator[StoredBatch], letters: Container[int], number: int | None = None
) -> AsyncIterator[str]:
    """Yield the ids of rows with *letters*; of a digest, those of them with item *number*."""
    async for batch in batches:
        if batch.entry and batch.rows:
            for letter, id in zip(batch.entry.rows, batch.rows.ids, strict=False):
                has_item = number is None or batch.rows.item_masks.get(id, 0) >> number & 1
                if letter in letters and has_item:
                    yield id


def _read_batches(bucket: Bucket, tally: PlanTally) -> AsyncIterator[StoredBatch]:
    keys = (BatchKey(*tally.plan, number) for number in range(tally.cursor.stored_count))
    return bulk.read_batches(bucket, keys, recipients=True)


async def read_plan_batches(bucket: Bucket, plan: PlanKey) -> AsyncIterator[StoredBatch]:
    """Yield all batches that a plan's cursor counts."""
    value = await bucket.get(f"plan.{plan}")
    cursor = bulk.decode_or_none(codec.decode_cursor, value.data) if value else None
    keys = (BatchKey(*plan, number) for number in range(cursor.stored_count if cursor else 0))
    async for batch in bulk.read_batches(bucket, keys, recipients=True):
        yield batch
