"""Budget of template messages: messages a day, đồng a day and a month. Zalo limits no money."""

import json
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog

from channels.errors import Unreachable
from channels.zalo.client.response import json_object
from channels.zalo.client.store import KeyValueStore, SharedValue
from channels.zalo.quota.counter import QuotaWindow, WindowCount

log = structlog.get_logger()


class BudgetWindows(NamedTuple):
    """Limits: messages a day; đồng a day and a month."""

    notices: QuotaWindow
    today: QuotaWindow
    month: QuotaWindow


class BudgetUse(NamedTuple):
    """Used part of each limit."""

    notices: WindowCount
    today: WindowCount
    month: WindowCount


class Reservation(NamedTuple):
    """Reserved price of one message, its day and month, and the daily quota of that time."""

    price: int
    day: str
    month: str
    daily_quota: int


@dataclass
class Budget:
    """One value, so that one write reserves a message against all limits."""

    windows: BudgetWindows
    store: KeyValueStore
    key: str

    def __post_init__(self) -> None:
        self.shared = SharedValue(self.store, self.key, self.decode, self.encode)

    @property
    def has_money_limit(self) -> bool:
        return bool(self.windows.today.limit or self.windows.month.limit)

    def daily_limit(self, daily_quota: int) -> int:
        """Messages a day: the lower of our own limit and Zalo's *daily_quota*."""
        limits = [limit for limit in (self.windows.notices.limit, daily_quota) if limit]
        return min(limits, default=0)

    async def reserve(self, price: int, daily_quota: int = 0) -> Reservation:
        """Reserve a message before the call, against all limits or none.

        Raises RowOutcome when a day or a month is used up, Unreachable.
        """
        use = await self.shared.update(lambda use: self.add(use, price, daily_quota))
        return Reservation(price, use.notices.label, use.month.label, daily_quota)

    def add(self, use: BudgetUse, price: int, daily_quota: int) -> BudgetUse:
        windows, notices = self.windows, use.notices
        if notices.closed is not None and daily_quota <= notices.closed:
            raise windows.notices.exhausted(notices)
        return BudgetUse(
            windows.notices.add(replace(notices, closed=None), 1, self.daily_limit(daily_quota)),
            windows.today.add(use.today, price),
            windows.month.add(use.month, price),
        )

    async def release(self, reservation: Reservation, *, closing: bool = False) -> None:
        """Release a reservation after a call without effect; *closing*: Zalo takes no more then.

        A failed release leaves the count too high, which does no harm.
        """

        def released(use: BudgetUse) -> BudgetUse:
            notices = use.notices.minus(1, reservation.day)
            return BudgetUse(
                notices.close(reservation.daily_quota, reservation.day) if closing else notices,
                use.today.minus(reservation.price, reservation.day),
                use.month.minus(reservation.price, reservation.month),
            )

        try:
            await self.shared.update(released)
        except Unreachable as error:
            log.warning("zalo_quota_not_given_back", quota="notices", reason=error.reason)

    async def close_day(self, reservation: Reservation) -> None:
        """Close the day after its last message, until Zalo's quota grows. Raises Unreachable."""

        def closed(use: BudgetUse) -> BudgetUse:
            notices = use.notices.close(reservation.daily_quota, reservation.day)
            return use._replace(notices=notices)

        await self.shared.update(closed)

    def decode(self, data: bytes) -> BudgetUse:
        stored = json_object(data) or {}
        windows = self.windows._asdict().items()
        return BudgetUse(*(window.decode_count(stored.get(name)) for name, window in windows))

    def encode(self, use: BudgetUse) -> bytes:
        counts = map(QuotaWindow.encode_count, self.windows, use)
        return json.dumps(dict(zip(use._fields, counts, strict=True))).encode()
