"""Work that goes on beside a command, such as following a stream, until the command ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def in_background(*works: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run each of *works* until the block ends; their errors are not raised here."""
    tasks = [asyncio.create_task(work()) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
