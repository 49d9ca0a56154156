"""Periodic tasks: repeat a step, and log bus errors instead of ending."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from producers.bus.errors import BusError

log = structlog.get_logger()
Step = Callable[[], Awaitable[object]]


async def every(interval_s: float, step: Step) -> None:
    """Repeat *step* until cancelled, with *interval_s* between an end and the next start."""
    while True:
        await attempt(step)
        await asyncio.sleep(interval_s)


async def attempt(step: Step) -> None:
    """Await *step*; a bus error is logged, and the next attempt repeats the step."""
    try:
        await step()
    except BusError as error:
        log_bus_error(error)


def log_bus_error(error: Exception) -> None:
    log.warning("bus_trouble", error=type(error).__name__, detail=str(error))
