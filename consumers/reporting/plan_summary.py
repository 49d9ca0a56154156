"""Summary of one plan's batches: statuses, reasons, possible copies and interruptions."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from consumers.case_notices.trace import channel_entry
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.doubts import Doubt
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.interruptions import interruption_entries
from consumers.ledger.store import Ledger
from contracts.delivery import OPEN, ChannelName, PlanKey, Status
from contracts.trace import StatusCounts, TimelineEntry

_LEFT = "the reader has left, or has paused mail"
_MAX_SHOWN = 10
_MAX_WAITS = 3


@dataclass
class PlanSummary:
    """Sums over the batches of one plan. `closed`: when its last batch was closed.

    `ended_at`: when the first row of each end failed; `waits_since`: the same of rows that wait.
    """

    statuses: Counter[Status] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    waits_since: dict[str, float] = field(default_factory=dict)
    ends: Counter[tuple[Status, str]] = field(default_factory=Counter)
    ended_at: dict[tuple[Status, str], float] = field(default_factory=dict)
    copies: int = 0
    closed: float = 0.0
    doubts: list[Doubt] = field(default_factory=list)

    def add(self, entry: LedgerEntry) -> None:
        self.statuses.update(entry.count_by_status())
        for row, reason in entry.waiting_reasons.items():
            self.waits[reason] += 1
            first = self.waits_since.get(reason, math.inf)
            self.waits_since[reason] = min(first, entry.failed_at(row))
        for row, end in entry.end_reasons.items():
            self.ends[end] += 1
            self.ended_at[end] = min(self.ended_at.get(end, math.inf), entry.failed_at(row))
        self.add_left(entry)
        self.copies += entry.possible_copies
        self.closed = max(self.closed, entry.closed_at)
        self.doubts += entry.doubts

    def add_left(self, entry: LedgerEntry) -> None:
        """Count the rows that were not tried, since their readers had left or paused: no reason."""
        explained = [end for end in entry.end_reasons.values() if end[0] is Status.SUPPRESSED]
        left = entry.count_by_status().get(Status.SUPPRESSED, 0) - len(explained)
        if left:
            end = (Status.SUPPRESSED, _LEFT)
            self.ends[end] += left
            at = entry.closed_at or entry.created
            self.ended_at[end] = min(self.ended_at.get(end, math.inf), at)

    def wait_entries(self, channel: ChannelName) -> Iterator[TimelineEntry]:
        """Yield why rows wait, each with the time of the first failure."""
        for reason, rows in self.waits.most_common(_MAX_WAITS):
            since = self.waits_since[reason]
            yield channel_entry(since, "waiting", channel, f"{rows} rows: {reason}")

    def end_entries(self, channel: ChannelName) -> Iterator[TimelineEntry]:
        """Yield why rows ended undelivered, and what left rows in doubt."""
        for (status, reason), rows in self.ends.most_common(_MAX_SHOWN):
            detail = f"{rows} rows: {reason}"
            yield channel_entry(self.ended_at[status, reason], status, channel, detail)
        yield from interruption_entries(channel, self.doubts)


async def summarize(ledger: Ledger, plan: PlanKey, cursor: PlanCursor) -> PlanSummary:
    """Summarize the batches that *cursor* counts. Raises BusError, LedgerError."""
    summary = PlanSummary()
    async for _, entry in ledger.entries(plan, cursor):
        summary.add(entry.value)
    return summary


def status_counts(cursor: PlanCursor, statuses: Counter[Status], copies: int) -> StatusCounts:
    missing = cursor.missing_count
    unfinished = missing or any(statuses[status] for status in OPEN)
    return StatusCounts(
        **{status.value: statuses[status] for status in Status},
        expected=sum(statuses.values()) + missing,
        missing=missing,
        maybe_duplicate=copies,
        complete=bool(cursor.complete or cursor.halt) and not unfinished,
    )
