"""What a plan promises of its batches, and the positions of an item of each other."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from consumers.check.batches import Found, Moment
from consumers.check.findings import STUCK_S
from consumers.ledger.bulk import Batch
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry
from contracts.delivery import BatchKey, ChannelName, PlanKey

PLANNING_S = 2 * STUCK_S
"""A plan may rightly wait until no older text can land any more: ten minutes at Zalo."""
HALTS = ("v", "w")


@dataclass
class Tally:
    """A plan and what its batches add up to."""

    plan: PlanKey
    cursor: Cursor
    rows: int = 0
    last: str = ""
    ends: str = ""  # the last batch's last recipient
    closed: float = 0.0  # when the last batch ended
    unclosed: list[BatchKey] = field(default_factory=list)
    halted: list[BatchKey] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        if batch.entry:
            self.note(batch.key, batch.entry)
        self.ends = batch.rows.ids[-1] if batch.rows else ""
        self.last = self.ends or self.last

    def note(self, key: BatchKey, entry: Entry) -> None:
        self.rows += len(entry.rows)
        self.closed = max(self.closed, entry.closed)
        if not entry.closed:
            self.unclosed.append(key)
        if entry.halt:
            self.halted.append(key)

    @property
    def begun(self) -> bool:
        """Somebody has planned it for itself, not only halted it for a newer one."""
        return bool(self.cursor.source or self.cursor.count or self.cursor.complete)


def total(tally: Tally) -> Found:
    """The cursor counts what its batches hold, to the last recipient."""
    cursor = tally.cursor
    if tally.rows != cursor.planned:
        yield "rows-lost", f"{cursor.planned} planned, {tally.rows} in batches"
    if tally.ends and tally.ends != cursor.last:
        yield "last-differs", f"goes on behind {cursor.last}, its batches end with {tally.ends}"


def stuck(cursor: Cursor, at: Moment) -> bool:
    return not (cursor.complete or cursor.halt) and at.over(cursor.created, PLANNING_S)


def order(
    tallies: Sequence[Tally], released: Iterable[int] | None
) -> Iterator[tuple[str, str, str]]:
    """Between the positions of one item on one channel, lowest first: (rule, key, detail).

    *released* are the item's positions; None when nothing is known of them.
    """
    planned = {one.plan.revision for one in tallies if one.begun}
    for place, tally in enumerate(tallies):
        for fault in halting(tally, None if released is None else {*released, *planned}):
            yield "halt-wrong", f"plan.{tally.plan}", fault
        for key in tally.halted if not tally.cursor.halt else ():
            yield "halt-wrong", f"state.{key}", "halted, and its plan is not"
        newer = next((one for one in tallies[place + 1 :] if one.begun), None)
        if newer:
            yield from stopped(tally, newer)


def halting(tally: Tally, released: Container[int] | None) -> Iterator[str]:
    """A plan is halted by a higher position that was released, in its letter."""
    mark, by = tally.cursor.halt[:1], tally.cursor.halt[1:]
    if not mark:
        return
    if mark not in HALTS or not by.isdigit() or int(by) <= tally.plan.revision:
        yield f"halted by {tally.cursor.halt}"
    elif released is not None and int(by) not in released:
        yield f"halted by {tally.cursor.halt}, which was never released"


def stopped(older: Tally, newer: Tally) -> Iterator[tuple[str, str, str]]:
    """Once a newer position was begun the older ones are stopped, and on e-mail and Zalo quiet."""
    because = f"position {newer.plan.revision} has begun"
    if not older.cursor.halt:
        yield "order-broken", f"plan.{older.plan}", f"not halted although {because}"
    waits = older.plan.channel is not ChannelName.PORTAL
    for key in older.unclosed if waits and newer.cursor.count else ():
        yield "order-broken", f"state.{key}", f"still open although {because}"
