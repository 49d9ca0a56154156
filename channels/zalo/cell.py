"""One value that all processes of an app change together, by compare-and-set."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from channels.errors import Unreachable
from channels.zalo.outcomes import Stop
from channels.zalo.rate import Alone
from channels.zalo.vault import NEVER, Sealed, Stale, Vault

TRIES = 50
T = TypeVar("T")


class Cell(Generic[T]):
    """*former* says what stands in for the value as long as nobody has written it."""

    def __init__(
        self, store: Vault | None, key: str, decode: Callable[[bytes], T],
        encode: Callable[[T], bytes], former: Callable[[Vault], Awaitable[bytes]] | None = None,
    ) -> None:  # fmt: skip
        self.store = store or Alone()
        self.key = key
        self.decode = decode
        self.encode = encode
        self.former = former
        self.lock = asyncio.Lock()
        self.held: Sealed | None = None

    async def read(self) -> T:
        """As it stands now. Raises Unreachable."""
        return self.decode((await self.look()).data)

    async def change(self, move: Callable[[T], T]) -> T:
        """Apply *move* to what stands there: one at a time here, by compare-and-set with others.

        What was seen last is tried first. It may be out of date, so nothing is refused by it.
        Raises Unreachable, and the Stop of *move*.
        """
        async with self.lock:
            for turn in range(TRIES):
                fresh = turn > 0 or self.held is None
                held = await self.look() if fresh or self.held is None else self.held
                try:
                    return await self.write(move(self.decode(held.data)), held.revision)
                except Stop:
                    if fresh:
                        raise
                except Stale:
                    continue
        raise Unreachable("everybody counts", retry_after_s=1.0)

    async def write(self, value: T, revision: int) -> T:
        """Over what was seen last. Raises Stale, Unreachable."""
        data = self.encode(value)
        self.held = Sealed(data, await self.store.swap(self.key, data, revision))
        return value

    async def look(self) -> Sealed:
        found = await self.store.get(self.key)
        if found is None:
            found = Sealed(await self.former(self.store) if self.former else b"", NEVER)
        self.held = found
        return found
