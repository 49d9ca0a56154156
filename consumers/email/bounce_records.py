"""Bounces, refusals and complaints of a batch, recorded beside its ledger entry.

Evidence upgrades a ledger status and never downgrades it: that the relay accepted a mail stays
true after the mail bounces. So returned mail is counted beside `delivered`, in the bucket
`ledger`, key `back.<channel>.<content_id>.<revision>.<n>`, each row once per kind."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class BounceTotals:
    """Totals of a publication: `codes` of its bounces, `refused`: codes of the relay's refusals."""

    codes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    complained: int = 0
    at: float = 0.0

    @property
    def bounced(self) -> int:
        return self.codes.total()


class BounceRecords:
    """Reads and writes the records in the ledger's *bucket*. Raises BusError."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    async def record_bounce(self, batch: BatchKey, row: int, code: str, now: float) -> bool:
        """Record the first bounce of *row*; False if one was recorded before."""
        return await self._update(
            batch, now, lambda old: {"bounced": {**old.bounced, row: old.bounced.get(row, code)}}
        )

    async def record_refusals(self, batch: BatchKey, rows: Mapping[int, str], now: float) -> None:
        """Record the codes with which our own relay has refused *rows*."""
        await self._update(batch, now, lambda old: {"refused": {**rows, **old.refused}})

    async def record_complaint(self, batch: BatchKey, row: int, now: float) -> bool:
        """Record a complaint about *row*; False if it was recorded before."""
        return await self._update(
            batch, now, lambda old: {"complained": tuple(dict.fromkeys((*old.complained, row)))}
        )

    async def _update(
        self, batch: BatchKey, now: float, change: Callable[[BatchBounces], Mapping[str, object]]
    ) -> bool:
        """Change some fields of a record; False if they have their values already."""

        def merge(old: BatchBounces) -> BatchBounces:
            new = old.model_copy(update=change(old))
            return old if new == old else new.model_copy(update={"at": now})

        key = f"{KEY_PREFIX}{batch}"
        written = await records.update_or_create(self.bucket, key, BatchBounces, merge)
        return written.just_written

    async def batches(
        self, key_prefix: str, *, start: int = 1
    ) -> AsyncIterator[tuple[BatchKey, BatchBounces]]:
        """Yield the readable records of all batches whose key begins with *key_prefix*.

        Records last changed before sequence *start* are left out.
        """
        async for key, value in self.bucket.values(f"{KEY_PREFIX}{key_prefix}", start=start):
            batch = decode_or_none(BatchKey.parse, key.removeprefix(KEY_PREFIX))
            bounces = decode_or_none(BatchBounces.model_validate_json, value.data)
            if batch and bounces:
                yield batch, bounces

    async def totals(self, plan: PlanKey) -> BounceTotals:
        """Add up the records of one publication."""
        totals = BounceTotals()
        async for _, bounces in self.batches(f"{plan}."):
            totals.codes.update(bounces.bounced.values())
            totals.refused.update(bounces.refused.values())
            totals.complained += len(bounces.complained)
            totals.at = max(totals.at, bounces.at)
        return totals
