"""Quota windows: use of a day or a month by Vietnam's calendar, as pure arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from channels.base import Outcome, Verdict
from channels.zalo.client.response import first_text, whole_number
from channels.zalo.clock import Jitter, Until, wait_s
from channels.zalo.errors import RowOutcome
from contracts.base.times import Clock, vietnam_time

log = structlog.get_logger()
_CLOCK_SKEW_S = 86400.0
"""Allowed lead of another process' clock: its count of a later period is continued."""
_LABEL_FORMATS = {Until.DAY: "%Y-%m-%d", Until.MONTH: "%Y-%m"}


@dataclass(frozen=True, slots=True)
class WindowCount:
    """Use of one day or month; `closed`: the quota at which Zalo accepted no more."""

    label: str
    used: int = 0
    closed: int | None = None

    def minus(self, amount: int, label: str) -> "WindowCount":
        """Less *amount*, if *label* is this count's day or month."""
        return replace(self, used=max(self.used - amount, 0)) if label == self.label else self

    def close(self, under: int, label: str) -> "WindowCount":
        """Closed at the quota *under*, if *label* is this count's day or month."""
        return replace(self, closed=under) if label == self.label else self


@dataclass(slots=True)
class QuotaWindow:
    """Limit of a day or a month. *limit* 0: unknown, calls are only counted."""

    name: str
    limit: int
    period: Until
    clock: Clock
    jitter: Jitter
    reported_label: str = ""

    def decode_count(self, stored: object) -> WindowCount:
        """The stored count, or a new one after the end of its period.

        A clock that is behind continues a later period that another process has begun.
        """
        facts = stored if isinstance(stored, Mapping) else {}
        begun, now = first_text(facts, self.period), self.clock()
        if not self.label_at(now) <= begun <= self.label_at(now + _CLOCK_SKEW_S):
            return WindowCount(self.label_at(now))
        return WindowCount(
            begun, whole_number(facts.get("used")) or 0, whole_number(facts.get("closed"))
        )

    def encode_count(self, count: WindowCount) -> dict[str, Any]:
        """The count in its stored form, which later versions read too."""
        closed = {} if count.closed is None else {"closed": count.closed}
        return {self.period.value: count.label, "used": count.used, **closed}

    def add(self, count: WindowCount, amount: int, most: int | None = None) -> WindowCount:
        """*most* replaces the window's own limit. Raises RowOutcome when the limit is exceeded."""
        limit = self.limit if most is None else most
        if limit and count.used + amount > limit:
            raise self.exhausted(count)
        return replace(count, used=count.used + amount)

    def exhausted(self, count: WindowCount) -> RowOutcome:
        """The outcome of a used-up window, logged once a period."""
        if self.reported_label != count.label:
            log.error("zalo_quota_spent", quota=self.name, used=count.used)
            self.reported_label = count.label
        after_s = wait_s(self.period, self.clock(), self.jitter)
        return RowOutcome(
            Outcome(Verdict.HELD, f"our {self.name} quota", after_s, reached_provider=False)
        )

    def label_at(self, now: float) -> str:
        return f"{vietnam_time(now):{_LABEL_FORMATS[self.period]}}"
