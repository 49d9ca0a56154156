"""What a plan that is begun and empty waits for: the older texts, until none of them can land."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.digests.book import Book
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger
from consumers.story import Moment
from contracts.delivery import ChannelName, PlanKey

CALLS = {
    ChannelName.EMAIL: "an older mail may still arrive",
    ChannelName.ZALO: "an older call to Zalo may still have its effect",
}
"""What may land late; the portal waits for nothing."""


@dataclass
class Awaited:
    """Reads what `consumers.fence` waits for, with the same rule, and changes nothing."""

    ledger: Ledger
    digests: Book | None = None

    async def moment(
        self, plan: PlanKey, cursor: Cursor, positions: Sequence[int], now: float
    ) -> Moment | None:
        """Why nobody of *plan* is told yet; None where it waits for no older one of *positions*."""
        if plan.channel not in CALLS or cursor.complete or cursor.halt or cursor.count:
            return None
        lower = [plan._replace(revision=one) for one in positions if one < plan.revision]
        older = [*lower, *[one async for one in self.issues(plan)]]
        until = max([0.0, *[await self.quiet_at(one) for one in older]])
        return told(plan.channel, until, now) if until > now else None

    async def issues(self, plan: PlanKey) -> AsyncIterator[PlanKey]:
        """The digests in which an older position of the item stood; on e-mail alone there are."""
        if self.digests is None or plan.channel is not ChannelName.EMAIL:
            return
        places = (await self.digests.places(plan.content_id)).value
        for digest_id in places.digests if places else ():
            for issue, _ in await self.digests.every(digest_id):
                number = issue.number(plan.content_id)
                if number is not None and issue.items[number].revision < plan.revision:
                    yield issue.plan

    async def quiet_at(self, plan: PlanKey) -> float:
        """When nothing of *plan* can land any more; infinite while a batch of it is open."""
        held = await self.ledger.plan(plan)
        if held is None:
            return 0.0
        entries = [one.value async for _, one in self.ledger.entries(plan, held.value)]
        return max((one.settle if one.closed else math.inf for one in entries), default=0.0)


def told(channel: ChannelName, until: float, now: float) -> Moment:
    """As it is now; minutes are rounded up, so that it is over then."""
    at = datetime.fromtimestamp(now, UTC)
    if until == math.inf:
        why = "waits: an older revision is still on its way"
        return Moment(at=at, event="waiting", channel=channel, detail=why)
    end = datetime.fromtimestamp(math.ceil(until / 60) * 60, UTC)
    why = f"waits until {end:%H:%M} UTC: {CALLS[channel]}"
    return Moment(at=at, event="waiting", channel=channel, detail=why, until=end)
