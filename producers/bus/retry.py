"""Retries of requests that are safe to repeat."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from producers.bus.errors import NoReply

T = TypeVar("T")

log = structlog.get_logger()


async def retry_until(
    attempt_once: Callable[[], Awaitable[T]], patience_s: float | None, closed: asyncio.Event
) -> T:
    """Repeat *attempt_once* after NoReply, until *patience_s* has passed or the bus is closed.

    None for *patience_s* means no limit.
    """
    last = NoReply("not asked yet")

    async def attempt() -> T:
        nonlocal last
        try:
            return await attempt_once()
        except NoReply as error:
            last = error
            raise

    try:
        async with asyncio.timeout(patience_s):
            return await _repeated(attempt, closed)
    except TimeoutError:
        raise NoReply(f"no answer within {patience_s} s; last: {last}") from last


async def _repeated(attempt: Callable[[], Awaitable[T]], closed: asyncio.Event) -> T:
    """Run *attempt* until it does not raise NoReply.

    The first attempt runs without tenacity, whose set-up costs a fifth of a request.
    """
    try:
        return await attempt()
    except NoReply as error:
        first = [error]

    async def next_one() -> T:
        if first:
            raise first.pop()
        return await attempt()

    return await _attempts(closed)(next_one)


def _attempts(closed: asyncio.Event) -> AsyncRetrying:
    async def nap(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await closed.wait()

    return AsyncRetrying(
        sleep=nap,
        stop=lambda _: closed.is_set(),
        wait=wait_exponential_jitter(multiplier=0.05, max=1.0, jitter=0.05),
        retry=retry_if_exception_type(NoReply),
        before_sleep=_tell,
        reraise=True,
    )


def _tell(state: RetryCallState) -> None:
    reason = state.outcome.exception() if state.outcome else None
    log.warning("bus_asked_again", attempt=state.attempt_number, reason=str(reason))
