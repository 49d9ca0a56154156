"""How patient the channel is; handed in, so that nothing here waits on a real clock."""

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
    """After `settle_s` a request whose answer was lost can have no effect any more.

    `polls_s` are the pauses between looking whether an article is ready, until the row is put off.
    """

    settle_s: float = SETTLE_S
    polls_s: tuple[float, ...] = POLLS_S
    sleep: Sleep = asyncio.sleep
    clock: Clock = time.time
    jitter: Jitter = client_clock.jitter
