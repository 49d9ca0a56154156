"""Plan blockers: the older revisions that must settle before a plan starts, and until when."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from consumers.digests.store import DigestStore
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from contracts.base.times import utc_time
from contracts.delivery import ChannelName, PlanKey
from contracts.trace import TimelineEntry

_LATE_EFFECTS = {
    ChannelName.EMAIL: "an older mail may still arrive",
    ChannelName.ZALO: "an older call to Zalo may still have its effect",
}
_OTHER_LATE_EFFECT = "an older message may still arrive"
_NO_LATE_EFFECT = {ChannelName.PORTAL}


@dataclass
class PlanBlockers:
    """Finds the plans that `consumers.dispatch.supersede` waits for, by the same rule."""

    ledger: Ledger
    digests: DigestStore

    async def timeline_entry(
        self, plan: PlanKey, cursor: PlanCursor, positions: Sequence[int], now: float
    ) -> TimelineEntry | None:
        """Explain why *plan* has not started; None if it waits for no older position."""
        if plan.channel in _NO_LATE_EFFECT or cursor.complete or cursor.halt or cursor.count:
            return None
        older = [plan._replace(revision=number) for number in positions if number < plan.revision]
        older += [issue async for issue in self.older_issues(plan)]
        until = max([0.0, *[await self.settled_at(blocker) for blocker in older]])
        return _waiting_entry(plan.channel, cursor.created, until) if until > now else None

    async def older_issues(self, plan: PlanKey) -> AsyncIterator[PlanKey]:
        """Yield the digests with an older position of the item; only e-mail has digests."""
        if plan.channel is not ChannelName.EMAIL:
            return
        async for issue, number in self.digests.issues_with(plan.content_id):
            if issue.items[number].revision < plan.revision:
                yield issue.plan

    async def settled_at(self, plan: PlanKey) -> float:
        """Return when *plan* has no more late effects; infinite while a batch is open."""
        cursor = await self.ledger.plan(plan)
        if cursor is None:
            return 0.0
        ends = [
            entry.value.effects_until if entry.value.closed_at else math.inf
            async for _, entry in self.ledger.entries(plan, cursor.value)
        ]
        return max(ends, default=0.0)


def _waiting_entry(channel: ChannelName, since: float, until: float) -> TimelineEntry:
    """Make the timeline entry for a wait since *since*, until *until*, rounded up to a minute."""
    end = None if until == math.inf else utc_time(math.ceil(until / 60) * 60)
    detail = (
        f"waits until {end:%H:%M} UTC: {_LATE_EFFECTS.get(channel, _OTHER_LATE_EFFECT)}"
        if end
        else "waits: an older revision is still on its way"
    )
    at = utc_time(since)
    return TimelineEntry(at=at, event="waiting", channel=channel, detail=detail, until=end)
