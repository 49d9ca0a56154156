"""Find and halt the digests that hold an older revision of an item."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from consumers.digests.store import DigestStore
from consumers.dispatch.handler import DigestPart
from consumers.dispatch.supersede import Supersession
from contracts.subscriptions.digest import Issue


@dataclass
class AffectedDigestFinder:
    """Finds and halts digests for the dispatcher. Raises BusError."""

    store: DigestStore
    supersession: Supersession

    async def stop(self, content_id: str, below: int) -> Sequence[DigestPart]:
        """Halt issues that would still send an older position; return all that hold one.

        An issue that is sent completely is not halted and not reissued.
        """
        affected = [pair async for pair in self.find_affected(content_id, below)]
        for issue, _ in affected:
            if not await is_fully_sent(self.supersession, issue):
                await self.store.mark_open(issue.digest_id)
                await halt_issue(self.supersession, issue)
        return [part for _, part in affected]

    async def find_affected(
        self, content_id: str, below: int
    ) -> AsyncIterator[tuple[Issue, DigestPart]]:
        """Yield the issues that hold a position of an item *below* that one."""
        stored = await self.store.digests_of_item(content_id)
        for digest_id in stored.value.digests if stored.value else ():
            for issue, _ in await self.store.all_issues(digest_id):
                number = issue.number_of(content_id)
                if number is not None and issue.items[number].revision < below:
                    yield issue, DigestPart(issue.plan, number)


async def halt_issue(supersession: Supersession, issue: Issue) -> None:
    """Halt an issue for good: the next one replaces it."""
    await supersession.halt(issue.plan, f"v{issue.revision + 1}")


async def is_fully_sent(supersession: Supersession, issue: Issue) -> bool:
    """Whether all mails of an issue have left."""
    stored_plan = await supersession.ledger.plan(issue.plan)
    if stored_plan is None or stored_plan.value.halt or not stored_plan.value.complete:
        return False
    async for _, entry in supersession.ledger.entries(issue.plan, stored_plan.value):
        if not entry.value.closed_at:
            return False
    return True
