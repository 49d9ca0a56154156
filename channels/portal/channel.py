"""The portal as a channel: one row, whose recipient is the portal itself."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from channels.base import Canary, Content, Deadline, Outcome, Recipient, Verdict
from channels.errors import Misconfigured, Unreachable
from channels.portal.canary import feed, read_back
from channels.portal.echo import Echo
from channels.portal.lock import Busy
from channels.portal.press import Press
from channels.portal.settings import PortalSettings
from channels.portal.site import CANARY_PATH, Site, item_path
from channels.portal.websub import Herald
from channels.portal.work import said
from channels.portal.writer import AGAIN_S, BUSY_S, Empty, IndexLost, Unfinished, Writer
from contracts.delivery import ChannelName
from contracts.publication import Publication
from contracts.vocabulary import DEFAULT, Vocabulary

T = TypeVar("T")
FEW, PAUSE_S = 40, 0.2
"""So many pages are written again at once, and so long is waited: others come first."""
PORTAL = "portal"
"""The one recipient of this channel."""


Found = Callable[[str], Awaitable[None]]
"""Hears why readers can't see what was written; empty = they can."""


async def nobody_asks(_: str) -> None:
    """Nobody is told."""


async def nothing_yet() -> bool:
    return False


class PortalChannel:
    """Shows publications in *folder*; `folder/public` is what a web server serves.

    Several processes may share a folder on one machine: they take turns. All file work is done on
    one thread of this channel, off the event loop. *shown_before* is asked where the folder is
    empty: whether something was shown already, so that its pages must be lost. It raises
    ChannelError when it does not know. *read_at*: where readers reach the folder; then an item is
    delivered once it can be read there, and *found* hears what each look finds missing.
    """

    name = ChannelName.PORTAL
    connections = 1
    window = 1
    request_timeout_s = 30.0
    settle_s = 0.0

    def __init__(
        self,
        folder: Path,
        public_url: str,
        vocabulary: Vocabulary = DEFAULT,
        *,
        patience_s: float = 10.0,
        shown_before: Callable[[], Awaitable[bool]] = nothing_yet,
        read_at: str = "",
        found: Found = nobody_asks,
        settings: PortalSettings | None = None,
    ) -> None:
        site = settings.site(public_url, vocabulary) if settings else Site(public_url, vocabulary)
        self._writer = Writer(folder, Press(site), patience_s)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="portal")
        self._shown_before = shown_before
        self._echo = Echo(read_at, self._writer.public, site) if read_at else None
        self._found = found
        self.herald = Herald(site, self._untold, self._told) if site.hub else None

    def render(self, content: Content) -> Publication:
        """One recipient, so nothing is shared: the pages are rendered where they are written."""
        if not isinstance(content, Publication):
            raise TypeError("what concerns one person is not for the portal")
        return content

    @asynccontextmanager
    async def session(self) -> AsyncIterator["PortalSession"]:
        """Make the folder ready. Raises Unreachable while another writer holds it too long."""
        await self._prepare()
        yield PortalSession(self._writer, self._thread, self._echo, self.herald, self._found)

    def page(self, content_id: str) -> Path:
        """The file of an item's page; it need not exist."""
        return self._writer.public / item_path(content_id)[1:] / "index.html"

    async def close(self) -> None:
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._thread.shutdown()
        self._writer.close()

    async def _untold(self) -> list[tuple[str, int]]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.untold)

    async def _told(self, slug: str, turn: int) -> None:
        work = partial(self._writer.told, slug, turn)
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _prepare(self) -> None:
        try:
            await self._carefully(partial(self._writer.prepare, begin=False))
        except Empty:
            if await self._shown_before():
                raise Misconfigured("index_lost", retry_after_s=AGAIN_S) from None
            await self._carefully(self._writer.prepare)

    async def renew(self, pause_s: float = PAUSE_S) -> None:
        """Write again what an earlier edition wrote, a little at a time. Raises ChannelError."""
        while True:
            done = await self._carefully(partial(self._writer.refresh, FEW))
            if not done.any:
                return
            await asyncio.sleep(pause_s)

    async def _carefully(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Busy:
            raise Unreachable("folder_busy", retry_after_s=BUSY_S) from None
        except IndexLost:
            raise Misconfigured("index_lost", retry_after_s=AGAIN_S) from None
        except (OSError, sqlite3.Error, Unfinished) as error:
            raise Misconfigured(said(error), retry_after_s=AGAIN_S) from error


class PortalSession:
    """The folder, ready to be written."""

    def __init__(
        self,
        writer: Writer,
        thread: ThreadPoolExecutor,
        echo: Echo | None,
        herald: Herald | None,
        found: Found = nobody_asks,
    ) -> None:
        self._writer = writer
        self._thread = thread
        self._echo = echo
        self._herald = herald
        self._found = found

    async def send(
        self, rendered: Publication, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        """Make the publication visible; sending it again repairs whatever is missing."""
        show = partial(self._writer.show, rendered, expired)
        return [await self._for(row, rendered, show) for row in rows]

    def let_go(self) -> None:
        """The disk is not waited for long."""

    async def resolve(self, rendered: Publication, rows: Sequence[Recipient]) -> list[Outcome]:
        """Read the portal's own files, which know."""
        standing = partial(self._writer.standing, rendered)
        return [await self._for(row, rendered, standing) for row in rows]

    async def _for(
        self, row: Recipient, shown: Publication, work: Callable[[], Outcome]
    ) -> Outcome:
        if row.id != PORTAL:
            return Outcome(Verdict.FAILED, "not_the_portal")
        outcome = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        if self._herald:
            self._herald.news.set()
        if self._echo is None or outcome.verdict is not Verdict.DELIVERED:
            return outcome
        why = await self._missing(self._echo, shown)
        await self._found(why)
        if why:
            return Outcome(Verdict.DOUBT, f"not_seen: {why}", AGAIN_S)
        return outcome

    async def _missing(self, echo: Echo, shown: Publication) -> str:
        """Why readers can't see it; empty once they can."""
        loop = asyncio.get_running_loop()
        try:
            feeds = await loop.run_in_executor(self._thread, self._writer.documents, shown)
        except OSError as error:
            return said(error)
        return await echo.missing(shown, feeds) if feeds else "in no feed"

    async def probe(self, canary: Canary) -> Outcome:
        """Write a file that no list names; with a public address it has to be there, too."""
        body = feed(canary, self._writer.site)
        loop = asyncio.get_running_loop()
        written = await loop.run_in_executor(
            self._thread, lambda: self._writer.place(CANARY_PATH[1:], body)
        )
        if written.verdict is not Verdict.DELIVERED or not canary.target:
            return written
        return await read_back(canary, body)
