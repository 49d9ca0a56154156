"""In which mails the readers of a correction got what it corrects, where that was a digest."""

from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from consumers.digests.book import Book
from consumers.ledger.codec import Rows
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, PlanKey

K = TypeVar("K")
V = TypeVar("V")
KEPT = 64
EVERYBODY = -1


class Way(NamedTuple):
    """A mail that carried some position of an item: all rows of a plan, or a digest's *number*."""

    revision: int
    plan: PlanKey
    number: int = EVERYBODY


Earlier = tuple[Sequence[Way], Sequence[Way]]
"""Digests, and plans of the item's own; the latter matter only to who is in one of the former."""
Had = Mapping[str, tuple[PlanKey, ...]]


@dataclass
class Received:
    """Reads the ledger a batch at a time. Raises BusError or LedgerError.

    An item that stood in no digest costs one read in its whole plan. Where it did, a batch of a
    correction is laid beside those batches of the earlier mails that hold the same span of ids;
    nobody is looked up alone.
    """

    ledger: Ledger
    book: Book
    known_ways: OrderedDict[PlanKey, Earlier] = field(default_factory=OrderedDict)
    known_rows: OrderedDict[BatchKey, Rows] = field(default_factory=OrderedDict)

    async def by(self, batch: BatchKey, rows: Rows) -> Had:
        """The mails with an earlier text that each reader got or may have got, oldest text first.

        Only of those whom *rows* marks as corrected, and one of whose mails was a digest.
        """
        had: dict[str, list[Way]] = defaultdict(list)
        wanted: Collection[str] = rows.corrections
        for ways in await self.earlier(batch.plan) if wanted else ():
            for way in ways if wanted else ():
                async for id in self.reached(way, rows.ids[0], rows.ids[-1]):
                    if id in wanted:
                        had[id].append(way)
            wanted = set(had)
        return {id: tuple(way.plan for way in sorted(ways)) for id, ways in had.items()}

    async def earlier(self, plan: PlanKey) -> Earlier:
        """What may have carried a position below *plan*'s: digests, and mails alone since then."""
        if plan not in self.known_ways:
            digests = sorted([one async for one in self.digests(plan)])
            first = digests[0].revision if digests else plan.revision
            since = range(first, plan.revision)
            alone = [Way(number, plan._replace(revision=number)) for number in since]
            self.known_ways[plan] = digests, alone
        return kept(self.known_ways, plan)

    async def digests(self, plan: PlanKey) -> AsyncIterator[Way]:
        places = (await self.book.places(plan.content_id)).value
        for name in places.digests if places else ():
            for issue, _ in await self.book.every(name):
                number = issue.number(plan.content_id)
                if number is not None and issue.items[number].revision < plan.revision:
                    yield Way(issue.items[number].revision, issue.plan, number)

    async def reached(self, way: Way, first: str, last: str) -> AsyncIterator[str]:
        """Who of the ids from *first* to *last* got it, or may have got it."""
        async for batch, rows in self.across(way.plan, first, last):
            state = await self.ledger.state(batch)
            for row in state.value.reached() if state else ():
                id = rows.ids[row]
                if way.number == EVERYBODY or rows.picks[id] >> way.number & 1:
                    yield id

    async def across(
        self, plan: PlanKey, first: str, last: str
    ) -> AsyncIterator[tuple[BatchKey, Rows]]:
        """The batches of a plan that hold ids from *first* to *last*, by binary search."""
        held = await self.ledger.plan(plan)
        count = held.value.count if held else 0
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if (await self.rows(BatchKey(*plan, middle))).ids[-1] < first:
                low = middle + 1
            else:
                high = middle
        for number in range(low, count):
            batch = BatchKey(*plan, number)
            rows = await self.rows(batch)
            if rows.ids[0] > last:
                return
            yield batch, rows

    async def rows(self, batch: BatchKey) -> Rows:
        """Rows: corrections go out in order of their ids, and each search begins in the middle."""
        if batch not in self.known_rows:
            self.known_rows[batch] = await self.ledger.rows(batch)
        return kept(self.known_rows, batch)


def kept(known: OrderedDict[K, V], key: K) -> V:
    """What is known by *key*; beside it, those are kept that were asked for last."""
    known.move_to_end(key)
    if len(known) > KEPT:
        known.popitem(last=False)
    return known[key]
