"""Look-ups of host names that hold up nothing else.

The loop's own `getaddrinfo` takes one of a few threads that everything shares, and keeps it for as
long as a DNS server is silent: eight connections to one relay would hold up the second relay, files
and the stop of the process. Here each name has one look-up at a time, on a thread of its own.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
_Key = tuple[asyncio.AbstractEventLoop, str, int]
_under_way: dict[_Key, asyncio.Future[Sequence[AddressInfo]]] = {}


async def look_up(host: str, port: int) -> Sequence[AddressInfo]:
    """The addresses of *host* for TCP. Raises OSError; a cancellation leaves others waiting."""
    key = asyncio.get_running_loop(), host, port
    if (found := _under_way.get(key)) is None:
        found = _under_way[key] = _begin(host, port)
        found.add_done_callback(lambda done: _forget(key, done))
    return await asyncio.shield(found)


def _forget(key: _Key, done: asyncio.Future[Sequence[AddressInfo]]) -> None:
    del _under_way[key]
    if not done.cancelled():
        done.exception()  # retrieved, also where everyone who waited has gone


def _begin(host: str, port: int) -> asyncio.Future[Sequence[AddressInfo]]:
    """Begin a look-up on a thread that the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Sequence[AddressInfo]] = loop.create_future()

    def finish(found: Sequence[AddressInfo], error: OSError | None) -> None:
        if future.done():
            return
        if error:
            future.set_exception(error)
        else:
            future.set_result(found)

    def work() -> None:
        found, failure = list[AddressInfo](), None
        try:
            found += socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            failure = error
        except UnicodeError:  # a label that is empty or too long
            failure = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        with suppress(RuntimeError):  # the loop is closed: the process has ended meanwhile
            loop.call_soon_threadsafe(finish, found, failure)

    threading.Thread(target=work, name=f"look-up of {host}", daemon=True).start()
    return future
