"""The number of requests that work makes of the bus."""

from collections.abc import Awaitable, Callable

import pytest

from producers.bus.connection import Connection


async def count_requests(work: Callable[[], Awaitable[object]]) -> int:
    """Do *work*; the number of requests that this process has made meanwhile."""
    requests = 0
    wait = Connection.awaiting_reply

    def counted(link, *args, **options):
        nonlocal requests
        requests += 1
        return wait(link, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "awaiting_reply", counted)
        await work()
    return requests
