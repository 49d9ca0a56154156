"""Reissue a digest with the newest revisions of its items and without withdrawn ones."""

from dataclasses import dataclass
from datetime import datetime

from consumers.digests.current_revision import (
    belongs_in_digest,
    digest_item,
    find_current_revision,
    load_publication,
)
from consumers.intake.repository import ItemRepository
from consumers.runtime.errors import RetryLater
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.digest import DigestItem, Issue
from producers.bus import Bus

RETRY_S = 1.0


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
