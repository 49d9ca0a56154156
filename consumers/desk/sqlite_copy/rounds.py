"""Rounds of following a stream, for whose end readers wait a moment."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

_WAIT_S = 0.5
"""The longest wait of a page for its copy to read all stored messages."""


class Rounds:
    """Rounds of following; a reader waits for the end of one that began after it asked."""

    def __init__(self) -> None:
        self._asked = self._answered = 0
        self._began: float | None = None
        self._request = asyncio.Event()
        self._ended = asyncio.Condition()

    async def next_end(self) -> bool:
        """Whether a round from begin to end passed in time; while one lasts long, none does."""
        if self._began is not None and time.monotonic() - self._began > _WAIT_S:
            return False
        self._asked += 1
        mine = self._asked
        self._request.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_S), self._ended:
                await self._ended.wait_for(lambda: self._answered >= mine)
        return self._answered >= mine

    async def run(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Run a round. Where *step* returns False, readers wait for the next one."""
        asked = self._asked
        self._began = time.monotonic()
        try:
            is_answer = await step()
        finally:
            self._began = None
        if is_answer:
            self._answered = asked
        async with self._ended:
            self._ended.notify_all()

    async def wait_for_request(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._request.wait()
        self._request.clear()
