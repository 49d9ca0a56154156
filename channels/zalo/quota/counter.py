"""Quota counters, shared by all processes: calls stop before Zalo refuses them.

Zalo does not tell how many articles are left, and each refusal costs time. Each call with a cost is
counted before it is made. A call without effect is released; one with a possible effect stays
counted.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from channels.errors import Unreachable
from channels.zalo.client.response import json_object
from channels.zalo.client.shared_value import SharedValue
from channels.zalo.client.store import KeyValueStore
from channels.zalo.errors import RowOutcome
from channels.zalo.quota.window import QuotaWindow, WindowCount

log = structlog.get_logger()


class QuotaCounter:
    """Counter of one quota."""

    def __init__(self, window: QuotaWindow, store: KeyValueStore | None, key: str) -> None:
        self.window = window
        self.shared = SharedValue[WindowCount](store, key, self.decode, self.encode)

    async def used(self) -> int:
        """Used part of this period. Raises Unreachable."""
        return (await self.shared.read()).used

    async def reserve(self) -> str:
        """Count a call before it is made; returns the label for `release`.

        Raises RowOutcome when the quota is used up, Unreachable.
        """
        return (await self.shared.update(lambda count: self.window.add(count, 1))).label

    async def release(self, label: str) -> None:
        """Release a call without effect; a failed release leaves the count harmlessly high."""
        try:
            await self.shared.update(lambda count: count.minus(1, label))
        except Unreachable as away:
            log.warning("zalo_quota_not_given_back", quota=self.window.name, reason=away.reason)

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
