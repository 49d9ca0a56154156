"""What a day's or a month's quota is spent on, counted here for all processes: we stop before Zalo.

Zalo tells nobody how much is left of its articles, knows no cap on money, and a used-up quota is a
refusal that costs a person's time. So each call that costs is counted before it is made; one that
surely had no effect is given back, one that may have had it stays counted.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from channels.zalo.envelope import json_object, whole
from channels.zalo.hours import Chance, Clock, Until, local, wait_s
from channels.zalo.outcomes import Stop
from channels.zalo.rate import Alone
from channels.zalo.vault import NEVER, Sealed, Stale, Vault

log = structlog.get_logger()
TRIES = 50
SKEW_S = 86400.0
"""So far another process' clock may be ahead of ours; what it has begun to count goes on."""
LABELS = {Until.DAY: "%Y-%m-%d", Until.MONTH: "%Y-%m"}


@dataclass(frozen=True, slots=True)
class Count:
    """What is used of one day or month; `closed`: Zalo said that there is no more of it."""

    label: str
    used: int = 0
    closed: bool = False


Move = Callable[[Count], Count]


class Meter:
    """One quota, of things or of đồng. *limit* 0: nobody knows it; then it is only counted."""

    def __init__(
        self, name: str, limit: int, clock: Clock, chance: Chance, store: Vault | None, key: str,
        *, span: Until = Until.MONTH,
    ) -> None:  # fmt: skip
        self.name = name
        self.limit = limit
        self.clock = clock
        self.chance = chance
        self.store = store or Alone()
        self.key = key
        self.span = span
        self.told = ""
        self.lock = asyncio.Lock()
        self.held: Sealed | None = None

    async def used(self) -> int:
        """Of this day or month. Raises Unreachable."""
        return self.count(await self.store.get(self.key)).used

    async def spend(self, amount: int = 1, *, limit: int | None = None) -> str:
        """Before each call that costs; what `give_back` wants to hear.

        *limit* stands in for the meter's own. Raises Stop when there is not so much left,
        Unreachable.
        """
        most = self.limit if limit is None else limit
        return (await self.change(lambda count: self.more(count, amount, most))).label

    def more(self, count: Count, amount: int, most: int) -> Count:
        if count.closed or (most and count.used + amount > most):
            self.tell(count)
            after_s = wait_s(self.span, self.clock(), self.chance)
            raise Stop(Outcome(Verdict.HELD, f"our {self.name} quota", after_s, asked=False))
        return replace(count, used=count.used + amount)

    def tell(self, count: Count) -> None:
        """Once a day or month, however many rows wait."""
        if self.told != count.label:
            log.error("zalo_quota_spent", quota=self.name, used=count.used)
            self.told = count.label

    async def give_back(self, amount: int = 1, label: str | None = None) -> None:
        """The call surely had no effect. A count that stays too high does no harm.

        What was taken from another day or month (*label*) is over.
        """

        def less(count: Count) -> Count:
            if label not in (None, count.label):
                return count
            return replace(count, used=max(count.used - amount, 0))

        try:
            await self.change(less)
        except Unreachable as away:
            log.warning("zalo_quota_not_given_back", quota=self.name, reason=away.reason)

    async def close(self) -> None:
        """Zalo says that nothing is left, whatever we have counted. Raises Unreachable."""
        await self.change(lambda count: replace(count, closed=True))

    async def change(self, move: Move) -> Count:
        """Apply *move* to what stands there: one at a time here, by compare-and-set with others.

        What was seen last is tried first. It may be out of date, so nothing is refused by it.
        """
        async with self.lock:
            for turn in range(TRIES):
                fresh = turn > 0 or self.held is None
                if fresh:
                    self.held = await self.store.get(self.key)
                try:
                    return await self.write(move(self.count(self.held)))
                except Stop:
                    if fresh:
                        raise
                except Stale:
                    continue
        raise Unreachable("everybody counts", retry_after_s=1.0)

    async def write(self, count: Count) -> Count:
        """Over what was seen last. Raises Stale, Unreachable."""
        data, revision = self.encode(count), self.held.revision if self.held else NEVER
        self.held = Sealed(data, await self.store.swap(self.key, data, revision))
        return count

    def count(self, found: Sealed | None) -> Count:
        """What is spent now, by what stands in the store."""
        said = (json_object(found.data) if found else None) or {}
        count = Count(self.label(self.clock()))
        if count.label <= str(said.get(self.span, "")) <= self.label(self.clock() + SKEW_S):
            used, closed = whole(said.get("used")) or 0, said.get("closed") is True
            return Count(str(said[self.span]), used, closed)
        return count

    def encode(self, count: Count) -> bytes:
        said = {self.span.value: count.label, "used": count.used}
        return json.dumps(said | ({"closed": True} if count.closed else {})).encode()

    def label(self, now: float) -> str:
        """By Vietnam's calendar."""
        return f"{local(now):{LABELS[self.span]}}"


@dataclass(frozen=True, slots=True)
class Quotas:
    """What an Official Account may do in a month."""

    articles: Meter
    broadcasts: Meter
