"""What template messages may cost: how many a day, and how much money a day and a month.

Zalo itself knows no cap on money. Everything is one value, so that one write sets a message aside.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from channels.errors import Unreachable
from channels.zalo.cell import Cell
from channels.zalo.counts import Cap, Count
from channels.zalo.envelope import json_object
from channels.zalo.vault import Vault

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Caps:
    """Messages a day; đồng a day and a month."""

    notices: Cap
    today: Cap
    month: Cap

    def all(self) -> Mapping[str, Cap]:
        return {"notices": self.notices, "today": self.today, "month": self.month}


@dataclass(frozen=True, slots=True)
class Spent:
    """What is used of each cap."""

    notices: Count
    today: Count
    month: Count


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was set aside for one message, out of which day and month, under which daily quota."""

    price: int
    day: str
    month: str
    told: int


class Purse:
    """*former* are the keys under which each cap was counted by itself, before there was *key*."""

    def __init__(
        self, caps: Caps, store: Vault | None, key: str, former: Mapping[str, str] | None = None
    ) -> None:
        self.caps = caps
        self.former = former or {}
        self.cell = Cell[Spent](store, key, self.decode, self.encode, self.counted_before)

    @property
    def capped(self) -> bool:
        return bool(self.caps.today.limit or self.caps.month.limit)

    async def spent(self) -> Spent:
        """Of this day and month. Raises Unreachable."""
        return await self.cell.read()

    def daily(self, told: int) -> int:
        """How many a day: our own limit, or the one Zalo has *told*; the lower of both."""
        known = [limit for limit in (self.caps.notices.limit, told) if limit]
        return min(known, default=0)

    async def set_aside(self, price: int, told: int = 0) -> Receipt:
        """Before the call; all of it or nothing.

        Raises Stop when a day or a month has no more, Unreachable.
        """
        spent = await self.cell.change(lambda spent: self.more(spent, price, told))
        return Receipt(price, spent.notices.label, spent.month.label, told)

    def more(self, spent: Spent, price: int, told: int) -> Spent:
        caps, notices = self.caps, spent.notices
        if notices.closed is not None and told <= notices.closed:
            raise caps.notices.stop(notices)
        return Spent(
            caps.notices.more(replace(notices, closed=None), 1, self.daily(told)),
            caps.today.more(spent.today, price),
            caps.month.more(spent.month, price),
        )

    async def take_back(self, receipt: Receipt, *, closing: bool = False) -> None:
        """The call surely had no effect; *closing*: because Zalo has no more of that day.

        A count that stays too high does no harm.
        """

        def less(spent: Spent) -> Spent:
            notices = spent.notices.less(1, receipt.day)
            return Spent(
                notices.shut(receipt.told, receipt.day) if closing else notices,
                spent.today.less(receipt.price, receipt.day),
                spent.month.less(receipt.price, receipt.month),
            )

        try:
            await self.cell.change(less)
        except Unreachable as away:
            log.warning("zalo_quota_not_given_back", quota="notices", reason=away.reason)

    async def used_up(self, receipt: Receipt) -> None:
        """With this message Zalo's day ended, until its quota grows. Raises Unreachable."""

        def shut(spent: Spent) -> Spent:
            return replace(spent, notices=spent.notices.shut(receipt.told, receipt.day))

        await self.cell.change(shut)

    async def counted_before(self, store: Vault) -> bytes:
        """What an older version has counted, each under a key of its own."""
        found = {name: await store.get(key) for name, key in self.former.items()}
        said = {name: json_object(one.data) for name, one in found.items() if one}
        return json.dumps(said).encode()

    def decode(self, data: bytes) -> Spent:
        said = json_object(data) or {}
        return Spent(**{name: cap.count(said.get(name)) for name, cap in self.caps.all().items()})

    def encode(self, spent: Spent) -> bytes:
        said = {name: cap.said(getattr(spent, name)) for name, cap in self.caps.all().items()}
        return json.dumps(said).encode()
