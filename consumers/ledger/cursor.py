"""The plan of one publication on one channel: how far its recipients are split into batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from contracts.delivery import Lane

MAX_BATCH_ROWS = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlanCursor:
    """`count` batches hold all recipients up to and including the id `last`."""

    last: str = ""
    count: int = 0
    planned: int = 0  # recipients in those batches
    total: int | None = None  # recipients in the directory; known after the first batch
    complete: bool = False
    halt: str = ""  # "v7", "w7": a halted cursor never plans
    source: int = 0  # the publication's sequence in its stream
    lane: Lane = Lane.NORMAL
    doubt: bool = False  # planned again after a restore: may have been sent before
    created: float = 0.0
    finished: float = 0.0
    removed: float = 0.0  # when retention removed the batches; `counts` is what they added up to
    counts: Mapping[str, int] = field(default_factory=dict)

    def advance(self, batches: Sequence[Sequence[str]], *, complete: bool, now: float) -> Self:
        """The cursor after *batches* (sorted ids, all greater than `last`)."""
        ids = [batch[-1] for batch in batches if batch]
        return replace(
            self,
            last=ids[-1] if ids else self.last,
            count=self.count + len(batches),
            planned=self.planned + sum(map(len, batches)),
            complete=complete,
            finished=now if complete else 0.0,
        )

    def with_halt(self, halt_code: str) -> Self:
        """The halted cursor; the first halt stays."""
        return self if self.halt else replace(self, halt=halt_code)

    @property
    def is_halted_before_start(self) -> bool:
        return bool(self.halt) and not (self.count or self.complete or self.removed)

    @property
    def is_settled(self) -> bool:
        return bool(self.complete or self.halt)

    @property
    def stored_count(self) -> int:
        """How many batches can be read."""
        return 0 if self.removed else self.count

    @property
    def missing_count(self) -> int:
        """Recipients not yet in a batch; 0 for a halted plan, which a newer position replaces."""
        if self.complete or self.halt or self.total is None:
            return 0
        return max(self.total - self.planned, 0)


def split_into_batches(rows: Sequence[T]) -> list[Sequence[T]]:
    return [rows[start : start + MAX_BATCH_ROWS] for start in range(0, len(rows), MAX_BATCH_ROWS)]
