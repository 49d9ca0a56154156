"""What template messages may cost: how many a day, and how much money a day and a month.

Zalo itself knows no cap on money. Everything is one value, so that one write sets a message aside.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from channels.errors import Unreachable
from channels.zalo.client.response import json_object
from channels.zalo.client.store import KeyValueStore
from channels.zalo.quota.shared_value import SharedValue
from channels.zalo.quota.window import QuotaWindow, WindowCount

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BudgetWindows:
    """Messages a day; đồng a day and a month."""

    notices: QuotaWindow
    today: QuotaWindow
    month: QuotaWindow

    def all(self) -> Mapping[str, QuotaWindow]:
        return {"notices": self.notices, "today": self.today, "month": self.month}


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What is used of each cap."""

    notices: WindowCount
    today: WindowCount
    month: WindowCount


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was set aside for one message, out of which day and month, under which daily quota."""

    price: int
    day: str
    month: str
    daily_quota: int


class Budget:
    """*former* are the keys under which each cap was counted by itself, before there was *key*."""

    def __init__(
        self,
        windows: BudgetWindows,
        store: KeyValueStore | None,
        key: str,
        former_keys: Mapping[str, str] | None = None,
    ) -> None:
        self.windows = windows
        self.former_keys = former_keys or {}
        self.shared = SharedValue[BudgetUse](store, key, self.decode, self.encode, self.read_former)

    @property
    def has_money_limit(self) -> bool:
        return bool(self.windows.today.limit or self.windows.month.limit)

    async def used(self) -> BudgetUse:
        """Of this day and month. Raises Unreachable."""
        return await self.shared.read()

    def daily_limit(self, daily_quota: int) -> int:
        """How many a day: our own limit, or the one Zalo has *told*; the lower of both."""
        known = [limit for limit in (self.windows.notices.limit, daily_quota) if limit]
        return min(known, default=0)

    async def reserve(self, price: int, daily_quota: int = 0) -> Reservation:
        """Before the call; all of it or nothing.

        Raises Stop when a day or a month has no more, Unreachable.
        """
        spent = await self.shared.update(lambda spent: self.add(spent, price, daily_quota))
        return Reservation(price, spent.notices.label, spent.month.label, daily_quota)

    def add(self, spent: BudgetUse, price: int, daily_quota: int) -> BudgetUse:
        caps, notices = self.windows, spent.notices
        if notices.closed is not None and daily_quota <= notices.closed:
            raise caps.notices.exhausted(notices)
        return BudgetUse(
            caps.notices.add(replace(notices, closed=None), 1, self.daily_limit(daily_quota)),
            caps.today.add(spent.today, price),
            caps.month.add(spent.month, price),
        )

    async def release(self, reservation: Reservation, *, closing: bool = False) -> None:
        """The call surely had no effect; *closing*: because Zalo has no more of that day.

        A count that stays too high does no harm.
        """

        def less(spent: BudgetUse) -> BudgetUse:
            notices = spent.notices.minus(1, reservation.day)
            return BudgetUse(
                notices.close(reservation.daily_quota, reservation.day) if closing else notices,
                spent.today.minus(reservation.price, reservation.day),
                spent.month.minus(reservation.price, reservation.month),
            )

        try:
            await self.shared.update(less)
        except Unreachable as away:
            log.warning("zalo_quota_not_given_back", quota="notices", reason=away.reason)

    async def close_day(self, reservation: Reservation) -> None:
        """With this message Zalo's day ended, until its quota grows. Raises Unreachable."""

        def shut(spent: BudgetUse) -> BudgetUse:
            return replace(
                spent, notices=spent.notices.close(reservation.daily_quota, reservation.day)
            )

        await self.shared.update(shut)

    async def read_former(self, store: KeyValueStore) -> bytes:
        """What an older version has counted, each under a key of its own."""
        found = {name: await store.get(key) for name, key in self.former_keys.items()}
        said = {name: json_object(one.data) for name, one in found.items() if one}
        return json.dumps(said).encode()

    def decode(self, data: bytes) -> BudgetUse:
        said = json_object(data) or {}
        return BudgetUse(
            **{name: cap.decode_count(said.get(name)) for name, cap in self.windows.all().items()}
        )

    def encode(self, spent: BudgetUse) -> bytes:
        said = {
            name: cap.encode_count(getattr(spent, name)) for name, cap in self.windows.all().items()
        }
        return json.dumps(said).encode()
