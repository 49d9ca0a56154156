"""Find items that a recipient has already received, alone or in another digest."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from consumers.digests.store import DigestStore
from consumers.dispatch.handler import DigestPart
from consumers.dispatch.supersede import merge_distinct
from consumers.ledger.codec import BatchRows
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.subscriptions.digest import Issue

UNSENT_LETTERS = frozenset(b"vwe")
"""Letters of rows that certainly got nothing and were not refused: stopped, or expired."""
CACHE_SIZE = 64


class SortedIds:
    """A sorted stream of ids, searched in order."""

    def __init__(self, stream: AsyncIterator[str]) -> None:
        self.stream = stream
        self.head: str | None = ""

    async def contains(self, id: str) -> bool:
        while self.head is not None and self.head < id:
            self.head = await anext(self.stream, None)
        return self.head == id


@dataclass
class AlreadyReceived:
    """Answers for an issue's recipients, asked in the order of their ids. Raises BusError.

    The recipients of an item's older texts are also in the plan of the newer one. So this plan and
    the digests with the same position show who has received the item.
    """

    ledger: Ledger
    store: DigestStore
    issue: Issue
    after: str
    parts: dict[int, Sequence[DigestPart]] = field(default_factory=dict)
    sorted_ids: dict[int, SortedIds] = field(default_factory=dict)
    row_cache: OrderedDict[BatchKey, BatchRows] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.since = self.issue.since

    async def load(self) -> None:
        """Load the plans and digests to search.

        A digest of the other frequency may reach further back, and included subscribers who left
        that frequency within its window. So changes of frequency since then have to be checked,
        too.
        """
        for number, item in enumerate(self.issue.items):
            if not item.out:
                self.parts[number] = [part async for part in self.other_digests(item.content_id)]
                if not item.first:
                    self.sorted_ids[number] = SortedIds(self.all_recipients(number))

    def own_plan(self, number: int) -> PlanKey:
        """Return the plan of an item by itself."""
        item = self.issue.items[number]
        return PlanKey(ChannelName.EMAIL, item.content_id, item.revision)

    async def other_digests(self, content_id: str) -> AsyncIterator[DigestPart]:
        """Yield other planned digests that hold the same position."""
        own_number = self.issue.number_of(content_id)
        stored = await self.store.digests_of_item(content_id)
        for name in stored.value.digests if stored.value and own_number is not None else ():
            for issue, _ in (
                await self.store.all_issues(name) if name != self.issue.digest_id else ()
            ):
                number = issue.number_of(content_id)
                same = (
                    number is not None
                    and own_number is not None
                    and (issue.items[number].revision == self.issue.items[own_number].revision)
                )
                if number is not None and same and await self.ledger.plan(issue.plan):
                    self.since = min(self.since, issue.since)
                    yield DigestPart(issue.plan, number)

    async def not_yet_received(self, id: str, picks: int, *, has_changed_frequency: bool) -> int:
        """Return those of *picks* that this recipient has not received."""
        for number, line in self.sorted_ids.items():
            if picks >> number & 1 and await line.contains(id):
                picks &= ~(1 << number)
        for number in self.parts if has_changed_frequency else ():
            if (
                picks >> number & 1
                and number not in self.sorted_ids
                and await self.has_received(number, id)
            ):
                picks &= ~(1 << number)
        return picks

    # --- all recipients, in order

    def all_recipients(self, number: int) -> AsyncIterator[str]:
        streams = [self.planned_recipients(self.own_plan(number))]
        return merge_distinct(
            [*streams, *(self.digest_recipients(part) for part in self.parts[number])]
        )

    async def planned_recipients(self, plan: PlanKey) -> AsyncIterator[str]:
        """Yield all recipients of a plan, whatever their status."""
        stored_plan = await self.ledger.plan(plan)
        for number in range(stored_plan.value.count if stored_plan else 0):
            for id in (await self.ledger.rows(BatchKey(*plan, number))).ids:
                if id > self.after:
                    yield id

    async def digest_recipients(self, part: DigestPart) -> AsyncIterator[str]:
        """Yield the recipients of an item in a digest, without unsent rows."""
        stored_plan = await self.ledger.plan(part.plan)
        if stored_plan is None:
            return
        async for batch, entry in self.ledger.entries(part.plan, stored_plan.value):
            rows = await self.ledger.rows(batch)
            for id, letter in zip(rows.ids, entry.value.rows, strict=True):
                if (
                    id > self.after
                    and letter not in UNSENT_LETTERS
                    and rows.item_masks[id] >> part.number & 1
                ):
                    yield id

    # --- one recipient

    async def has_received(self, number: int, id: str) -> bool:
        """Whether one recipient has received an item, by binary search."""
        if await self.find_batch(self.own_plan(number), id):
            return True
        for part in self.parts[number]:
            batch = await self.find_batch(part.plan, id)
            if batch and await self.was_served_in(batch, part.number, id):
                return True
        return False

    async def was_served_in(self, batch: BatchKey, number: int, id: str) -> bool:
        rows, state = await self.load_rows(batch), await self.ledger.state(batch)
        letter = state.value.rows[rows.ids.index(id)] if state else 0
        return letter not in UNSENT_LETTERS and bool(rows.item_masks[id] >> number & 1)

    async def find_batch(self, plan: PlanKey, id: str) -> BatchKey | None:
        """Find the batch of *id*: ids are sorted over all batches of a plan."""
        stored_plan = await self.ledger.plan(plan)
        low, high = 0, stored_plan.value.count if stored_plan else 0
        while low < high:
            batch = BatchKey(*plan, (low + high) // 2)
            ids = (await self.load_rows(batch)).ids
            if id < ids[0]:
                high = batch.number
            elif id > ids[-1]:
                low = batch.number + 1
            else:
                return batch if id in ids else None
        return None

    async def load_rows(self, batch: BatchKey) -> BatchRows:
        """Load rows through a cache of the latest ones."""
        if batch not in self.row_cache:
            self.row_cache[batch] = await self.ledger.rows(batch)
            if len(self.row_cache) > CACHE_SIZE:
                self.row_cache.popitem(last=False)
        return self.row_cache[batch]
