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
from channels.zalo.cell import Cell
from channels.zalo.counts import Cap, Count
from channels.zalo.envelope import json_object
from channels.zalo.outcomes import Stop
from channels.zalo.vault import Vault

log = structlog.get_logger()


class Meter:
    """One quota of things."""

    def __init__(self, cap: Cap, store: Vault | None, key: str) -> None:
        self.cap = cap
        self.cell = Cell[Count](store, key, self.decode, self.encode)

    async def used(self) -> int:
        """Of this month. Raises Unreachable."""
        return (await self.cell.read()).used

    async def spend(self) -> str:
        """Before each call that costs; what `give_back` has to hear.

        Raises Stop when nothing is left, Unreachable.
        """
        return (await self.cell.change(lambda count: self.cap.more(count, 1))).label

    async def give_back(self, label: str) -> None:
        """The call surely had no effect. A count that stays too high does no harm."""
        try:
            await self.cell.change(lambda count: count.less(1, label))
        except Unreachable as away:
            log.warning("zalo_quota_not_given_back", quota=self.cap.name, reason=away.reason)

    def decode(self, data: bytes) -> Count:
        return self.cap.count(json_object(data))

    def encode(self, count: Count) -> bytes:
        return json.dumps(self.cap.said(count)).encode()


class Meters:
    """Several quotas of the same things; the first is the one that is told of."""

    def __init__(self, *meters: Meter) -> None:
        self.meters = meters

    async def used(self) -> int:
        return await self.meters[0].used()

    async def spend(self) -> tuple[str, ...]:
        """From all of them, or from none. Raises as `Meter.spend`."""
        labels: tuple[str, ...] = ()
        for meter in self.meters:
            try:
                labels += (await meter.spend(),)
            except (Stop, Unreachable):
                await self.give_back(labels)
                raise
        return labels

    async def give_back(self, labels: Sequence[str]) -> None:
        for meter, label in zip(self.meters, labels, strict=False):
            await meter.give_back(label)


@dataclass(frozen=True, slots=True)
class Quotas:
    """What an Official Account may do in a month, and of broadcasts in a day."""

    articles: Meter
    broadcasts: Meters
