"""Connecting to NATS, with the settings that make an outage visible and survivable."""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from producers.bus.errors import Silence
from producers.bus.link import Link, closing
from producers.bus.patience import patiently

ATTEMPT_S = 2.0

log = structlog.get_logger()


async def dial(url: str, name: str, creds_file: Path | None, patience_s: float) -> Link:
    """A live link to one of the servers in *url* (separated by commas)."""
    link, line = Link(), _Line(url, _options(name, creds_file))
    await patiently(partial(line.open, link), patience_s, link.closed)
    return link


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


class _Line:
    """Gives a link its client, and another one when a server closed that for good.

    nats-py reconnects when a connection breaks, but gives up when the server says why it ends it
    (rights withdrawn for a moment, too slow, too many connections).
    """

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._servers = url.split(",")
        self._options = options

    async def open(self, link: Link) -> None:
        nc = Client()
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await nc.connect(self._servers, **self._options, **self._callbacks(link, nc))
        except (TimeoutError, NatsError, OSError) as error:
            reason = nc.last_error or error
            with closing():
                await nc.close()
            raise Silence(f"not connected: {type(reason).__name__} {reason}") from error
        link.nc = nc
        await link.on_up()

    def _callbacks(self, link: Link, nc: Client) -> dict[str, Any]:
        async def up() -> None:
            await link.on_up()

        async def down() -> None:
            if link.nc is nc:
                await link.on_down()

        async def closed() -> None:
            if link.nc is nc and not link.closed.is_set():
                log.warning("bus_closed_by_server", error=type(nc.last_error).__name__)
                link.revival = asyncio.create_task(self._reopen(link))

        return {
            "error_cb": link.on_trouble,
            "reconnected_cb": up,
            "disconnected_cb": down,
            "closed_cb": closed,
        }

    async def _reopen(self, link: Link) -> None:
        with suppress(Silence):  # only when we are closing
            await patiently(partial(self.open, link), None, link.closed)
