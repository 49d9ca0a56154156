"""How a newer position of an item finds the digests that hold an older one, and stops them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from consumers.digests.book import Book
from consumers.dispatch import Part
from consumers.fence import Fence
from contracts.digest import Issue


@dataclass
class Holdings:
    """What `Dispatch` has to know of digests. Raises BusError."""

    book: Book
    fence: Fence

    async def stop(self, content_id: str, below: int) -> Sequence[Part]:
        """Halt what would still send a position *below*; everything that ever held such a one.

        An issue that has wholly left is nobody's danger, and is not issued again.
        """
        found = [one async for one in self.holding(content_id, below)]
        for issue, _ in found:
            if not await finished(self.fence, issue):
                await self.book.call(issue.digest_id)
                await halt(self.fence, issue)
        return [part for _, part in found]

    async def holding(self, content_id: str, below: int) -> AsyncIterator[tuple[Issue, Part]]:
        """The issues that hold a position of an item *below* that one."""
        held = await self.book.places(content_id)
        for digest_id in held.value.digests if held.value else ():
            for issue, _ in await self.book.every(digest_id):
                number = issue.number(content_id)
                if number is not None and issue.items[number].revision < below:
                    yield issue, Part(issue.plan, number)


async def halt(fence: Fence, issue: Issue) -> None:
    """Stop an issue for good: the next one takes its place."""
    await fence.halt(issue.plan, f"v{issue.revision + 1}")


async def finished(fence: Fence, issue: Issue) -> bool:
    """Whether all of an issue's mails have left, so that none can leave any more."""
    held = await fence.ledger.plan(issue.plan)
    if held is None or held.value.halt or not held.value.complete:
        return False
    async for _, entry in fence.ledger.entries(issue.plan, held.value):
        if not entry.value.closed:
            return False
    return True
