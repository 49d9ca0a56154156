"""Bound on the files of one account that are read and checked at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from contracts.errors import RateLimited, field_error

_AT_ONCE = 3
_PATIENCE_S, _RETRY_S = 20.0, 60.0
_FIELD = "tep"
_Slots = WeakValueDictionary[str, asyncio.Semaphore]


@dataclass(frozen=True)
class FileSlots:
    """Each account has a few; who needs another waits for a while, with the file unread."""

    _slots: _Slots = field(default_factory=_Slots)

    @asynccontextmanager
    async def held(self, account: str) -> AsyncIterator[None]:
        """Hold a slot of *account*. Raises RateLimited where none becomes free in time."""
        slot = self._slots.setdefault(account, asyncio.Semaphore(_AT_ONCE))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await slot.acquire()
        except TimeoutError as full:
            error = field_error(_FIELD, "too_many_uploads")
            raise RateLimited(error, retry_after_s=_RETRY_S) from full
        try:
            yield
        finally:
            slot.release()
