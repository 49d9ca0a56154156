"""Errors that a handler raises to the acknowledging middleware, or a store to its channel."""

from collections.abc import Iterator
from contextlib import contextmanager

from channels.errors import Unreachable
from producers.bus import BusError


class BusUnreachable(Unreachable):
    """The bus, which a channel's store needs, does not answer."""


class RetryLater(Exception):
    """The message is valid but not done: deliver it again after `delay_s`."""

    def __init__(self, delay_s: float, reason: str) -> None:
        super().__init__(reason)
        self.delay_s = max(delay_s, 0.02)
        self.reason = reason


@contextmanager
def unreachable_without_bus() -> Iterator[None]:
    """Raise BusUnreachable, a channel's error, for any error of the bus."""
    try:
        yield
    except BusError as away:
        raise BusUnreachable("bus") from away
