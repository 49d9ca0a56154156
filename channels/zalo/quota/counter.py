"""What a month's quota is spent on, counted here for all processes: we stop before Zalo.

Zalo tells nobody how much is left of its articles, and a used-up quota is a refusal that costs
time. So each call that costs is counted before it is made; one that surely had no effect is given
back, one that may have had it stays counted.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from channels.errors import Unreachable
from channels.zalo.client.response import json_object
from channels.zalo.client.store import KeyValueStore
from channels.zalo.outcomes import RowOutcome
from channels.zalo.quota.shared_value import SharedValue
from channels.zalo.quota.window import QuotaWindow, WindowCount

log = structlog.get_logger()


class QuotaCounter:
    """One quota of things."""

    def __init__(self, window: QuotaWindow, store: KeyValueStore | None, key: str) -> None:
        self.window = window
        self.shared = SharedValue[WindowCount](store, key, self.decode, self.encode)

    async def used(self) -> int:
        """Of this month. Raises Unreachable."""
        return (await self.shared.read()).used

    async def reserve(self) -> str:
        """Before each call that costs; what `give_back` has to hear.

        Raises Stop when nothing is left, Unreachable.
        """
        return (await self.shared.update(lambda count: self.window.add(count, 1))).label

    async def release(self, label: str) -> None:
        """The call surely had no effect. A count that stays too high does no harm."""
        try:
            await self.shared.update(lambda count: count.minus(1, label))
        except Unreachable as away:
            log.warning("zalo_quota_not_given_back", quota=self.window.name, reason=away.reason)

    def decode(self, data: bytes) -> WindowCount:
        return self.window.decode_count(json_object(data))

    def encode(self, count: WindowCount) -> bytes:
        return json.dumps(self.window.encode_count(count)).encode()


class QuotaCounters:
    """Several quotas of the same things; the first is the one that is told of."""

    def __init__(self, *counters: QuotaCounter) -> None:
        self.counters = counters

    async def used(self) -> int:
        return await self.counters[0].used()

    async def reserve(self) -> tuple[str, ...]:
        """From all of them, or from none. Raises as `Meter.spend`."""
        labels: tuple[str, ...] = ()
        for meter in self.counters:
            try:
                labels += (await meter.reserve(),)
            except (RowOutcome, Unreachable):
                await self.release(labels)
                raise
        return labels

    async def release(self, labels: Sequence[str]) -> None:
        for meter, label in zip(self.counters, labels, strict=False):
            await meter.release(label)


@dataclass(frozen=True, slots=True)
class AccountQuotas:
    """What an Official Account may do in a month, and of broadcasts in a day."""

    articles: QuotaCounter
    broadcasts: QuotaCounters
