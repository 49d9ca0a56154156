"""Rate limits: one token bucket per name."""

from collections.abc import Callable
from dataclasses import dataclass

MAX_NAMES = 10_000
_ROUNDING_ERROR = 1e-6
"""Tolerance for rounding when fractions of seconds are added."""


@dataclass(slots=True)
class BucketLevel:
    """The tokens of a bucket at a time."""

    tokens: float
    at: float


class TokenBuckets:
    """`per_minute` tokens flow into each bucket, which holds `burst`; a new bucket is full."""

    def __init__(self, per_minute: float, burst: float, clock: Callable[[], float]) -> None:
        self.rate = per_minute / 60
        self.burst = burst
        self.clock = clock
        self.levels: dict[str, BucketLevel] = {}

    def take(self, name: str, cost: float = 1) -> float:
        """Take *cost* tokens and return 0, or return the seconds until they are available."""
        now = self.clock()
        level = self._refill(name, now)
        if level.tokens + _ROUNDING_ERROR < cost:
            return (cost - level.tokens) / self.rate
        level.tokens = max(0.0, level.tokens - cost)
        return 0.0

    def _refill(self, name: str, now: float) -> BucketLevel:
        level = self.levels.get(name)
        if level is None:
            self._drop_idle(now)
            level = self.levels[name] = BucketLevel(self.burst, now)
        level.tokens = self._tokens(level, now)
        level.at = now
        return level

    def _tokens(self, level: BucketLevel, now: float) -> float:
        """Tokens at *now*; a clock that was set back never takes tokens away."""
        return min(self.burst, level.tokens + max(0.0, now - level.at) * self.rate)

    def _drop_idle(self, now: float) -> None:
        """Drop the full buckets; if all are in use, drop the oldest name."""
        if len(self.levels) < MAX_NAMES:
            return
        full = [name for name in self.levels if self._tokens(self.levels[name], now) >= self.burst]
        for name in full or [next(iter(self.levels))]:
            del self.levels[name]
