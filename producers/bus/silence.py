"""Whether a client is to leave its server of a cluster for another one.

A server that is cut off from the others keeps its clients, and goes on leading streams for ten
seconds without being able to write; its reads still answer.
"""

import math

_SILENT_S = 3.0
"""How long a request is unanswered before it counts."""
_LEADERLESS_S = 10.0
"""How long requests find no leader before that counts: an election takes up to seven seconds."""
_FORGOTTEN_S, _STAY_S = 30.0, 30.0


class Silence:
    """The requests without an answer since a write was stored. Times are of a monotonic clock.

    One of them is no reason to leave: a busy server may answer late.
    """

    def __init__(self) -> None:
        self._connected_at = self._failed_at = self._left_at = -math.inf
        self._began: float | None = None
        """When the first of the requests was sent."""

    def end(self) -> None:
        """A write was stored: the server reaches others."""
        self._began = None

    def connected(self, now: float) -> None:
        self._connected_at, self._began = now, None

    def is_too_long(
        self, asked_at: float, now: float, *, is_leaderless: bool = False, is_alone: bool = False
    ) -> bool:
        """Count one more request without an answer; whether the server is to be left now.

        *is_leaderless*: it found no leader. *is_alone*: the server knows that it reaches no other.
        """
        asked_at = max(asked_at, self._connected_at)
        if now - asked_at < _SILENT_S and not (is_leaderless or is_alone):
            return False
        if self._began is None or now - self._failed_at > _FORGOTTEN_S:
            self._began, is_first = asked_at, True
        else:
            is_first = False
        self._failed_at = now
        limit_s = _LEADERLESS_S if is_leaderless and not is_alone else _SILENT_S
        if (is_first and not is_alone) or now - self._began < limit_s:
            return False
        if now - self._left_at < _STAY_S:
            return False
        self._left_at = now
        return True
