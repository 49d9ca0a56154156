"""Retries of requests that are safe to repeat."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from producers.bus.errors import Denied, NoLeader, NoReply

T = TypeVar("T")
_FIRST_WAIT_S, _MAX_WAIT_S, _MAX_JITTER_S = 0.05, 0.5, 0.05

log = structlog.get_logger()


LEADER_PATIENCE_S = 10.0
"""How long a write that may be tried once waits for a leader; an election takes about six."""


async def until_led(attempt: Callable[[], Awaitable[T]], closed: asyncio.Event) -> T:
    """Await *attempt*, again while no server leads the stream: nothing is stored until then.

    Raises NoReply after LEADER_PATIENCE_S.
    """
    return await retry_until(attempt, LEADER_PATIENCE_S, closed, after=NoLeader)


async def retry_until(
    attempt: Callable[[], Awaitable[T]],
    patience_s: float | None,
    closed: asyncio.Event,
    after: type[NoReply] = NoReply,
) -> T:
    """Repeat *attempt* *after* NoReply, until *patience_s* has passed or the bus is closed.

    The log tells of the first silence, then each time that there were twice as many.
    A Denied that was the last answer is raised itself.
    None for *patience_s* means no limit. The wait doubles with each attempt.
    """
    last, wait_s = NoReply(""), _FIRST_WAIT_S
    try:
        async with asyncio.timeout(patience_s):
            for number in itertools.count(1):
                try:
                    return await attempt()
                except after as error:
                    last = error
                if closed.is_set():
                    break
                if number & (number - 1) == 0:
                    log.warning("bus_asked_again", attempt=number, reason=str(last))
                jitter_s = random.uniform(0, _MAX_JITTER_S)  # noqa: S311 -- keeps no secret
                await _sleep(wait_s + jitter_s, closed)
                wait_s = min(2 * wait_s, _MAX_WAIT_S)
    except TimeoutError:
        last = _silence(last, patience_s)
    raise last


def _silence(last: NoReply, patience_s: float | None) -> NoReply:
    """The end of the patience, with what the last attempt said as its cause."""
    if isinstance(last, Denied):
        return last
    said = f"; last: {last}" if str(last) else ""
    silence = NoReply(f"no answer within {patience_s} s{said}")
    silence.__cause__ = last
    return silence


async def _sleep(seconds: float, closed: asyncio.Event) -> None:
    """Sleep, but wake up at once when the bus is closed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closed.wait()
