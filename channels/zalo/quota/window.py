"""How much of a day or a month is used, by Vietnam's calendar: pure arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from channels.base import Outcome, Verdict
from channels.zalo.client.clock import Clock, Jitter, Until, vietnam_time, wait_s
from channels.zalo.client.response import first_text, whole_number
from channels.zalo.outcomes import RowOutcome

log = structlog.get_logger()
CLOCK_SKEW_S = 86400.0
"""So far another process' clock may be ahead of ours; what it has begun to count goes on."""
LABEL_FORMATS = {Until.DAY: "%Y-%m-%d", Until.MONTH: "%Y-%m"}


@dataclass(frozen=True, slots=True)
class WindowCount:
    """What is used of one day or month; `closed`: under which quota Zalo said that it is all."""

    label: str
    used: int = 0
    closed: int | None = None

    def minus(self, amount: int, label: str) -> "WindowCount":
        """Give back what was taken out of *label*; of another day or month, nothing."""
        return replace(self, used=max(self.used - amount, 0)) if label == self.label else self

    def close(self, under: int, label: str) -> "WindowCount":
        """Zalo has no more of *label*; another day or month stays open."""
        return replace(self, closed=under) if label == self.label else self


@dataclass(slots=True)
class QuotaWindow:
    """So much of it there may be. *limit* 0: nobody knows; then it is only counted."""

    name: str
    limit: int
    period: Until
    clock: Clock
    jitter: Jitter
    reported_label: str = ""

    def decode_count(self, said: object) -> WindowCount:
        """What is used now, by what was *said* before; of what is over, nothing.

        A clock that is behind goes on with what another has begun.
        """
        facts = said if isinstance(said, Mapping) else {}
        begun, now = first_text(facts, self.period), self.clock()
        if not self.label_at(now) <= begun <= self.label_at(now + CLOCK_SKEW_S):
            return WindowCount(self.label_at(now))
        return WindowCount(
            begun, whole_number(facts.get("used")) or 0, whole_number(facts.get("closed"))
        )

    def encode_count(self, count: WindowCount) -> dict[str, Any]:
        """What `count` understands, now and in later versions."""
        closed = {} if count.closed is None else {"closed": count.closed}
        return {self.period.value: count.label, "used": count.used, **closed}

    def add(self, count: WindowCount, amount: int, most: int | None = None) -> WindowCount:
        """*most* stands in for the cap's own limit. Raises Stop where not so much is left."""
        limit = self.limit if most is None else most
        if limit and count.used + amount > limit:
            raise self.exhausted(count)
        return replace(count, used=count.used + amount)

    def exhausted(self, count: WindowCount) -> RowOutcome:
        """Somebody is told once a day or month, however many rows wait."""
        if self.reported_label != count.label:
            log.error("zalo_quota_spent", quota=self.name, used=count.used)
            self.reported_label = count.label
        after_s = wait_s(self.period, self.clock(), self.jitter)
        return RowOutcome(
            Outcome(Verdict.HELD, f"our {self.name} quota", after_s, reached_provider=False)
        )

    def label_at(self, now: float) -> str:
        return f"{vietnam_time(now):{LABEL_FORMATS[self.period]}}"
