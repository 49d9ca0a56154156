"""When rows were delivered: the steps of a batch, and the marks of a plan; pure."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from consumers.ledger.entry import DELIVERED_LETTERS, OPEN_LETTERS, LedgerEntry
from consumers.ledger.moves import PROGRESS_SHARES, count_letters
from contracts.delivery import Lane


class BatchTimes(NamedTuple):
    """The counted facts of one batch: its rows, and the moments at which its deliveries went on."""

    lane: Lane
    created: float
    delivered: int
    open: int
    moments: tuple[float, ...]

    @classmethod
    def of(cls, entry: LedgerEntry) -> "BatchTimes":
        moments = tuple(entry.created + after_s for after_s in entry.progress)
        delivered = count_letters(entry, DELIVERED_LETTERS)
        return cls(
            entry.lane, entry.created, delivered, count_letters(entry, OPEN_LETTERS), moments
        )

    def steps(self) -> Iterator[tuple[float, int]]:
        """Moments, and the rows delivered since the moment before: never counted too early."""
        *marks, last = self.moments
        before, possible = 0, self.delivered + self.open
        for moment, share in zip(marks, PROGRESS_SHARES, strict=False):
            rows = min(max(math.floor(share * possible), 1), self.delivered)
            yield moment, rows - before
            before = rows
        yield last, self.delivered - before


def reached_moments(batches: Sequence[BatchTimes]) -> list[float]:
    """The moments at which a plan reached its marks, as far as it has (`metrics.REACHED`).

    None for a plan that an older version began, which wrote no times.
    """
    if any(batch.delivered and not batch.moments for batch in batches):
        return []
    steps = sorted(step for batch in batches if batch.moments for step in batch.steps())
    possible = sum(batch.delivered + batch.open for batch in batches)
    moments: list[float] = []
    delivered = 0
    for at, rows in steps:
        delivered += rows
        reached = sum(delivered >= max(share * possible, 1) for share in PROGRESS_SHARES)
        moments += [at] * (reached - len(moments))
    is_over = bool(steps) and not any(batch.open for batch in batches)
    return [*moments, steps[-1][0]] if is_over else moments
