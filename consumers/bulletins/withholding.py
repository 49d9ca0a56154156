"""An issue on its way to readers: it is kept back if an item of it changed after the approval.

Dispatch asks before a channel plans it, and waits; intake withdraws it, which ends the waiting.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from consumers.bulletins.approval import changed_items
from consumers.bulletins.released import ReleasedItems
from consumers.bulletins.released_issues import ReleasedIssues
from consumers.editorial.log import EditorialLog
from consumers.intake import desk_acts, item_log
from consumers.intake.errors import BrokenItem
from consumers.intake.items import RELEASE_SLACK
from consumers.ledger.store import Ledger
from contracts.base.times import Clock, utc_now
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication, StoredPublication
from contracts.text.limits import TextLimit, shorten

log = structlog.get_logger()
_REASON_LIMIT = TextLimit(480, 500)
_GRACE = timedelta(seconds=30)
"""A channel that has found an issue right has made its plan by then."""
_LONGEST = timedelta(days=30)
"""Later, no plan may mean that the ledger keeps it no more."""


class Doubts(Protocol):
    """Doubts after a restore; see `consumers.operations.restore`."""

    async def may_have_been_published(self, publication: Publication, seq: int) -> bool: ...


@dataclass(frozen=True)
class IssueGuard:
    """Asks for the items of an issue before it goes out. Raises BusError."""

    items: ReleasedItems
    ledger: Ledger
    clock: Clock
    doubts: Doubts | None = None

    async def why_not(self, released: StoredPublication) -> str:
        """Change to an approved issue that readers do not have yet; empty if it may go out.

        One that readers have, or that a channel has begun, goes out on all.
        """
        issue, now = released.publication.bulletin, utc_now(self.clock)
        if issue is None or not _is_asked(released.publication, now):
            return ""
        if await self._has_begun(released):
            return ""
        errors = await changed_items(self.items, issue, now)
        return shorten("; ".join(one.message_vi for one in errors), _REASON_LIMIT)

    async def _has_begun(self, released: StoredPublication) -> bool:
        """Whether any channel has a plan of the issue, or may have had one before a restore."""
        publication, doubts = released.publication, self.doubts
        name = publication.content_id, publication.revision
        for channel in ChannelName:
            if await self.ledger.plan(PlanKey(channel, *name)):
                return True
        if doubts is None:
            return False
        return await doubts.may_have_been_published(publication, released.seq)


@dataclass(frozen=True)
class IssueWithholding:
    """Withdraws the issues that *guard* keeps back. *topics*: those of the series."""

    guard: IssueGuard
    log: EditorialLog
    topics: Iterable[str]

    async def withhold_due(self) -> int:
        """Withdraw what must not go out, in the editorial log; returns how many issues.

        Intake carries each act out. A repeat adds nothing. Raises BusError.
        """
        now, count = utc_now(self.guard.clock), 0
        issues = ReleasedIssues(self.guard.items.publications)
        for one in await issues.due(self.topics, now - _LONGEST, now - _GRACE):
            if reason := await self.guard.why_not(one):
                count += await self._withdraw(one.publication, reason)
        return count

    async def _withdraw(self, publication: Publication, reason: str) -> bool:
        content_id, number = publication.content_id, publication.revision
        act = partial(desk_acts.withholding_act, number, reason, _moment_before(publication))
        try:
            await item_log.act(self.log, content_id, act)
        except BrokenItem:  # `loa check` names it
            return False
        log.warning("issue_withheld", content_id=content_id, revision=number)
        return True


def _is_asked(publication: Publication, now: datetime) -> bool:
    """Whether readers have no earlier text of the item, and this one may still be on its way.

    One without a time of its own waits too, where Loa stops between the approval and the release.
    """
    return publication.action == "published" and now < publication.shown_at + _LONGEST


def _moment_before(publication: Publication) -> datetime:
    """The last moment at which a withdrawal keeps a text from being shown, by every record."""
    return max(publication.released_at, publication.shown_at - RELEASE_SLACK)
