"""A value that all processes of an app update by compare-and-set."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, TypeVar

from channels.errors import Unreachable
from channels.zalo.client.store import NO_REVISION, KeyValueStore, LocalStore, StoredValue
from channels.zalo.errors import RowOutcome, StaleValue

_TRIES = 50
T = TypeVar("T")


class SharedValue(Generic[T]):
    """*initial* loads the value to use until the key exists."""

    def __init__(
        self,
        store: KeyValueStore | None,
        key: str,
        decode: Callable[[bytes], T],
        encode: Callable[[T], bytes],
        initial: Callable[[KeyValueStore], Awaitable[bytes]] | None = None,
    ) -> None:
        self.store = store or LocalStore()
        self.key = key
        self.decode = decode
        self.encode = encode
        self.initial = initial
        self.lock = asyncio.Lock()
        self.cached: StoredValue | None = None

    async def read(self) -> T:
        """The stored value. Raises Unreachable."""
        return self.decode((await self.load()).data)

    async def update(self, change: Callable[[T], T]) -> T:
        """Apply *change*: in turn within this process, by compare-and-set between processes.

        The cached value is tried first. It may be out of date, so only a fresh value refuses.
        Raises Unreachable, and the RowOutcome of *change*.
        """
        async with self.lock:
            for turn in range(_TRIES):
                fresh = turn > 0 or self.cached is None
                stored = await self.load() if fresh or self.cached is None else self.cached
                try:
                    return await self.write(change(self.decode(stored.data)), stored.revision)
                except RowOutcome:
                    if fresh:
                        raise
                except StaleValue:
                    continue
        raise Unreachable("too many writers at once", retry_after_s=1.0)

    def update_locally(self, change: Callable[[T], T]) -> None:
        """Apply *change* to the cached value alone; the next update stores both."""
        cached = self.cached or StoredValue(b"", NO_REVISION)
        self.cached = replace(cached, data=self.encode(change(self.decode(cached.data))))

    async def write(self, value: T, revision: int) -> T:
        """Write over the given revision. Raises StaleValue, Unreachable."""
        data = self.encode(value)
        self.cached = StoredValue(data, await self.store.swap(self.key, data, revision))
        return value

    async def load(self) -> StoredValue:
        stored = await self.store.get(self.key)
        if stored is None:
            stored = StoredValue(
                await self.initial(self.store) if self.initial else b"", NO_REVISION
            )
        self.cached = stored
        return stored
