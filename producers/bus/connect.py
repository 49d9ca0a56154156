"""Connecting to NATS, with the settings that make an outage visible and survivable."""

import asyncio
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from producers.bus.errors import Silence
from producers.bus.link import Link
from producers.bus.patience import patiently

ATTEMPT_S = 2.0


async def dial(url: str, name: str, creds_file: Path | None, patience_s: float) -> Link:
    """A live link to one of the servers in *url* (separated by commas)."""

    async def attempt() -> Link:
        return await _attempt(url, _options(name, creds_file))

    return await patiently(attempt, patience_s, asyncio.Event())


def _options(name: str, creds_file: Path | None) -> dict[str, Any]:
    return {
        "name": name,
        "user_credentials": str(creds_file) if creds_file else None,
        "ping_interval": 5,
        "max_outstanding_pings": 2,  # a dead server is noticed after 10 to 15 s of silence
        "reconnect_time_wait": 0.25,
        "max_reconnect_attempts": -1,
        "pending_size": 0,  # never buffer while disconnected: what is late must not be sent later
    }


async def _attempt(url: str, options: dict[str, Any]) -> Link:
    link = Link(Client())
    try:
        async with asyncio.timeout(ATTEMPT_S):
            await link.nc.connect(url.split(","), **options, **_callbacks(link))
    except (TimeoutError, NatsError, OSError) as error:
        reason = link.nc.last_error or error
        await link.nc.close()
        raise Silence(f"not connected: {type(reason).__name__}") from error
    await link.on_up()
    return link


def _callbacks(link: Link) -> dict[str, Any]:
    return {
        "error_cb": link.on_trouble,
        "reconnected_cb": link.on_up,
        "disconnected_cb": link.on_down,
        "closed_cb": link.on_closed,
    }
