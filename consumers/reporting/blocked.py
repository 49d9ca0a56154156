"""Plan blockers: the older revisions that must settle before a plan starts, and until when."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.digests.store import DigestStore
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from contracts.delivery import ChannelName, PlanKey
from contracts.trace import TimelineEntry

LATE_EFFECTS = {
    ChannelName.EMAIL: "an older mail may still arrive",
    ChannelName.ZALO: "an older call to Zalo may still have its effect",
}
"""Late effects by channel; the portal has none."""


@dataclass
class PlanBlockers:
    """Read what `consumers.dispatch.supersede` waits for, by the same rule; changes nothing."""

    ledger: Ledger
    digests: DigestStore | None = None

    async def timeline_entry(
        self, plan: PlanKey, cursor: PlanCursor, positions: Sequence[int], now: float
    ) -> TimelineEntry | None:
        """Why *plan* has not started; None if it waits for none of the older *positions*."""
        if plan.channel not in LATE_EFFECTS or cursor.complete or cursor.halt or cursor.count:
            return None
        lower = [plan._replace(revision=one) for one in positions if one < plan.revision]
        older = [*lower, *[one async for one in self.older_issues(plan)]]
        until = max([0.0, *[await self.settled_at(one) for one in older]])
        return waiting_entry(plan.channel, until, now) if until > now else None

    async def older_issues(self, plan: PlanKey) -> AsyncIterator[PlanKey]:
        """The digests with an older position of the item; only e-mail has digests."""
        if self.digests is None or plan.channel is not ChannelName.EMAIL:
            return
        async for issue, number in self.digests.issues_with(plan.content_id):
            if issue.items[number].revision < plan.revision:
                yield issue.plan

    async def settled_at(self, plan: PlanKey) -> float:
        """The time after which *plan* has no late effects; infinite while a batch is open."""
        cursor = await self.ledger.plan(plan)
        if cursor is None:
            return 0.0
        entries = [one.value async for _, one in self.ledger.entries(plan, cursor.value)]
        return max(
            (one.effects_until if one.closed_at else math.inf for one in entries), default=0.0
        )


def waiting_entry(channel: ChannelName, until: float, now: float) -> TimelineEntry:
    """The timeline entry for a wait until *until*, rounded up to a minute."""
    at = datetime.fromtimestamp(now, UTC)
    if until == math.inf:
        why = "waits: an older revision is still on its way"
        return TimelineEntry(at=at, event="waiting", channel=channel, detail=why)
    end = datetime.fromtimestamp(math.ceil(until / 60) * 60, UTC)
    why = f"waits until {end:%H:%M} UTC: {LATE_EFFECTS[channel]}"
    return TimelineEntry(at=at, event="waiting", channel=channel, detail=why, until=end)
