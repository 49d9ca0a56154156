"""What came back of a batch: facts beside its state, which stays what the relay said.

The ledger's statuses are upgraded by evidence and never downgraded: that the relay took a mail
stays true although it came back. So what came back is counted beside `delivered`, in the bucket
`ledger`, key `back.<channel>.<content_id>.<revision>.<n>`: a row once for each kind.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from pydantic import Field, ValidationError

from consumers import register
from consumers.ledger.bulk import legible
from contracts.delivery import BatchKey, PlanKey
from contracts.records import Record
from producers.bus import Bucket

PREFIX = "back."


class Back(Record):
    """One batch."""

    bounced: dict[int, str] = Field(default_factory=dict)
    """Row → the code with which it came back for good."""
    refused: dict[int, str] = Field(default_factory=dict)
    """Row → the code with which our own relay refused it; its letter says so, too."""
    complained: tuple[int, ...] = ()
    """Rows whose readers called it spam."""
    at: float = 0.0

    def with_bounce(self, row: int, code: str, now: float) -> Self:
        """The first word on a row stands."""
        if row in self.bounced:
            return self
        return self.model_copy(update={"bounced": {**self.bounced, row: code}, "at": now})

    def with_refusals(self, refused: Mapping[int, str], now: float) -> Self:
        known = {**refused, **self.refused}
        if known == self.refused:
            return self
        return self.model_copy(update={"refused": known, "at": now})

    def with_complaint(self, row: int, now: float) -> Self:
        if row in self.complained:
            return self
        return self.model_copy(update={"complained": (*self.complained, row), "at": now})


@dataclass(frozen=True, slots=True)
class Sum:
    """What came back of a publication; `codes` of its bounces, `refused`: of those at once."""

    bounced: int = 0
    complained: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    at: float = 0.0
    refused: Mapping[str, int] = field(default_factory=dict)


class Books:
    """Reads and writes them in the ledger's *bucket*. Raises BusError."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    async def bounced(self, batch: BatchKey, row: int, code: str, now: float) -> bool:
        """Note that *row* came back; False when that was known."""

        def move(found: Back | None) -> Back:
            return (found or Back()).with_bounce(row, code, now)

        return (await register.change(self.bucket, f"{PREFIX}{batch}", Back, move)).fresh

    async def refused(self, batch: BatchKey, rows: Mapping[int, str], now: float) -> None:
        """Note with which codes our own relay has refused *rows*."""

        def move(found: Back | None) -> Back:
            return (found or Back()).with_refusals(rows, now)

        await register.change(self.bucket, f"{PREFIX}{batch}", Back, move)

    async def complained(self, batch: BatchKey, row: int, now: float) -> bool:
        """Note that the reader of *row* complained; False when that was known."""

        def move(found: Back | None) -> Back:
            return (found or Back()).with_complaint(row, now)

        return (await register.change(self.bucket, f"{PREFIX}{batch}", Back, move)).fresh

    async def of(self, scope: str) -> AsyncIterator[tuple[BatchKey, Back]]:
        """What came back of each batch whose key begins with *scope*, as far as it can be read."""
        async for key, value in self.bucket.values(f"{PREFIX}{scope}"):
            named, back = legible(BatchKey.parse, key.removeprefix(PREFIX)), decoded(value.data)
            if named and back:
                yield named, back

    async def sum(self, plan: PlanKey) -> Sum:
        """Of one publication."""
        codes, refused = Counter[str](), Counter[str]()
        complained, at = 0, 0.0
        async for _, back in self.of(f"{plan}."):
            codes.update(back.bounced.values())
            refused.update(back.refused.values())
            complained += len(back.complained)
            at = max(at, back.at)
        return Sum(codes.total(), complained, codes, at, refused)


def decoded(data: bytes) -> Back | None:
    """None for what this version can't read."""
    try:
        return Back.model_validate_json(data)
    except ValidationError:
        return None
