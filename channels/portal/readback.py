"""Whether readers see what was written: asked over HTTP, at the address where they read."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import structlog
from lxml import etree

from channels.portal.model.site import Site, item_path
from channels.portal.render.xml import atom_tag, parse_rfc3339
from contracts.publication import Publication

WAIT_MAX_S = 20.0
"""Web servers and caches may take a moment; after that it is a trouble."""
FIRST_PAUSE_S, PAUSE_MAX_S = 0.1, 2.0
READ_TIMEOUT_S = 5.0
PAGE_STATUSES = (200, 410)

log = structlog.get_logger()


class Readback:
    """Reads back from *address*, the beginning of every public address; *public* is the folder.

    While nothing comes back, each item is asked for once only: writing goes on without delay.
    """

    def __init__(
        self, address: str, public: Path, site: Site, wait_max_s: float = WAIT_MAX_S
    ) -> None:
        self._address = address.rstrip("/")
        self._public = public
        self._site = site
        self._wait_max_s = wait_max_s
        self._is_visible = True

    async def find_failure(self, publication: Publication, feeds: Sequence[str]) -> str:
        """Why the item can't be seen, safe to log; empty once it is in place.

        That is: its page is the file that was written, and each of *feeds*, paths of Atom
        documents, has its entry, as new as *publication* or newer.
        """
        loop, pause_s = asyncio.get_running_loop(), FIRST_PAUSE_S
        until = loop.time() + (self._wait_max_s if self._is_visible else 0)
        while (why := await self._check_once(publication, feeds)) and loop.time() + pause_s < until:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
        self._log_change(why)
        return why

    async def _check_once(self, publication: Publication, feeds: Sequence[str]) -> str:
        """One look."""
        timeout = aiohttp.ClientTimeout(total=READ_TIMEOUT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http:
                if why := await self._check_page(http, publication):
                    return why
                for path in feeds:
                    if why := await self._check_feed(http, publication, path):
                        return why
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a time-out is an OSError
            return type(error).__name__
        return ""

    async def _check_page(self, http: aiohttp.ClientSession, publication: Publication) -> str:
        """How the page differs from its file; a writer may put a new one there meanwhile."""
        path = item_path(publication.content_id)
        file = self._public / path[1:] / "index.html"
        before = await asyncio.to_thread(file.read_bytes)
        status, found = await self._read(http, path, publication.revision)
        if status not in PAGE_STATUSES:
            return f"HTTP {status}"
        if found in (before, await asyncio.to_thread(file.read_bytes)):
            return ""
        return "not the file that was written"

    async def _check_feed(
        self, http: aiohttp.ClientSession, publication: Publication, path: str
    ) -> str:
        """What a reader of that feed does not learn."""
        status, found = await self._read(http, path, publication.revision)
        name = path.removeprefix("/nguon-tin/")
        if status != 200:
            return f"{name}: HTTP {status}"
        url = self._site.item_url(publication.content_id)
        why = await asyncio.to_thread(missing_from_feed, found, url, publication)
        return f"{name}: {why}" if why else ""

    async def _read(
        self, http: aiohttp.ClientSession, path: str, revision: int
    ) -> tuple[int, bytes]:
        """Status and body. The query keeps caches out of the way."""
        asked = {"ban": str(revision)}
        async with http.get(self._address + path, params=asked, allow_redirects=False) as answer:
            return answer.status, await answer.read() if answer.status in PAGE_STATUSES else b""

    def _log_change(self, why: str) -> None:
        """Say when it begins and when it is over."""
        if why and self._is_visible:
            log.error("portal_not_seen", reason=why, url=self._address)
        elif not why and not self._is_visible:
            log.info("portal_seen_again")
        self._is_visible = not why


def missing_from_feed(feed: bytes, url: str, publication: Publication) -> str:
    """What *feed*, which claims to be Atom, does not say of the item at *url*; empty for nothing.

    A newer position is as good: it took the place of this one.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        entries = etree.fromstring(feed, parser).findall(atom_tag("entry"))
    except etree.XMLSyntaxError:
        entries = []
    wanted = max(publication.shown_at, publication.first_shown_at)
    for entry in entries:
        if entry.findtext(atom_tag("id")) == url:
            updated = parse_rfc3339(entry.findtext(atom_tag("updated")))
            return "" if updated and updated >= wanted else "an earlier position"
    return "without the item"
