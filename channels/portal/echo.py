"""Whether readers see what was written: asked over HTTP, at the address where they read."""

import asyncio
from pathlib import Path

import aiohttp
import structlog

from channels.portal.site import ALL, feed_path, item_path

PATIENCE_S = 20.0
"""Web servers and caches may take a moment; after that it is a trouble."""
FIRST_S, LONGEST_S = 0.1, 2.0
READ_S = 5.0
FEED = feed_path(ALL, "atom")
SEEN = (200, 410)

log = structlog.get_logger()


class Echo:
    """Reads back from *address*, the beginning of every public address; *public* is the folder.

    While nothing comes back, each item is asked for once only: writing goes on without delay.
    """

    def __init__(self, address: str, public: Path, patience_s: float = PATIENCE_S) -> None:
        self._address = address.rstrip("/")
        self._public = public
        self._patience_s = patience_s
        self._heard = True

    async def missing(self, content_id: str, revision: int) -> str:
        """Why the item can't be seen, safe to log; empty once its page and the feed are there."""
        loop, pause_s = asyncio.get_running_loop(), FIRST_S
        until = loop.time() + (self._patience_s if self._heard else 0)
        while (why := await self._look(content_id, revision)) and loop.time() + pause_s < until:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_S)
        self._note(why)
        return why

    async def _look(self, content_id: str, revision: int) -> str:
        """One look. The query keeps caches out of the way."""
        page, timeout = item_path(content_id), aiohttp.ClientTimeout(total=READ_S)
        asked = {"ban": str(revision)}
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http:
                for path, file in ((page, f"{page}/index.html"), (FEED, FEED)):
                    if why := await self._differs(http, path, self._public / file[1:], asked):
                        return why
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a time-out is an OSError
            return type(error).__name__
        return ""

    async def _differs(
        self, http: aiohttp.ClientSession, path: str, file: Path, asked: dict[str, str]
    ) -> str:
        """How what is served differs from the file; a writer may put a new one there meanwhile."""
        before = await asyncio.to_thread(file.read_bytes)
        async with http.get(self._address + path, params=asked, allow_redirects=False) as answer:
            if answer.status not in SEEN:
                return f"HTTP {answer.status}"
            found = await answer.read()
        if found in (before, await asyncio.to_thread(file.read_bytes)):
            return ""
        return "not the file that was written"

    def _note(self, why: str) -> None:
        """Say when it begins and when it is over."""
        if why and self._heard:
            log.error("portal_not_seen", reason=why)
        elif not why and not self._heard:
            log.info("portal_seen_again")
        self._heard = not why
