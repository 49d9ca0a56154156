"""The delivery of one plan as a fact, once all its rows have ended; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from consumers.email.bounce_records import BounceTotals
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.delivery_times import BatchTimes, reached_moments
from consumers.ledger.entry import LedgerEntry
from contracts.base.times import utc_time
from contracts.delivery import PlanKey, Status
from contracts.facts import DeliveryFact
from contracts.trace import StatusCounts

_SOON_S = 10.0
Mark = Literal["first", "half", "most", "all"]
_MARKS: tuple[Mark, ...] = ("first", "half", "most", "all")
"""In the order of `reached_moments`."""


def is_planned(cursor: PlanCursor) -> bool:
    """Whether a plan has all its batches, whose rows may still be open.

    A plan that a newer position halted before its start has none, and no fact.
    """
    return cursor.is_settled and not cursor.is_halted_before_start


def delivery_fact(
    plan: PlanKey,
    cursor: PlanCursor,
    entries: Sequence[LedgerEntry],
    bounces: BounceTotals,
) -> DeliveryFact | None:
    """The fact of a plan with *entries*, its batches; None while a row is open."""
    if not is_planned(cursor):
        return None
    if cursor.removed:
        return _remembered_fact(plan, cursor)
    if not all(entry.closed_at for entry in entries):
        return None
    ended = max([entry.closed_at for entry in entries], default=cursor.finished or cursor.created)
    times = [BatchTimes.of(entry) for entry in entries]
    return DeliveryFact(
        **_begun(plan, cursor),
        ended_at=utc_time(ended),
        counts=_counts(entries),
        copies=sum(entry.possible_copies for entry in entries),
        bounced=bounces.bounced,
        complained=bounces.complained,
        reached_s=_reached_s(cursor, times),
        within_10_s=_within_10_s(cursor, times),
    )


def _remembered_fact(plan: PlanKey, cursor: PlanCursor) -> DeliveryFact:
    """The fact of a plan whose rows retention has removed, by the counts that it kept."""
    kept = StatusCounts.model_validate(cursor.counts)
    counts = {status: getattr(kept, status) for status in Status}
    return DeliveryFact(
        **_begun(plan, cursor),
        counts={status: count for status, count in counts.items() if count},
        copies=kept.maybe_duplicate,
        bounced=kept.bounced,
        complained=kept.complained,
    )


def _begun(plan: PlanKey, cursor: PlanCursor) -> dict[str, Any]:
    return plan._asdict() | {"lane": cursor.lane, "began_at": utc_time(cursor.created)}


def _counts(entries: Iterable[LedgerEntry]) -> Mapping[Status, int]:
    counts = Counter[Status]()
    for entry in entries:
        counts.update(entry.count_by_status())
    return {status: counts[status] for status in Status if counts[status]}


def _reached_s(cursor: PlanCursor, times: Sequence[BatchTimes]) -> Mapping[Mark, float]:
    moments = reached_moments(times)
    return {mark: round(at - cursor.created, 2) for mark, at in zip(_MARKS, moments, strict=False)}


def _within_10_s(cursor: PlanCursor, times: Iterable[BatchTimes]) -> int | None:
    """Rows that were certainly delivered by then; None where an older version noted no times."""
    begun = [batch for batch in times if batch.delivered]
    if not all(batch.moments for batch in begun):
        return None
    steps = (step for batch in begun for step in batch.steps())
    return sum(rows for at, rows in steps if at <= cursor.created + _SOON_S)
