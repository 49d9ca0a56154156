"""Who has had an item already: from its own plan, or in another digest at the same position."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from consumers.digests.book import Book
from consumers.dispatch import Part
from consumers.fence import distinct
from consumers.ledger.codec import Rows
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.digest import Issue

LEFT = frozenset(b"vwe")
"""Letters of rows that surely got nothing, and were not refused: stopped, or over."""
KEPT = 64


class Line:
    """A sorted stream of ids that is asked for ids in order."""

    def __init__(self, stream: AsyncIterator[str]) -> None:
        self.stream = stream
        self.head: str | None = ""

    async def has(self, id: str) -> bool:
        while self.head is not None and self.head < id:
            self.head = await anext(self.stream, None)
        return self.head == id


@dataclass
class Served:
    """Asked for an issue's readers in order of their ids. Raises BusError.

    Whoever got an earlier text of an item stands in the plan of the newer one: that plan alone, and
    the digests that held the same position, tell who has had it.
    """

    ledger: Ledger
    book: Book
    issue: Issue
    after: str
    parts: dict[int, Sequence[Part]] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    rows: OrderedDict[BatchKey, Rows] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.since = self.issue.since

    async def open(self) -> None:
        """Find out where to look.

        Another rhythm's digest may reach further back than ours, and was for all who left that
        rhythm within its window: whoever has changed theirs since then has to be looked at.
        """
        for number, item in enumerate(self.issue.items):
            if not item.out:
                self.parts[number] = [one async for one in self.others(item.content_id)]
                if not item.first:
                    self.lines[number] = Line(self.everybody(number))

    def own(self, number: int) -> PlanKey:
        """The plan of an item by itself."""
        item = self.issue.items[number]
        return PlanKey(ChannelName.EMAIL, item.content_id, item.revision)

    async def others(self, content_id: str) -> AsyncIterator[Part]:
        """Other digests that hold the same position, as far as they are planned."""
        mine = self.issue.number(content_id)
        held = await self.book.places(content_id)
        for name in held.value.digests if held.value and mine is not None else ():
            for issue, _ in await self.book.every(name) if name != self.issue.digest_id else ():
                number = issue.number(content_id)
                same = (
                    number is not None
                    and mine is not None
                    and (issue.items[number].revision == self.issue.items[mine].revision)
                )
                if number is not None and same and await self.ledger.plan(issue.plan):
                    self.since = min(self.since, issue.since)
                    yield Part(issue.plan, number)

    async def left_of(self, id: str, picks: int, *, changed: bool) -> int:
        """What of *picks* this reader has not had."""
        for number, line in self.lines.items():
            if picks >> number & 1 and await line.has(id):
                picks &= ~(1 << number)
        for number in self.parts if changed else ():
            if picks >> number & 1 and number not in self.lines and await self.had(number, id):
                picks &= ~(1 << number)
        return picks

    # --- everybody in order

    def everybody(self, number: int) -> AsyncIterator[str]:
        streams = [self.planned(self.own(number))]
        return distinct([*streams, *(self.stood(part) for part in self.parts[number])])

    async def planned(self, plan: PlanKey) -> AsyncIterator[str]:
        """Everybody in a plan, whatever became of them."""
        held = await self.ledger.plan(plan)
        for number in range(held.value.count if held else 0):
            for id in (await self.ledger.rows(BatchKey(*plan, number))).ids:
                if id > self.after:
                    yield id

    async def stood(self, part: Part) -> AsyncIterator[str]:
        """Everybody for whom an item stands in a digest, without those it never left for."""
        held = await self.ledger.plan(part.plan)
        if held is None:
            return
        async for batch, entry in self.ledger.entries(part.plan, held.value):
            rows = await self.ledger.rows(batch)
            for id, letter in zip(rows.ids, entry.value.rows, strict=True):
                if id > self.after and letter not in LEFT and rows.picks[id] >> part.number & 1:
                    yield id

    # --- one alone

    async def had(self, number: int, id: str) -> bool:
        """The same for one reader, by binary search."""
        if await self.find(self.own(number), id):
            return True
        for part in self.parts[number]:
            batch = await self.find(part.plan, id)
            if batch and await self.stands(batch, part.number, id):
                return True
        return False

    async def stands(self, batch: BatchKey, number: int, id: str) -> bool:
        rows, state = await self.known(batch), await self.ledger.state(batch)
        letter = state.value.rows[rows.ids.index(id)] if state else 0
        return letter not in LEFT and bool(rows.picks[id] >> number & 1)

    async def find(self, plan: PlanKey, id: str) -> BatchKey | None:
        """The batch of a plan that *id* stands in: ids are sorted over all of them."""
        held = await self.ledger.plan(plan)
        low, high = 0, held.value.count if held else 0
        while low < high:
            batch = BatchKey(*plan, (low + high) // 2)
            ids = (await self.known(batch)).ids
            if id < ids[0]:
                high = batch.number
            elif id > ids[-1]:
                low = batch.number + 1
            else:
                return batch if id in ids else None
        return None

    async def known(self, batch: BatchKey) -> Rows:
        """Rows, of which the latest ones are kept: readers are asked for in order."""
        if batch not in self.rows:
            self.rows[batch] = await self.ledger.rows(batch)
            if len(self.rows) > KEPT:
                self.rows.popitem(last=False)
        return self.rows[batch]
