"""Rate limiter: one token bucket per host for all processes, adjusted by Zalo's answers.

The bucket is a value in a store with compare-and-set; each call takes a token there first. Times
are seconds since the epoch by our clocks, which agree within seconds.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import structlog

from channels.errors import Unreachable
from channels.zalo.client.response import json_object, known_fields, whole_number
from channels.zalo.client.store import KeyValueStore, SharedValue
from channels.zalo.clock import Sleep, next_minute
from contracts.base.times import Clock

log = structlog.get_logger()
_BURST_S = 2.0
"""Length of the burst that may leave at once after a pause, in seconds of the rate."""
_SLOWEST_PER_S = 0.1
_RECOVERY_S = 60.0
_WAIT_MAX_S = 2.0
_RETRY_AFTER_MAX_S = 86400
"""Upper bound of `Retry-After`."""
_WAIT_MIN_S = 0.001


@dataclass(frozen=True, slots=True)
class BucketState:
    """The bucket. `free_at`: when it is full again, except for one token per call since then."""

    per_s: float
    free_at: float = 0.0
    slowed_at: float = 0.0
    closed_until: float = 0.0

    @classmethod
    def decode(cls, data: bytes, per_s: float) -> "BucketState":
        """Read a state that any version wrote; an unreadable one becomes a full bucket."""
        return cls(**{"per_s": per_s, **known_fields(cls, json_object(data) or {})})

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def burst(limit_per_s: float) -> float:
    """Number of calls that may leave at once after a pause."""
    return max(1.0, _BURST_S * limit_per_s)


def take(state: BucketState, now: float, limit_per_s: float) -> tuple[BucketState, float]:
    """The bucket after one more call, and the wait of that call in seconds."""
    state = recovered(state, now, limit_per_s)
    since = max(state.free_at, now)
    turn = max(since - (burst(limit_per_s) - 1) / state.per_s, state.closed_until, now)
    wait_s = turn - now if turn - now > _WAIT_MIN_S else 0.0
    return replace(state, free_at=since + 1 / state.per_s), wait_s


def recovered(state: BucketState, now: float, limit_per_s: float) -> BucketState:
    """Undo a slow-down step by step: each quiet minute doubles the rate."""
    if state.per_s < limit_per_s and now - state.slowed_at >= _RECOVERY_S:
        return replace(state, per_s=min(limit_per_s, 2 * state.per_s), slowed_at=now)
    return replace(state, per_s=min(limit_per_s, state.per_s))


def _halved(state: BucketState, now: float) -> BucketState:
    """The bucket after error -32: half the rate, and no call until the next minute."""
    slower = max(_SLOWEST_PER_S, state.per_s / 2)
    return _closed(replace(state, per_s=slower, slowed_at=now), next_minute(now))


def _closed(state: BucketState, until: float) -> BucketState:
    return replace(state, closed_until=max(state.closed_until, until))


def server_wait_until(headers: Mapping[str, str], now: float) -> float:
    """The time before which Zalo wants no call: an empty minute, or `Retry-After`; 0 for none."""
    until = next_minute(now) if whole_number(headers.get("X-RateLimit-Remain")) == 0 else 0.0
    wait_s = whole_number(headers.get("Retry-After"))
    return max(until, now + min(max(wait_s, 0), _RETRY_AFTER_MAX_S)) if wait_s else until


@dataclass
class TokenBucket:
    """Rate limiter of one host, shared by all processes with the same *store* and *key*."""

    clock: Clock
    limit_per_s: float
    store: KeyValueStore
    key: str = "rate"
    sleep: Sleep = asyncio.sleep

    def __post_init__(self) -> None:
        self.shared = SharedValue(self.store, self.key, self.decode, BucketState.encode)

    def decode(self, data: bytes) -> BucketState:
        return BucketState.decode(data, self.limit_per_s)

    async def take(self) -> None:
        """Wait for a token. Raises Unreachable for too long a wait or an unanswering store."""
        wait_s = 0.0

        def move(state: BucketState) -> BucketState:
            nonlocal wait_s
            after, wait_s = take(state, self.clock(), self.limit_per_s)
            return state if wait_s > _WAIT_MAX_S else after

        await self.shared.update(move)
        if wait_s > _WAIT_MAX_S:
            raise Unreachable("rate limit", retry_after_s=wait_s)
        if wait_s > 0:
            await self.sleep(wait_s)

    async def apply_headers(self, headers: Mapping[str, str]) -> None:
        """Delay further calls as Zalo's rate limit headers demand."""
        if until := server_wait_until(headers, self.clock()):
            await self.apply_answer(lambda state: _closed(state, until))

    async def halve_rate(self) -> None:
        """Halve the rate after error -32."""
        await self.apply_answer(lambda state: _halved(state, self.clock()))
        log.warning("zalo_rate_halved", per_s=self.state.per_s)

    async def apply_answer(self, change: Callable[[BucketState], BucketState]) -> None:
        """Apply a change from an answer; while the store is silent it stays local."""
        try:
            await self.shared.update(change)
        except Unreachable as error:
            self.shared.update_locally(change)
            log.warning("zalo_rate_not_shared", reason=error.reason)

    @property
    def state(self) -> BucketState:
        """The bucket as this process knows it."""
        return self.decode(self.shared.cached.data if self.shared.cached else b"")
