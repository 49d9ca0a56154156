"""Waiting for a bus on which a start depends, as a running process waits through its outages."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from consumers.errors import StoppedEarly
from producers.bus import Denied, NoReply

T = TypeVar("T")
log = structlog.get_logger()


async def until_answered(attempt: Callable[[], Awaitable[T]], stopped: asyncio.Event | None) -> T:
    """Await *attempt*, again while the bus does not answer, until *stopped* is set; once for None.

    Raises StoppedEarly then, and at once what only an operator can change.
    """
    if stopped is None:
        return await attempt()
    while True:
        try:
            return await _until_stopped(stopped, attempt)
        except Denied:
            raise
        except NoReply as silent:
            log.warning("bus_awaited", reason=str(silent))


async def _until_stopped(stopped: asyncio.Event, attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of *attempt*. Raises StoppedEarly if *stopped* is set before."""
    trying, ending = asyncio.ensure_future(attempt()), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({trying, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not trying.done():
            raise StoppedEarly
        return trying.result()
    finally:
        for task in (trying, ending):
            task.cancel()
        await asyncio.gather(trying, ending, return_exceptions=True)
