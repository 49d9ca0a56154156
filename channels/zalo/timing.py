"""Timing of the channel, handed in so that tests need no real clock."""

import asyncio
import time
from dataclasses import dataclass

from channels.zalo.client import clock as client_clock
from channels.zalo.client.clock import Clock, Jitter
from channels.zalo.client.rate_limit import Sleep

SETTLE_S = 600.0
POLLS_S = (0.5, 1.0, 2.0, 3.0, 4.0)


@dataclass(frozen=True, slots=True)
class Timing:
    """Clock, pauses and jitter of the channel.

    `settle_s`: after it a request without an answer can have no late effect. `polls_s`: pauses
    between checks of an article in processing, until the row is deferred.
    """

    settle_s: float = SETTLE_S
    polls_s: tuple[float, ...] = POLLS_S
    sleep: Sleep = asyncio.sleep
    clock: Clock = time.time
    jitter: Jitter = client_clock.jitter
