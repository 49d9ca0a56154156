"""Issuing a digest again: with the newest texts of its items, and without those that are gone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.digests.standing import fits, part, standing, text
from consumers.register import Register
from consumers.settle import Later
from contracts.digest import DigestItem, Issue
from producers.bus import Bus

SOON_S = 1.0


@dataclass
class Renewal:
    """Compares an issue with what counts now. Raises BusError."""

    bus: Bus
    register: Register
    clock: Callable[[], float]

    async def outdated(self, issue: Issue) -> bool:
        """Whether a text in it is no longer the one that counts, or is over."""
        now = self.now()
        for item in issue.items:
            if not item.out and (over(item, now) or await self.moved(item, now)):
                return True
        return False

    async def moved(self, item: DigestItem, now: datetime) -> bool:
        return (await standing(self.register, item.content_id, now)).revision != item.revision

    async def renewed(self, issue: Issue) -> Issue:
        """The next issue; places stay. Raises Later while a position is on its way."""
        now = self.now()
        items = tuple([await self.item(item, now) for item in issue.items])
        changed = {"revision": issue.revision + 1, "issued": now, "items": items}
        return issue.model_copy(update=changed)

    async def item(self, item: DigestItem, now: datetime) -> DigestItem:
        """As it is now: nobody can tell any more from the window alone who has had it."""
        stands = await standing(self.register, item.content_id, now)
        if item.out or over(item, now) or not stands.revision:
            return item.model_copy(update={"out": True})
        if stands.revision == item.revision:
            return item.model_copy(update={"first": False})
        if stands.seq is None:
            raise Later(SOON_S, "a position is about to be published")
        newer = await text(self.bus, stands.seq)
        if not fits(newer, now):
            return item.model_copy(update={"out": True})
        return part(newer, stands.seq)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


def over(item: DigestItem, now: datetime) -> bool:
    return item.expires_at is not None and item.expires_at <= now
