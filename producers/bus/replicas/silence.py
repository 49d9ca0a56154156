"""Whether a client is to leave its server of a cluster for another one.

A server that is cut off from the others keeps its clients, and goes on leading streams for ten
seconds without being able to write; its reads still answer.
"""

import math

_SILENT_S = 3.0
"""How long a request is unanswered before it counts."""
_STAY_S = 30.0
"""The least time between two departures."""


class Silence:
    """The time since which nothing shows that the server reaches others, by a monotonic clock."""

    def __init__(self) -> None:
        self._connected_at = self._stored_at = self._left_at = -math.inf

    def connected(self, now: float) -> None:
        self._connected_at = now

    def stored(self, now: float) -> None:
        """A write was stored, which only a server that reaches others can do."""
        self._stored_at = now

    def is_too_long(self, asked_at: float, now: float, *, is_alone: bool = False) -> bool:
        """Whether the server is to be left now, as a request of *asked_at* has no answer.

        A busy server may answer one request late; it stores others meanwhile. *is_alone*: the
        server itself tells that it reaches no other one, so any failure counts.
        """
        since = (
            self._connected_at if is_alone else max(asked_at, self._connected_at, self._stored_at)
        )
        if now - since < _SILENT_S or now - self._left_at < _STAY_S:
            return False
        self._left_at = now
        return True
