"""Split an asynchronous stream into lists of bounded size."""

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
