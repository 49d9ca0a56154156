"""Find the earlier mails that brought each recipient of a correction the text it corrects."""

from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from consumers.digests.store import DigestStore
from consumers.ledger.codec import BatchRows
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, PlanKey

K = TypeVar("K")
V = TypeVar("V")
CACHE_SIZE = 64
ALL_ROWS = -1


class SourceMail(NamedTuple):
    """A mail that brought some position of an item: alone, or as item of a digest."""

    revision: int
    plan: PlanKey
    item_number: int = ALL_ROWS


SourceMails = tuple[Sequence[SourceMail], Sequence[SourceMail]]
"""Digests, and plans of the item alone; the latter matter only for recipients of the former."""
PlansByRecipient = Mapping[str, tuple[PlanKey, ...]]


@dataclass
class EarlierMails:
    """Reads the ledger one batch at a time. Raises BusError or LedgerError.

    An item that was in no digest costs one read in its whole plan. Otherwise a batch of a
    correction is compared with the batches of earlier mails in the same range of ids; no recipient
    is looked up singly.
    """

    ledger: Ledger
    store: DigestStore
    mail_cache: OrderedDict[PlanKey, SourceMails] = field(default_factory=OrderedDict)
    row_cache: OrderedDict[BatchKey, BatchRows] = field(default_factory=OrderedDict)

    async def received_by(self, batch: BatchKey, rows: BatchRows) -> PlansByRecipient:
        """Return the earlier mails that each recipient got or may have got, oldest text first.

        Covers only corrected rows whose earlier mails include a digest.
        """
        had: dict[str, list[SourceMail]] = defaultdict(list)
        wanted: Collection[str] = rows.corrections
        for ways in await self.source_mails(batch.plan) if wanted else ():
            for way in ways if wanted else ():
                async for id in self.reached_recipients(way, rows.ids[0], rows.ids[-1]):
                    if id in wanted:
                        had[id].append(way)
            wanted = set(had)
        return {id: tuple(way.plan for way in sorted(ways)) for id, ways in had.items()}

    async def source_mails(self, plan: PlanKey) -> SourceMails:
        """Return digests with an older position, and mails of the item alone since then."""
        if plan not in self.mail_cache:
            digests = sorted([digest async for digest in self.source_digests(plan)])
            first = digests[0].revision if digests else plan.revision
            since = range(first, plan.revision)
            alone = [SourceMail(number, plan._replace(revision=number)) for number in since]
            self.mail_cache[plan] = digests, alone
        return _touch(self.mail_cache, plan)

    async def source_digests(self, plan: PlanKey) -> AsyncIterator[SourceMail]:
        item_digests = (await self.store.digests_of_item(plan.content_id)).value
        for name in item_digests.digests if item_digests else ():
            for issue, _ in await self.store.all_issues(name):
                number = issue.number_of(plan.content_id)
                if number is not None and issue.items[number].revision < plan.revision:
                    yield SourceMail(issue.items[number].revision, issue.plan, number)

    async def reached_recipients(
        self, mail: SourceMail, first: str, last: str
    ) -> AsyncIterator[str]:
        """Yield the ids from *first* to *last* that got the mail, or may have got it."""
        async for batch, rows in self.batches_between(mail.plan, first, last):
            state = await self.ledger.state(batch)
            for row in state.value.reached_rows() if state else ():
                id = rows.ids[row]
                if mail.item_number == ALL_ROWS or rows.item_masks[id] >> mail.item_number & 1:
                    yield id

    async def batches_between(
        self, plan: PlanKey, first: str, last: str
    ) -> AsyncIterator[tuple[BatchKey, BatchRows]]:
        """Yield the batches of a plan with ids from *first* to *last*, by binary search."""
        stored_plan = await self.ledger.plan(plan)
        count = stored_plan.value.count if stored_plan else 0
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if (await self.load_rows(BatchKey(*plan, middle))).ids[-1] < first:
                low = middle + 1
            else:
                high = middle
        for number in range(low, count):
            batch = BatchKey(*plan, number)
            rows = await self.load_rows(batch)
            if rows.ids[0] > last:
                return
            yield batch, rows

    async def load_rows(self, batch: BatchKey) -> BatchRows:
        """Load rows through a cache: every search begins in the middle of a plan."""
        if batch not in self.row_cache:
            self.row_cache[batch] = await self.ledger.rows(batch)
        return _touch(self.row_cache, batch)


def _touch(cache: OrderedDict[K, V], key: K) -> V:
    """Return a cached value and evict the least recently used one."""
    cache.move_to_end(key)
    if len(cache) > CACHE_SIZE:
        cache.popitem(last=False)
    return cache[key]
