"""Halt digests that hold an older revision of an item, and reissue them with the newest ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consumers.digests.current_revision import (
    belongs_in_digest,
    digest_item,
    find_current_revision,
    load_publication,
)
from consumers.digests.store import DigestStore
from consumers.dispatch.handler import DigestPart
from consumers.dispatch.supersede import Supersession
from consumers.intake.repository import ItemRepository
from consumers.runtime.errors import RetryLater
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.digest import DigestItem, Issue
from producers.bus import Bus

RETRY_S = 1.0


@dataclass
class AffectedDigestFinder:
    """Finds and halts digests for the dispatcher. Raises BusError."""

    store: DigestStore
    supersession: Supersession

    async def stop(self, content_id: str, below: int) -> Sequence[DigestPart]:
        """Halt issues that would still send an older position; return all that hold one.

        An issue that is sent completely is not halted and not reissued.
        """
        held = [pair async for pair in self.store.issues_with(content_id)]
        affected = [(issue, n) for issue, n in held if issue.items[n].revision < below]
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


@dataclass
class DigestReissuer:
    """Compares an issue with the current revisions. Raises BusError."""

    bus: Bus
    repository: ItemRepository
    clock: Clock

    async def is_outdated(self, issue: Issue) -> bool:
        """Whether a text in it is no longer current, or has expired."""
        now = utc_now(self.clock)
        for item in issue.items:
            if item.out:
                continue
            current = await find_current_revision(self.repository, item.content_id, now)
            if _is_expired(item, now) or current.revision != item.revision:
                return True
        return False

    async def next_issue(self, issue: Issue) -> Issue:
        """Build the next issue; numbers stay. Raises RetryLater while a position is unpublished."""
        now = utc_now(self.clock)
        items = tuple([await self.update_item(item, now) for item in issue.items])
        changed = {"revision": issue.revision + 1, "issued": now, "items": items}
        return issue.model_copy(update=changed)

    async def update_item(self, item: DigestItem, now: datetime) -> DigestItem:
        """Update an item; `first` ends, because the window no longer shows who had it."""
        current = await find_current_revision(self.repository, item.content_id, now)
        if item.out or _is_expired(item, now) or not current.revision:
            return item.model_copy(update={"out": True})
        if current.revision == item.revision:
            return item.model_copy(update={"first": False})
        if current.seq is None:
            raise RetryLater(RETRY_S, "a position is about to be published")
        newer = await load_publication(self.bus, current.seq)
        if not belongs_in_digest(newer, now):
            return item.model_copy(update={"out": True})
        return digest_item(newer, current.seq)


def _is_expired(item: DigestItem, now: datetime) -> bool:
    return item.expires_at is not None and item.expires_at <= now
