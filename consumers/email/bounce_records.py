"""Bounces, refusals and complaints of a batch, recorded beside its ledger entry.

Evidence upgrades a ledger status and never downgrades it: that the relay accepted a mail stays
true after the mail bounces. So returned mail is counted beside `delivered`, in the bucket
`ledger`, key `back.<channel>.<content_id>.<revision>.<n>`, each row once per kind."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from pydantic import Field

from consumers.ledger.bulk import decode_or_none
from contracts.delivery import BatchKey, PlanKey
from contracts.records import Record
from producers.bus import Bucket, records

KEY_PREFIX = "back."


class BatchBounces(Record):
    """The bounces, refusals and complaints of one batch."""

    bounced: dict[int, str] = Field(default_factory=dict)
    """Row → status code of its bounce."""
    refused: dict[int, str] = Field(default_factory=dict)
    """Row → status code with which our own relay refused it; the ledger says so, too."""
    complained: tuple[int, ...] = ()
    """Rows whose recipients reported spam."""
    at: float = 0.0

    def with_bounce(self, row: int, code: str, now: float) -> Self:
        """Add a bounce; the first one of a row is kept."""
        if row in self.bounced:
            return self
        return self.model_copy(update={"bounced": {**self.bounced, row: code}, "at": now})

    def with_refusals(self, refused: Mapping[int, str], now: float) -> Self:
        merged = {**refused, **self.refused}
        if merged == self.refused:
            return self
        return self.model_copy(update={"refused": merged, "at": now})

    def with_complaint(self, row: int, now: float) -> Self:
        if row in self.complained:
            return self
        return self.model_copy(update={"complained": (*self.complained, row), "at": now})


@dataclass(frozen=True, slots=True)
class BounceTotals:
    """Totals of a publication: `codes` of its bounces, `refused`: codes of the relay's refusals."""

    bounced: int = 0
    complained: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    at: float = 0.0
    refused: Mapping[str, int] = field(default_factory=dict)


class BounceRecords:
    """Reads and writes the records in the ledger's *bucket*. Raises BusError."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    async def record_bounce(self, batch: BatchKey, row: int, code: str, now: float) -> bool:
        """Record a bounce of *row*; False if it was recorded before."""
        return await self._update(batch, lambda record: record.with_bounce(row, code, now))

    async def record_refusals(self, batch: BatchKey, rows: Mapping[int, str], now: float) -> None:
        """Record the codes with which our own relay has refused *rows*."""
        await self._update(batch, lambda record: record.with_refusals(rows, now))

    async def record_complaint(self, batch: BatchKey, row: int, now: float) -> bool:
        """Record a complaint about *row*; False if it was recorded before."""
        return await self._update(batch, lambda record: record.with_complaint(row, now))

    async def _update(
        self, batch: BatchKey, change: Callable[[BatchBounces], BatchBounces]
    ) -> bool:
        key = f"{KEY_PREFIX}{batch}"
        written = await records.update_or_create(self.bucket, key, BatchBounces, change)
        return written.just_written

    async def batches(self, key_prefix: str) -> AsyncIterator[tuple[BatchKey, BatchBounces]]:
        """Yield the readable records of all batches whose key begins with *key_prefix*."""
        async for key, value in self.bucket.values(f"{KEY_PREFIX}{key_prefix}"):
            batch = decode_or_none(BatchKey.parse, key.removeprefix(KEY_PREFIX))
            bounces = decode_or_none(BatchBounces.model_validate_json, value.data)
            if batch and bounces:
                yield batch, bounces

    async def totals(self, plan: PlanKey) -> BounceTotals:
        """Add up the records of one publication."""
        codes, refused = Counter[str](), Counter[str]()
        complained, at = 0, 0.0
        async for _, bounces in self.batches(f"{plan}."):
            codes.update(bounces.bounced.values())
            refused.update(bounces.refused.values())
            complained += len(bounces.complained)
            at = max(at, bounces.at)
        return BounceTotals(codes.total(), complained, codes, at, refused)
