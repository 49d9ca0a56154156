"""Items whose whole mails the relay refuses: each waits for itself, beside the channel's breaker.

A relay that refuses every text has a wrong limit or filter: the breaker opens. One that refuses a
single text and takes others has something against that text: it alone waits, and is tried again.
Both are seen only by comparing items, so what was refused lies in bucket `control` for all workers.
"""

from collections.abc import Iterator

from pydantic import Field

from contracts.delivery import PlanKey
from contracts.records import Record

REFUSED_KEY = "refused.email"
HOLD_S = 300.0
"""The pause of a refused item, as of other refusals that need an operator."""
_REPEATED_WITHIN_S, _FORGET_AFTER_S = 3600.0, 86400.0


class RefusedItem(Record):
    """`mails` refused since `since`; not tried before `until`.

    `is_own`: the relay has taken another item since, so it refuses this text alone.
    """

    since: float
    until: float
    reason: str
    mails: int = 0
    is_own: bool = False


class RefusedItems(Record):
    """All refused items by plan."""

    plans: dict[str, RefusedItem] = Field(default_factory=dict)

    def held_for_s(self, plan: PlanKey, now: float) -> float:
        """Seconds until *plan* is tried again; a clock that was set back ends the hold."""
        item = self.plans.get(str(plan)) if self.plans else None
        left_s = item.until - now if item else 0.0
        return left_s if 0 < left_s <= HOLD_S else 0.0

    def is_own(self, plan: PlanKey) -> bool:
        item = self.plans.get(str(plan)) if self.plans else None
        return item is not None and item.is_own

    def still_refused(self, now: float) -> Iterator[tuple[str, RefusedItem]]:
        """The refused items by plan; a refusal that is not repeated is over."""
        plans = self.plans.items()
        return ((plan, item) for plan, item in plans if item.until > now - _REPEATED_WITHIN_S)

    def with_refusal(self, plan: PlanKey, refusal: RefusedItem) -> "RefusedItems":
        """Add a *refusal* to the item's earlier ones; forget items of more than a day ago."""
        since = refusal.since - _FORGET_AFTER_S
        plans = {name: item for name, item in self.plans.items() if item.until > since}
        if before := plans.get(str(plan)):
            earlier = {"since": before.since, "mails": before.mails + refusal.mails}
            earlier["is_own"] = before.is_own or refusal.is_own
            refusal = refusal.model_copy(update=earlier)
        return RefusedItems(plans={**plans, str(plan): refusal})

    def with_acceptance(self, plan: PlanKey) -> "RefusedItems":
        """The relay takes *plan*: it is no longer refused, and the others are so for themselves."""
        others = {name: item for name, item in self.plans.items() if name != str(plan)}
        if len(others) == len(self.plans) and all(item.is_own for item in others.values()):
            return self
        return RefusedItems(
            plans={name: item.model_copy(update={"is_own": True}) for name, item in others.items()}
        )
