"""How fast we may call a host of Zalo: one token bucket for all processes, and it listens to Zalo.

The bucket is a value in a store with compare-and-set; each call takes its turn there first. Times
are seconds since the epoch by our clocks, which agree within seconds.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace

import structlog

from channels.errors import Unreachable
from channels.zalo.envelope import json_object, whole
from channels.zalo.hours import Clock, next_minute
from channels.zalo.vault import NEVER, Sealed, Stale, Vault

log = structlog.get_logger()
Sleep = Callable[[float], Awaitable[None]]
PER_S, BURST = 5.0, 10.0
SLOWEST_PER_S = 0.1
RECOVERY_S = 60.0
PATIENCE_S = 2.0
LONGEST_S = 86400
"""A longer wait is not slept through inside a call: the rows are held instead."""
SHORTEST_S = 0.001
TRIES = 50


@dataclass(frozen=True, slots=True)
class Flow:
    """The bucket. `free_at` is when it is full again but for one token per call since then."""

    per_s: float
    free_at: float = 0.0
    slowed_at: float = 0.0
    closed_until: float = 0.0

    @classmethod
    def decode(cls, data: bytes, per_s: float) -> "Flow":
        """Read what this or another version wrote; what can't be read is a fresh bucket."""
        said = json_object(data) or {}
        known = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        return cls(**{"per_s": per_s, **known})

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Limits:
    """The rate that was agreed on, and how many calls may leave at once after a pause."""

    per_s: float = PER_S
    burst: float = BURST


def take(flow: Flow, now: float, limits: Limits) -> tuple[Flow, float]:
    """The bucket after one more call, and how long that call has to wait."""
    flow = recovered(flow, now, limits)
    since = max(flow.free_at, now)
    turn = max(since - (limits.burst - 1) / flow.per_s, flow.closed_until, now)
    wait_s = turn - now if turn - now > SHORTEST_S else 0.0
    return replace(flow, free_at=since + 1 / flow.per_s), wait_s


def recovered(flow: Flow, now: float, limits: Limits) -> Flow:
    """Forget a slow-down step by step: each quiet minute doubles the rate."""
    if flow.per_s < limits.per_s and now - flow.slowed_at >= RECOVERY_S:
        return replace(flow, per_s=min(limits.per_s, 2 * flow.per_s), slowed_at=now)
    return replace(flow, per_s=min(limits.per_s, flow.per_s))


def halved(flow: Flow, now: float) -> Flow:
    """Zalo said -32: slow down, and stop for this minute."""
    slower = max(SLOWEST_PER_S, flow.per_s / 2)
    return closed(replace(flow, per_s=slower, slowed_at=now), next_minute(now))


def closed(flow: Flow, until: float) -> Flow:
    return replace(flow, closed_until=max(flow.closed_until, until))


def told(headers: Mapping[str, str], now: float) -> float:
    """Until when Zalo wants no call: nothing remains of this minute, or it says how long."""
    until = next_minute(now) if whole(headers.get("X-RateLimit-Remain")) == 0 else 0.0
    wait_s = whole(headers.get("Retry-After"))
    return max(until, now + min(max(wait_s, 0), LONGEST_S)) if wait_s else until


Move = Callable[[Flow], Flow]


class Alone:
    """The store of a process that shares its rate with nobody."""

    def __init__(self) -> None:
        self.stored: Sealed | None = None

    async def get(self, _key: str) -> Sealed | None:
        return self.stored

    async def swap(self, _key: str, data: bytes, revision: int) -> int:
        self.stored = Sealed(data, revision + 1)
        return revision + 1


class TokenBucket:
    """What every call of a host asks first, in all processes with the same *store* and *key*."""

    def __init__(
        self,
        clock: Clock,
        limits: Limits | None = None,
        *,
        store: Vault | None = None,
        key: str = "rate",
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.clock = clock
        self.limits = limits or Limits()
        self.store = store or Alone()
        self.key = key
        self.sleep = sleep
        self.lock = asyncio.Lock()
        self.flow = Flow(self.limits.per_s)
        self.revision = NEVER

    async def take(self) -> None:
        """Wait for one call's turn.

        Raises Unreachable when that takes too long to wait for, or the store does not answer.
        """
        wait_s = 0.0

        def move(flow: Flow) -> Flow:
            nonlocal wait_s
            after, wait_s = take(flow, self.clock(), self.limits)
            return flow if wait_s > PATIENCE_S else after

        await self.change(move)
        if wait_s > PATIENCE_S:
            raise Unreachable("rate limit", retry_after_s=wait_s)
        if wait_s > 0:
            await self.sleep(wait_s)

    async def listen(self, headers: Mapping[str, str]) -> None:
        """Send nothing before Zalo wants to hear something again."""
        if until := told(headers, self.clock()):
            await self.learn(lambda flow: closed(flow, until))

    async def halve(self) -> None:
        """Slow down, because Zalo said -32."""
        await self.learn(lambda flow: halved(flow, self.clock()))
        log.warning("zalo_rate_halved", per_s=self.flow.per_s)

    async def learn(self, move: Move) -> None:
        """Act on an answer that is here: a store that is silent now must not make it lost."""
        try:
            await self.change(move)
        except Unreachable as away:
            self.flow = move(self.flow)
            log.warning("zalo_rate_not_shared", reason=away.reason)

    async def change(self, move: Move) -> None:
        """Apply *move* to what stands there, whoever wrote it. Raises Unreachable."""
        async with self.lock:
            for _ in range(TRIES):
                after = move(self.flow)
                try:
                    self.revision = await self.store.swap(self.key, after.encode(), self.revision)
                except Stale:
                    await self.look()
                else:
                    self.flow = after
                    return
        raise Unreachable("everybody wants a turn", retry_after_s=1.0)

    async def look(self) -> None:
        found = await self.store.get(self.key)
        self.revision = found.revision if found else NEVER
        self.flow = Flow.decode(found.data if found else b"", self.limits.per_s)
