"""The product's clocks during a run: virtual, and seen from the process that asks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from tests.deep.model.virtual_loop import ACTOR, VirtualLoop

EPOCH_S = 1_800_000_000.0
SKEW_S = 2.4
"""Two wall clocks differ by less than the 5 s that the product allows for."""


def wall(loop: VirtualLoop) -> float:
    """What the process that runs now believes the time to be."""
    actor = ACTOR.get()
    return EPOCH_S + loop.now + (actor.skew_s if actor else 0.0)


@contextmanager
def virtual(loop: VirtualLoop) -> Iterator[None]:
    """Put *loop*'s time in the place of the machine's."""
    with (
        patch.object(time, "monotonic", loop.time),
        patch.object(time, "clock_gettime", lambda _: loop.now),
        patch.object(time, "time", lambda: wall(loop)),
    ):
        yield
