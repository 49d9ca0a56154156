"""How much of a day or a month is used, by Vietnam's calendar: pure arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from channels.base import Outcome, Verdict
from channels.zalo.envelope import text_of, whole
from channels.zalo.hours import Chance, Clock, Until, local, wait_s
from channels.zalo.outcomes import Stop

log = structlog.get_logger()
SKEW_S = 86400.0
"""So far another process' clock may be ahead of ours; what it has begun to count goes on."""
LABELS = {Until.DAY: "%Y-%m-%d", Until.MONTH: "%Y-%m"}


@dataclass(frozen=True, slots=True)
class Count:
    """What is used of one day or month; `closed`: under which quota Zalo said that it is all."""

    label: str
    used: int = 0
    closed: int | None = None

    def less(self, amount: int, label: str) -> "Count":
        """Give back what was taken out of *label*; of another day or month, nothing."""
        return replace(self, used=max(self.used - amount, 0)) if label == self.label else self

    def shut(self, under: int, label: str) -> "Count":
        """Zalo has no more of *label*; another day or month stays open."""
        return replace(self, closed=under) if label == self.label else self


@dataclass(slots=True)
class Cap:
    """So much of it there may be. *limit* 0: nobody knows; then it is only counted."""

    name: str
    limit: int
    span: Until
    clock: Clock
    chance: Chance
    told: str = ""

    def count(self, said: object) -> Count:
        """What is used now, by what was *said* before; of what is over, nothing.

        A clock that is behind goes on with what another has begun.
        """
        facts = said if isinstance(said, Mapping) else {}
        begun, now = text_of(facts, self.span), self.clock()
        if not self.label(now) <= begun <= self.label(now + SKEW_S):
            return Count(self.label(now))
        return Count(begun, whole(facts.get("used")) or 0, whole(facts.get("closed")))

    def said(self, count: Count) -> dict[str, Any]:
        """What `count` understands, now and in later versions."""
        closed = {} if count.closed is None else {"closed": count.closed}
        return {self.span.value: count.label, "used": count.used, **closed}

    def more(self, count: Count, amount: int, most: int | None = None) -> Count:
        """*most* stands in for the cap's own limit. Raises Stop where not so much is left."""
        limit = self.limit if most is None else most
        if limit and count.used + amount > limit:
            raise self.stop(count)
        return replace(count, used=count.used + amount)

    def stop(self, count: Count) -> Stop:
        """Somebody is told once a day or month, however many rows wait."""
        if self.told != count.label:
            log.error("zalo_quota_spent", quota=self.name, used=count.used)
            self.told = count.label
        after_s = wait_s(self.span, self.clock(), self.chance)
        return Stop(Outcome(Verdict.HELD, f"our {self.name} quota", after_s, asked=False))

    def label(self, now: float) -> str:
        return f"{local(now):{LABELS[self.span]}}"
