"""How fast we may call Zalo: a token bucket that listens to what Zalo says of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from channels.errors import Unreachable
from channels.zalo.envelope import whole
from channels.zalo.hours import Clock, next_minute

log = structlog.get_logger()
Sleep = Callable[[float], Awaitable[None]]
PER_S, BURST = 5.0, 10.0
SLOWEST_PER_S = 0.1
RECOVERY_S = 60.0
PATIENCE_S = 2.0
LONGEST_S = 86400
"""A longer wait is not slept through inside a call: the rows are held instead."""


class TokenBucket:
    """Shared by every call of the process. `-32` halves its rate; each quiet minute doubles it."""

    def __init__(
        self,
        clock: Clock,
        *,
        per_s: float = PER_S,
        burst: float = BURST,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.clock = clock
        self.full_per_s = self.per_s = per_s
        self.burst = self.level = burst
        self.sleep = sleep
        self.filled_at = self.slowed_at = clock()
        self.closed_until = 0.0

    async def take(self) -> None:
        """Wait for one call's turn. Raises Unreachable when that takes too long to wait for."""
        self.refill()
        wait_s = max(self.closed_until - self.clock(), (1 - self.level) / self.per_s)
        if wait_s > PATIENCE_S:
            raise Unreachable("rate limit", retry_after_s=wait_s)
        self.level -= 1
        if wait_s > 0:
            await self.sleep(wait_s)

    def refill(self) -> None:
        """Add what has trickled in; forget a slow-down step by step."""
        now = self.clock()
        self.level = min(self.burst, self.level + max(0.0, now - self.filled_at) * self.per_s)
        self.filled_at = now
        if self.per_s < self.full_per_s and now - self.slowed_at >= RECOVERY_S:
            self.per_s, self.slowed_at = min(self.full_per_s, 2 * self.per_s), now

    def listen(self, headers: Mapping[str, str]) -> None:
        """Nothing remains of this minute, or Zalo says how long to wait: send nothing till then."""
        now = self.clock()
        if whole(headers.get("X-RateLimit-Remain")) == 0:
            self.close(next_minute(now))
        if told := whole(headers.get("Retry-After")):
            self.close(now + min(max(told, 0), LONGEST_S))

    def close(self, until: float) -> None:
        self.closed_until = max(self.closed_until, until)

    def halve(self) -> None:
        """Zalo said -32: slow down, and stop for this minute."""
        now = self.clock()
        self.per_s, self.slowed_at = max(SLOWEST_PER_S, self.per_s / 2), now
        self.close(next_minute(now))
        log.warning("zalo_rate_halved", per_s=self.per_s)
