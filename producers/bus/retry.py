"""Retries of requests that are safe to repeat."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from producers.bus.errors import Denied, NoReply

T = TypeVar("T")
_FIRST_WAIT_S, _MAX_WAIT_S, _MAX_JITTER_S = 0.05, 1.0, 0.05

log = structlog.get_logger()


async def retry_until(
    attempt: Callable[[], Awaitable[T]], patience_s: float | None, closed: asyncio.Event
) -> T:
    """Repeat *attempt* after NoReply, until *patience_s* has passed or the bus is closed.

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
                except NoReply as error:
                    last = error
                if closed.is_set():
                    break
                if number & (number - 1) == 0:
                    log.warning("bus_asked_again", attempt=number, reason=str(last))
                jitter_s = random.uniform(0, _MAX_JITTER_S)  # noqa: S311 -- keeps no secret
                await _sleep(wait_s + jitter_s, closed)
                wait_s = min(2 * wait_s, _MAX_WAIT_S)
    except TimeoutError:
        if isinstance(last, Denied):
            raise last from None
        said = f"; last: {last}" if str(last) else ""
        raise NoReply(f"no answer within {patience_s} s{said}") from last
    raise last


async def _sleep(seconds: float, closed: asyncio.Event) -> None:
    """Sleep, but wake up at once when the bus is closed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closed.wait()
