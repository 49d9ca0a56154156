"""Rate limits: one token bucket per name."""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import nlargest

MAX_NAMES = 10_000
_ROUNDING_ERROR = 1e-6
"""Tolerance for rounding when fractions of seconds are added."""


@dataclass(slots=True)
class BucketLevel:
    """The tokens of a bucket at a time."""

    tokens: float
    at: float


class TokenBuckets:
    """`per_minute` tokens flow into each bucket, which holds `burst`; a new bucket is full.

    Memory is bounded: where too many names are in use, the fullest buckets go, and from then on a
    new bucket begins at the level of the emptiest that has gone. So no name gains by being
    forgotten, and an emptied bucket is the last to go.
    """

    def __init__(self, per_minute: float, burst: float, clock: Callable[[], float]) -> None:
        self.rate = per_minute / 60
        self.burst = burst
        self.clock = clock
        self.levels: dict[str, BucketLevel] = {}
        self.forgotten = BucketLevel(burst, clock())

    def take(self, name: str, cost: float = 1) -> float:
        """Take *cost* tokens and return 0, or return the seconds until they are available."""
        now = self.clock()
        level = self._refill(name, now)
        if level.tokens + _ROUNDING_ERROR < cost:
            return (cost - level.tokens) / self.rate
        level.tokens = max(0.0, level.tokens - cost)
        return 0.0

    def left(self, name: str) -> int:
        """The whole tokens that a bucket holds now."""
        return int(self._refill(name, self.clock()).tokens + _ROUNDING_ERROR)

    def _refill(self, name: str, now: float) -> BucketLevel:
        level = self.levels.get(name)
        if level is None:
            self._make_room(now)
            level = self.levels[name] = BucketLevel(self._tokens(self.forgotten, now), now)
        level.tokens = self._tokens(level, now)
        level.at = now
        return level

    def _tokens(self, level: BucketLevel, now: float) -> float:
        """Tokens at *now*; a clock that was set back never takes tokens away."""
        return min(self.burst, level.tokens + max(0.0, now - level.at) * self.rate)

    def _make_room(self, now: float) -> None:
        """Drop the fullest buckets once there are too many names; an eighth of them at once."""
        if len(self.levels) < MAX_NAMES:
            return
        tokens = {name: self._tokens(level, now) for name, level in self.levels.items()}
        fullest = nlargest(MAX_NAMES // 8, tokens, key=lambda name: tokens[name])
        for name in fullest:
            del self.levels[name]
        lowest = min(self._tokens(self.forgotten, now), tokens[fullest[-1]])
        self.forgotten = BucketLevel(lowest, now)
