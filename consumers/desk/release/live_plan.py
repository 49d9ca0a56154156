"""The counts of one plan, kept up to date by reading only the batches that have changed."""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.ledger import codec
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.delivery_times import BatchTimes, reached_moments
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.messages import translate
from consumers.reporting.plan_summary import PlanSummary, status_counts
from contracts.delivery import OPEN, PlanKey, Status
from contracts.desk.live import ChannelProgress
from contracts.trace import StatusCounts
from producers import metrics

_RATE_SPAN_S = 10.0
_MOST_REASONS = 10
_BATCHES_AT_ONCE = 50


class _Batch(NamedTuple):
    """Facts about one batch. `waits_since`: when it was planned, if rows of it are open."""

    summary: PlanSummary
    times: BatchTimes
    waits_since: float | None

    @classmethod
    def of(cls, entry: LedgerEntry) -> "_Batch":
        summary = PlanSummary()
        summary.add(entry)
        since = entry.created if entry.is_open else None
        return cls(summary, BatchTimes.of(entry), since)


@dataclass
class LivePlan:
    """One plan. `update` reads what was written since the last time; the sums follow from that."""

    ledger: Ledger
    plan: PlanKey
    cursor: PlanCursor = field(default_factory=PlanCursor)
    statuses: Counter[Status] = field(default_factory=Counter)
    ends: Counter[tuple[Status, str]] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    _batches: dict[int, _Batch] = field(default_factory=dict)
    _ahead: dict[int, _Batch] = field(default_factory=dict)  # not counted by the cursor yet
    _next: int = 1
    _ended: deque[tuple[float, int]] = field(default_factory=deque)
    _reached: Mapping[str, float] = field(default_factory=dict)

    async def update(self, cursor: PlanCursor, now: float) -> None:
        """Read the batches that have changed. Raises BusError."""
        changed = dict(self._ahead)
        if not cursor.removed and (cursor.count or not cursor.is_settled):
            changed |= await self._read_changed()
        self.cursor = cursor
        self._ahead = {n: one for n, one in changed.items() if n >= cursor.stored_count}
        counted = {n: one for n, one in changed.items() if n < cursor.stored_count}
        for number, batch in counted.items():
            self._replace(number, batch)
        if counted:
            self._reached = self._times_to_marks()
        self._note_rate(now)

    async def _read_changed(self) -> dict[int, _Batch]:
        changed: dict[int, _Batch] = {}
        values = self.ledger.bucket.values(f"state.{self.plan}.", start=self._next)
        async for key, value in values:
            changed[int(key.rpartition(".")[2])] = _Batch.of(codec.decode_state(value.data))
            self._next = max(self._next, value.revision + 1)
            if len(changed) % _BATCHES_AT_ONCE == 0:
                await asyncio.sleep(0)  # let others run: the first look reads every batch
        return changed

    def _replace(self, number: int, batch: _Batch) -> None:
        if before := self._batches.get(number):
            self.statuses.subtract(before.summary.statuses)
            self.ends.subtract(before.summary.ends)
            self.waits.subtract(before.summary.waits)
            self.copies -= before.summary.copies
        self._batches[number] = batch
        self.statuses.update(batch.summary.statuses)
        self.ends.update(batch.summary.ends)
        self.waits.update(batch.summary.waits)
        self.copies += batch.summary.copies

    def _times_to_marks(self) -> Mapping[str, float]:
        """After how many seconds from its planning the plan reached each mark."""
        moments = reached_moments([one.times for one in self._batches.values()])
        marks = zip(metrics.REACHED, moments, strict=False)
        return {mark: max(at - self.cursor.created, 0.0) for mark, at in marks}

    def _note_rate(self, now: float) -> None:
        ended = sum(count for status, count in self.statuses.items() if status not in OPEN)
        self._ended.append((now, ended))
        while len(self._ended) > 2 and now - self._ended[1][0] >= _RATE_SPAN_S:
            self._ended.popleft()

    def progress(self, now: float) -> ChannelProgress:
        """The plan's counts, as `loa trace` counts them."""
        if self.cursor.removed:
            return self._counted_earlier(StatusCounts.model_validate(self.cursor.counts))
        counts = status_counts(self.cursor, self.statuses, self.copies)
        return ChannelProgress(
            channel=self.plan.channel,
            expected=counts.expected,
            missing=counts.missing,
            statuses={one: self.statuses[one] for one in Status if self.statuses[one]},
            copies=self.copies,
            is_complete=counts.complete,
            per_s=0.0 if counts.complete else self._per_s(),
            oldest_s=self._oldest_s(now),
            reached=self._reached,
            failures=_by_reason(Counter({why: n for (_, why), n in self.ends.items()})),
            waits=_by_reason(self.waits),
        )

    def _counted_earlier(self, counts: StatusCounts) -> ChannelProgress:
        statuses = {one: getattr(counts, one.value) for one in Status}
        shown = {one: count for one, count in statuses.items() if count}
        return ChannelProgress(
            self.plan.channel, counts.expected, counts.missing, shown, is_complete=True
        )

    def _per_s(self) -> float:
        (began, before), (at, now) = self._ended[0], self._ended[-1]
        return max(now - before, 0) / (at - began) if at > began else 0.0

    def _oldest_s(self, now: float) -> float | None:
        waiting = [one.waits_since for one in self._batches.values() if one.waits_since is not None]
        return max(now - min(waiting), 0.0) if waiting else None


def _by_reason(reasons: Counter[str]) -> list[tuple[str, int]]:
    """Rows by reason, most first, in Vietnamese."""
    translated: Counter[str] = Counter()
    for reason, count in reasons.items():
        if count > 0:
            translated[translate(reason).vi] += count
    return translated.most_common(_MOST_REASONS)
