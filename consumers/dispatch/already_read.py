"""Which items of an issue of a bulletin its recipients have had, each as a mail of its own."""

from collections.abc import AsyncIterator

from consumers.dispatch.audience import AudienceRow
from consumers.ledger.entry import REACHED_LETTERS
from consumers.ledger.store import Ledger
from contracts.bulletins.issue import BulletinIssue
from contracts.delivery import ChannelName, PlanKey


class SortedIds:
    """A sorted stream of ids, searched in order."""

    def __init__(self, stream: AsyncIterator[str]) -> None:
        self.stream = stream
        self.head: str | None = ""

    async def contains(self, id: str) -> bool:
        while self.head is not None and self.head < id:
            self.head = await anext(self.stream, None)
        return self.head == id


async def mark_already_read(
    rows: AsyncIterator[AudienceRow], issue: BulletinIssue, ledger: Ledger, after: str
) -> AsyncIterator[AudienceRow]:
    """The rows, whose *picks* name the entries of *issue* that the recipient has had.

    Both are sorted by id, so each plan is read once. Raises BusError.
    """
    had = [
        (number, SortedIds(_recipients(ledger, entry.content_id, entry.revision, after)))
        for number, entry in enumerate(issue.entries)
    ]
    async for row in rows:
        numbers = [number for number, ids in had if await ids.contains(row.id)]
        yield row._replace(picks=sum(1 << number for number in numbers))


async def _recipients(
    ledger: Ledger, content_id: str, revision: int, after: str
) -> AsyncIterator[str]:
    """Ids > *after* that got, or may have got, this text alone."""
    plan = PlanKey(ChannelName.EMAIL, content_id, revision)
    if await ledger.plan(plan):
        async for id, _ in ledger.recipients(plan, REACHED_LETTERS, after):
            yield id
