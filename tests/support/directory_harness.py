"""A bucket of subscribers that come and go, and a directory that follows the bucket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from consumers.directory.directory import Directory
from contracts import subjects
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus


class DirectoryHarness:
    """A bucket of subscribers."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)

    async def add(self, id: str, **changes: Any) -> int:
        fields = {"id": id, "email": f"{id}@example.com", "name": id.upper()} | changes
        one = Subscriber.model_validate(fields)
        return await self.bucket.put(f"s.{id}", one.model_dump_json().encode())

    async def erase(self, id: str) -> int:
        return await self.bucket.purge(f"s.{id}")


@contextlib.asynccontextmanager
async def running_directory(directory: Directory) -> AsyncIterator[Directory]:
    task = asyncio.create_task(directory.run())
    try:
        yield directory
    finally:
        task.cancel()
        await asyncio.wait({task})
        directory.close()
