"""Periodic tasks: repeat a step, and log bus errors and damaged records instead of ending."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from pydantic import ValidationError

from producers.bus.errors import BusError

log = structlog.get_logger()
Step = Callable[[], Awaitable[object]]


async def every(interval_s: float, step: Step) -> None:
    """Repeat *step* until cancelled, with *interval_s* between an end and the next start."""
    while True:
        await attempt(step)
        await asyncio.sleep(interval_s)


async def attempt(step: Step) -> None:
    """Await *step*; a bus error is logged, and the next attempt repeats the step.

    So is a record that can't be read: one of them must not end the process, and all its others.
    """
    try:
        await step()
    except BusError as error:
        log_bus_error(error)
    except ValidationError as broken:
        log.error("record_unreadable", record=unreadable_record(broken))


def unreadable_record(broken: Exception) -> str:
    """The record that could not be read: its key where it is known, never its value."""
    return ", ".join(getattr(broken, "__notes__", ())) or type(broken).__name__


def log_bus_error(error: Exception) -> None:
    log.warning("bus_trouble", error=type(error).__name__, detail=str(error))
