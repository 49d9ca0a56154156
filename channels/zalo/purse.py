"""What template messages may cost: how many a day, and how much money a day and a month."""

from dataclasses import dataclass

from channels.zalo.meter import Meter
from channels.zalo.outcomes import NOT_DONE, Stop


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was set aside for one message, and out of which day and month."""

    price: int
    day: str
    money_day: str
    money_month: str


@dataclass(frozen=True, slots=True)
class Purse:
    """Money is in đồng. Zalo itself knows no cap on it."""

    notices: Meter
    today: Meter
    month: Meter

    @property
    def capped(self) -> bool:
        return bool(self.today.limit or self.month.limit)

    def daily(self, told: int) -> int:
        """How many a day: our own limit, or the one Zalo has *told*; the lower of both."""
        known = [limit for limit in (self.notices.limit, told) if limit]
        return min(known, default=0)

    async def set_aside(self, price: int, told: int = 0) -> Receipt:
        """Before the call. Raises Stop when a day or a month has no more, Unreachable.

        Either everything is set aside or, but for a silent store, nothing.
        """
        day = await self.notices.spend(limit=self.daily(told))
        try:
            money_day = await self.today.spend(price)
        except (Stop, *NOT_DONE):
            await self.notices.give_back(1, day)
            raise
        try:
            money_month = await self.month.spend(price)
        except (Stop, *NOT_DONE):
            await self.today.give_back(price, money_day)
            await self.notices.give_back(1, day)
            raise
        return Receipt(price, day, money_day, money_month)

    async def take_back(self, receipt: Receipt) -> None:
        """The call surely had no effect."""
        await self.month.give_back(receipt.price, receipt.money_month)
        await self.today.give_back(receipt.price, receipt.money_day)
        await self.notices.give_back(1, receipt.day)

    async def used_up(self) -> None:
        """Zalo said that nothing is left of this day. Raises Unreachable."""
        await self.notices.close()
