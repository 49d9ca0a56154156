"""Lists of bounded size from a queue."""

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def next_chunk(queue: asyncio.Queue[T], size: int) -> list[T]:
    """Wait for an item of *queue*; return it with those that are there, *size* at most."""
    chunk = [await queue.get()]
    while len(chunk) < size and not queue.empty():
        chunk.append(queue.get_nowait())
    return chunk
