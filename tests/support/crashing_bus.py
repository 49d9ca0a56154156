"""A real bus whose n-th call is the last one: the process "dies" just before or just after it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from contracts.base import crash_points
from producers.bus import Bus

CALLS = {"publish", "last", "get_message", "get", "create", "swap", "put", "purge", "many", "batch"}
CALLS |= {"last_seq", "schedule", "purge_if"}


class SimulatedCrash(Exception):
    """The process is gone."""


class CrashCountdown:
    """Counts calls down; `after` = the call still has its effect, but its answer is lost."""

    def __init__(self, calls: int, *, after: bool) -> None:
        self.left = calls
        self.after = after

    async def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0 or (self.left == 0 and not self.after):
            raise SimulatedCrash
        answer = await method(*args, **kwargs)
        if self.left == 0:
            raise SimulatedCrash
        return answer


class CrashingBus:
    """A bus or a bucket that counts calls."""

    def __init__(self, real: Any, countdown: CrashCountdown) -> None:
        self._real = real
        self._countdown = countdown

    def bucket(self, name: str) -> "CrashingBus":
        return CrashingBus(self._real.bucket(name), self._countdown)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in CALLS:
            return real

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._countdown.call(real, *args, **kwargs)

        return call


def crashing_bus(bus: Bus, calls: int, *, after: bool) -> Any:
    return CrashingBus(bus, CrashCountdown(calls, after=after))


def dying_buses(bus: Bus, *, after: bool, fewest: int) -> Iterator[Any]:
    """A bus that dies at its first call, one that dies at its second, and so on.

    The last one outlives what is done with it, after at least *fewest* calls.
    """
    for calls in range(1, 100):
        countdown = CrashCountdown(calls, after=after)
        yield CrashingBus(bus, countdown)
        if countdown.left > 0:
            assert calls > fewest, "every call was the last one once"
            return
    pytest.fail("the story never ended")


@contextmanager
def crash_at(point: str) -> Iterator[None]:
    """The process dies at this crash point, which it has to pass."""

    def die(passed: str) -> None:
        if passed == point:
            raise SimulatedCrash

    crash_points.arm(die)
    try:
        with pytest.raises(SimulatedCrash):
            yield
    finally:
        crash_points.arm(None)
