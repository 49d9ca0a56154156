"""Find and halt the digests that hold an older revision of an item."""

from collections.abc import Sequence
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
        affected = [
            (issue, number)
            async for issue, number in self.store.issues_with(content_id)
            if issue.items[number].revision < below
        ]
        for issue, _ in affected:
            if not await is_fully_sent(self.supersession, issue):
                await self.store.mark_open(issue.digest_id)
                await halt_issue(self.supersession, issue)
        return [DigestPart(issue.plan, number) for issue, number in affected]


async def halt_issue(supersession: Supersession, issue: Issue) -> None:
    """Halt an issue for good: the next one replaces it."""
    await supersession.halt(issue.plan, f"v{issue.revision + 1}")


async def is_fully_sent(supersession: Supersession, issue: Issue) -> bool:
    stored_plan = await supersession.ledger.plan(issue.plan)
    if stored_plan is None or stored_plan.value.halt or not stored_plan.value.complete:
        return False
    async for _, entry in supersession.ledger.entries(issue.plan, stored_plan.value):
        if not entry.value.closed_at:
            return False
    return True
