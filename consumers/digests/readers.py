"""Who gets an issue, and which of its items: sorted, everybody once, nothing that they have had."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from consumers.audience import Row
from consumers.digests.book import Book
from consumers.digests.served import LEFT, Served
from consumers.digests.standing import texts
from consumers.directory.rhythm import Gathering, Reader, Rhythm
from consumers.ledger.store import Ledger
from contracts.delivery import PlanKey
from contracts.digest import Issue
from producers.bus import Bus

MARGIN_S = 3600.0
"""Clocks differ: whoever changed their frequency shortly before the window is looked at closely."""


class Directory(Protocol):
    """The part of the directory that digests need."""

    async def ready(self) -> None: ...
    def gathered(self, gathering: Gathering) -> Rhythm: ...


@dataclass
class DigestReaders:
    """The audience of one issue after the other. Raises BusError."""

    bus: Bus
    ledger: Ledger
    book: Book
    directory: Directory
    clock: Callable[[], float]

    async def behind(self, issue: Issue, after: str) -> AsyncIterator[Row]:
        """Who is left with something to read."""
        served = Served(self.ledger, self.book, issue, after)
        await served.open()
        rhythm = self.directory.gathered(await self.gathering(issue, served.since))
        async for id, picks, changed in self.wanting(issue, issue.revision, rhythm, after):
            if left := await served.left_of(id, picks & issue.all, changed=changed):
                yield Row(id, picks=left)

    async def gathering(self, issue: Issue, moved_since: datetime) -> Gathering:
        return Gathering(
            issue.frequency,
            issue.since.timestamp() - MARGIN_S,
            moved_since.timestamp() - MARGIN_S,
            self.clock(),
            await texts(self.bus, issue),
        )

    async def wanting(
        self, issue: Issue, revision: int, rhythm: Rhythm, after: str
    ) -> AsyncIterator[Reader]:
        """The first issue is for everybody it is meant for; a later one for those who are left.

        Left are those whose mail was stopped, and whoever was not planned before that.
        """
        if revision == 1:
            for reader in walk(rhythm, after):
                yield reader
            return
        earlier = issue.plan._replace(revision=revision - 1)
        async for reader in self.left(earlier, after):
            yield reader
        held = await self.ledger.plan(earlier)
        if held and not held.value.complete:
            last = max(after, held.value.last)
            async for reader in self.wanting(issue, revision - 1, rhythm, last):
                yield reader

    async def left(self, plan: PlanKey, after: str) -> AsyncIterator[Reader]:
        """Whose mail of an earlier issue never left."""
        held = await self.ledger.plan(plan)
        if held is None:
            return
        async for batch, entry in self.ledger.entries(plan, held.value):
            if LEFT.isdisjoint(entry.value.rows):
                continue
            rows = await self.ledger.rows(batch)
            for id, letter in zip(rows.ids, entry.value.rows, strict=True):
                if id > after and letter in LEFT:
                    yield Reader(id, rows.picks[id], True)


def walk(rhythm: Rhythm, after: str) -> Iterator[Reader]:
    """The whole directory, a page at a time."""
    while True:
        readers, after = rhythm.page(after)
        yield from readers
        if not after:
            return
