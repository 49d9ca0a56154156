"""What a month's quota is spent on, counted here for all processes: we stop before Zalo does.

Zalo tells nobody how much is left of its articles, and a used-up quota is a refusal that costs a
person's time. So each call that costs is counted before it is made; one that surely had no effect
is given back, one that may have had it stays counted.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from channels.zalo.envelope import json_object, whole
from channels.zalo.hours import Chance, Clock, Until, local, wait_s
from channels.zalo.outcomes import Stop
from channels.zalo.rate import Alone
from channels.zalo.vault import NEVER, Stale, Vault

log = structlog.get_logger()
TRIES = 20


class Meter:
    """One quota. *limit* 0: nobody knows it; then it is only counted."""

    def __init__(
        self, name: str, limit: int, clock: Clock, chance: Chance, store: Vault | None, key: str
    ) -> None:
        self.name = name
        self.limit = limit
        self.clock = clock
        self.chance = chance
        self.store = store or Alone()
        self.key = key

    async def used(self) -> int:
        """This month. Raises Unreachable."""
        return (await self.read())[0]

    async def spend(self) -> None:
        """Before each call that costs. Raises Stop when the month has no more, Unreachable."""
        await self.change(self.one_more)

    def one_more(self, used: int) -> int:
        if self.limit and used >= self.limit:
            log.error("zalo_quota_spent", quota=self.name, used=used)
            after_s = wait_s(Until.MONTH, self.clock(), self.chance)
            raise Stop(Outcome(Verdict.HELD, f"our {self.name} quota", after_s, asked=False))
        return used + 1

    async def give_back(self) -> None:
        """The call surely had no effect. A count that stays one too high does no harm."""
        try:
            await self.change(lambda used: max(used - 1, 0))
        except Unreachable as away:
            log.warning("zalo_quota_not_given_back", quota=self.name, reason=away.reason)

    async def change(self, move: Callable[[int], int]) -> None:
        for _ in range(TRIES):
            used, revision = await self.read()
            said = {"month": self.month(), "used": move(used)}
            try:
                await self.store.swap(self.key, json.dumps(said).encode(), revision)
            except Stale:
                continue
            return
        raise Unreachable("everybody counts", retry_after_s=1.0)

    async def read(self) -> tuple[int, int]:
        """What is spent this month, and the revision that says so."""
        found = await self.store.get(self.key)
        said = (json_object(found.data) if found else None) or {}
        used = whole(said.get("used")) if said.get("month") == self.month() else 0
        return used or 0, found.revision if found else NEVER

    def month(self) -> str:
        """By Vietnam's calendar."""
        return f"{local(self.clock()):%Y-%m}"


@dataclass(frozen=True, slots=True)
class Quotas:
    """What an Official Account may do in a month."""

    articles: Meter
    broadcasts: Meter
