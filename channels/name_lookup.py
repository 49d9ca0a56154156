"""Look-ups of host names that hold up nothing else.

The loop's own `getaddrinfo` takes one of a few threads that everything shares, and keeps it for as
long as a DNS server is silent: eight connections to one relay would hold up the second relay, files
and the stop of the process. Here each name has one look-up at a time, on a thread of its own.
"""

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from channels.daemon_threads import begin

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
_Key = tuple[asyncio.AbstractEventLoop, str, int]
_under_way: dict[_Key, asyncio.Future[Sequence[AddressInfo]]] = {}


async def look_up(host: str, port: int) -> Sequence[AddressInfo]:
    """The addresses of *host* for TCP. Raises OSError; a cancellation leaves others waiting."""
    key = asyncio.get_running_loop(), host, port
    if (found := _under_way.get(key)) is None:
        found = _under_way[key] = begin(partial(_addresses, host, port))
        found.add_done_callback(lambda done: _forget(key, done))
    return await asyncio.shield(found)


def _forget(key: _Key, done: asyncio.Future[Sequence[AddressInfo]]) -> None:
    del _under_way[key]
    if not done.cancelled():
        done.exception()  # retrieved, also where everyone who waited has gone


def _addresses(host: str, port: int) -> Sequence[AddressInfo]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as wrong:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from wrong
