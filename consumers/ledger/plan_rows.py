"""The rows of a plan's batches, found by recipient: ids are sorted over all batches of a plan."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.ledger.codec import BatchRows
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, PlanKey

CACHE_SIZE = 64


class RecipientRow(NamedTuple):
    """A recipient's row; `picks`: as in `AudienceRow`."""

    batch: BatchKey
    row: int
    picks: int


@dataclass
class PlanRows:
    """Reads rows through a cache: every search begins in the middle of a plan."""

    ledger: Ledger
    cache: OrderedDict[BatchKey, BatchRows] = field(default_factory=OrderedDict)

    async def load(self, batch: BatchKey) -> BatchRows:
        if batch not in self.cache:
            self.cache[batch] = await self.ledger.rows(batch)
        self.cache.move_to_end(batch)
        if len(self.cache) > CACHE_SIZE:
            self.cache.popitem(last=False)
        return self.cache[batch]

    async def between(
        self, plan: PlanKey, first: str, last: str
    ) -> AsyncIterator[tuple[BatchKey, BatchRows]]:
        """Yield the batches of a plan with ids from *first* to *last*, by binary search."""
        stored_plan = await self.ledger.plan(plan)
        count = stored_plan.value.count if stored_plan else 0
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if (await self.load(BatchKey(*plan, middle))).ids[-1] < first:
                low = middle + 1
            else:
                high = middle
        for number in range(low, count):
            batch = BatchKey(*plan, number)
            rows = await self.load(batch)
            if rows.ids[0] > last:
                return
            yield batch, rows

    async def find(self, plan: PlanKey, id: str) -> RecipientRow | None:
        async for batch, rows in self.between(plan, id, id):
            if id in rows.ids:
                return RecipientRow(batch, rows.ids.index(id), rows.item_masks.get(id, 0))
        return None
