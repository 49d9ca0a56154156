"""Lists of bounded size from an asynchronous stream or queue."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def chunked(stream: AsyncIterable[T], size: int) -> AsyncIterator[list[T]]:
    """Yield the items of *stream* in lists of *size*; the last one may be shorter."""
    chunk: list[T] = []
    async for item in stream:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def next_chunk(queue: asyncio.Queue[T], size: int) -> list[T]:
    """Wait for an item of *queue*; return it with those that are there, *size* at most."""
    chunk = [await queue.get()]
    while len(chunk) < size and not queue.empty():
        chunk.append(queue.get_nowait())
    return chunk
