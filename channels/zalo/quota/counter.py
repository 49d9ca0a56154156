"""Quotas of a day or a month by Vietnam's calendar: calls stop before Zalo refuses them.

Zalo does not tell how many articles are left, and each refusal costs time. Each call with a cost is
counted before it is made. A call without effect is released; one with a possible effect stays
counted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from channels.errors import Unreachable
from channels.zalo.client.response import first_text, json_object, whole_number
from channels.zalo.client.store import KeyValueStore, SharedValue
from channels.zalo.clock import Jitter, Until, wait_s
from channels.zalo.errors import RowOutcome, row_held
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
        used = whole_number(facts.get("used")) or 0
        return WindowCount(begun, used, whole_number(facts.get("closed")))

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
        return row_held(f"our {self.name} quota", after_s)

    def label_at(self, now: float) -> str:
        return f"{vietnam_time(now):{_LABEL_FORMATS[self.period]}}"


class QuotaCounter:
    """Counter of one quota."""

    def __init__(self, window: QuotaWindow, store: KeyValueStore, key: str) -> None:
        self.window = window
        self.shared = SharedValue[WindowCount](store, key, self.decode, self.encode)

    async def reserve(self) -> str:
        """Count a call before it is made; returns the label for `release`.

        Raises RowOutcome when the quota is used up, Unreachable.
        """
        return (await self.shared.update(lambda count: self.window.add(count, 1))).label

    async def release(self, label: str) -> None:
        """Release a call without effect; a failed release leaves the count harmlessly high."""
        try:
            await self.shared.update(lambda count: count.minus(1, label))
        except Unreachable as error:
            log.warning("zalo_quota_not_given_back", quota=self.window.name, reason=error.reason)

    def decode(self, data: bytes) -> WindowCount:
        return self.window.decode_count(json_object(data))

    def encode(self, count: WindowCount) -> bytes:
        return json.dumps(self.window.encode_count(count)).encode()


class QuotaCounters:
    """Several quotas of the same calls; status reports show the first."""

    def __init__(self, *counters: QuotaCounter) -> None:
        self.counters = counters

    async def reserve(self) -> tuple[str, ...]:
        """Count a call in all quotas or in none. Raises as `QuotaCounter.reserve`."""
        labels: tuple[str, ...] = ()
        for counter in self.counters:
            try:
                labels += (await counter.reserve(),)
            except (RowOutcome, Unreachable):
                await self.release(labels)
                raise
        return labels

    async def release(self, labels: Sequence[str]) -> None:
        for counter, label in zip(self.counters, labels, strict=False):
            await counter.release(label)


@dataclass(frozen=True, slots=True)
class AccountQuotas:
    """Quotas of an Official Account: articles a month, broadcasts a month and a day."""

    articles: QuotaCounter
    broadcasts: QuotaCounters
