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
from channels.fetch.fetcher import Fetcher
from channels.portal.canary import canary_feed, read_back
from channels.portal.covers import CoverReader, draw_cover
from channels.portal.errors import (
    INDEX_LOST,
    NOT_SEEN,
    FilesNotWritten,
    FolderBusy,
    FolderEmpty,
    IndexLost,
    error_reason,
)
from channels.portal.model.site import CANARY_PATH, Site
from channels.portal.readback import Readback, ReportReadback
from channels.portal.render.site_files import SiteFiles
from channels.portal.storage.uploads import UploadFiles, UploadSource
from channels.portal.websub import WebSubNotifier
from channels.portal.writer.writer import BUSY_RETRY_S, RETRY_S, PortalWriter
from contracts.base import tracing
from contracts.delivery import ChannelName
from contracts.desk.uploads import named_by
from contracts.facts.public_figures import PublicFigures
from contracts.publication import Publication

T = TypeVar("T")
_REWRITE_CHUNK, _REWRITE_PAUSE_S = 40, 0.2
"""Pages per round of rewriting, and the pause between rounds, so that deliveries come first."""
_PORTAL_RECIPIENT = "portal"
"""The one recipient of this channel."""


async def _ignore_readback(_: str) -> None:
    """Ignore readback results."""


async def _never_shown() -> bool:
    return False


class PortalChannel:
    """The channel that writes publications to *folder*, and its own session.

    A web server serves `folder/public`. Several processes on one machine may share a folder; a lock
    makes them take turns. All file work runs on one thread of this channel. For an empty folder,
    *was_shown_before* tells a new portal from a lost one; it raises ChannelError when unsure. With
    *readback_url*, the public address, an item counts as delivered when it can be read there;
    *report_readback* gets each result. No item waits for the readback of another.
    """

    name = ChannelName.PORTAL
    connections = 2  # while a canary or an item waits to be read back, the next one is written
    window = 1
    request_timeout_s = 30.0
    settle_s = 0.0

    def __init__(
        self,
        folder: Path,
        site: Site,
        *,
        lock_timeout_s: float = 10.0,
        was_shown_before: Callable[[], Awaitable[bool]] = _never_shown,
        readback_url: str = "",
        uploads: UploadSource | None = None,
        report_readback: ReportReadback = _ignore_readback,
    ) -> None:
        self._writer = PortalWriter(folder, SiteFiles(site), lock_timeout_s)
        self._uploads = UploadFiles(folder, uploads) if uploads else None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="portal")
        self._was_shown_before = was_shown_before
        self._readback: Readback | None = None
        if readback_url:
            public = self._writer.public
            self._readback = Readback(readback_url, public, site, self._feeds_of, report_readback)
        self.notifier: WebSubNotifier | None = None
        if site.hub:
            self.notifier = WebSubNotifier(
                site,
                lambda: self._run(self._writer.unannounced_feeds),
                lambda *feed: self._run(partial(self._writer.mark_announced, *feed)),
            )

    def render(self, content: Content) -> Publication:
        """Return *content* itself: pages are rendered when they are written."""
        if not isinstance(content, Publication):
            raise TypeError("the portal takes publications only")
        return content

    @asynccontextmanager
    async def session(self) -> AsyncIterator["PortalChannel"]:
        """Make the folder ready. Raises Unreachable while another writer holds it too long."""
        try:
            await self._run_checked(partial(self._writer.prepare, allow_new=False))
        except FolderEmpty:
            if await self._was_shown_before():
                raise Misconfigured(INDEX_LOST, retry_after_s=RETRY_S) from None
            await self._run_checked(self._writer.prepare)
        yield self

    async def has_index(self) -> bool:
        """Whether the folder has an index file, by its name alone."""
        return await asyncio.to_thread(lambda: self._writer.has_index)

    async def close(self) -> None:
        if self._readback:
            await self._readback.close()
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._writer.close)

    async def send(
        self, rendered: Publication, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        """Make the publication visible; sending it again repairs missing files.

        Uploaded files that it names are there before its page, and still afterwards: meanwhile
        another item that named them may have been withdrawn.
        """
        await self._place_uploads(rendered)
        show = partial(self._writer.show, rendered, expired)
        outcomes = [await self._outcome_of(row, rendered, show) for row in rows]
        await self._place_uploads(rendered)
        return outcomes

    async def resolve(self, rendered: Publication, rows: Sequence[Recipient]) -> list[Outcome]:
        """Ask the portal's index whether the publication was shown."""
        resolve = partial(self._writer.resolve, rendered)
        return [await self._outcome_of(row, rendered, resolve) for row in rows]

    def abort(self) -> None:
        """Do nothing: file work ends by itself."""

    async def probe(self, canary: Canary) -> Outcome:
        """Write a file that no list names; with a public address, read it back, too."""
        body = canary_feed(canary, self._writer.site)
        written = await self._run(partial(self._writer.put_file, CANARY_PATH[1:], body))
        if written.verdict is not Verdict.DELIVERED or not canary.target:
            return written
        return await read_back(canary, body)

    async def rewrite_stale(self, pause_s: float = _REWRITE_PAUSE_S) -> None:
        """Rewrite files of an earlier format, a few at a time. Raises ChannelError."""
        while True:
            rewritten = await self._run_checked(partial(self._writer.rewrite_stale, _REWRITE_CHUNK))
            if not rewritten.has_work:
                return
            await asyncio.sleep(pause_s)

    @property
    def edition(self) -> str:
        """Hash of all that the files follow from besides publications and figures."""
        return self._writer.edition

    async def prepare(self) -> None:
        """Finish what a killed writer began, in a folder with an index. Raises ChannelError."""
        await self._run_checked(partial(self._writer.prepare, allow_new=False))

    async def position(self) -> str:
        """Up to where a replica has followed; empty without an index. Raises ChannelError."""
        return await self._run_checked(self._writer.position)

    async def follow(self, publications: Sequence[Publication], position: str) -> None:
        """Show what a log has before *position*, with its uploaded files. Raises ChannelError."""
        for publication in publications:
            await self._place_uploads(publication)
        await self._run_checked(partial(self._writer.follow, publications, position))
        for publication in publications:
            await self._place_uploads(publication)

    async def has_figures(self) -> bool:
        """Whether the page of delivery figures has any. Raises ChannelError."""
        return await self._run_checked(self._writer.has_figures)

    async def show_figures(self, figures: PublicFigures) -> None:
        """Show the delivery figures. Raises ChannelError."""
        await self._run_checked(partial(self._writer.show_figures, figures))

    async def draw_covers(self, fetcher: Fetcher) -> None:
        """Fetch and draw wanted covers, beside the writing of pages. Raises ChannelError."""
        reader = CoverReader(self._writer.public, self._writer.site, fetcher)
        while wanted := await self._run_checked(self._writer.next_cover):
            await self._run_checked(await draw_cover(reader, wanted, self._writer))

    async def _place_uploads(self, publication: Publication) -> None:
        """Raises ChannelError."""
        if self._uploads is None or publication.action == "withdrawn":
            return
        try:
            await self._uploads.place(named_by(publication))
        except OSError as error:
            raise Misconfigured(error_reason(error), retry_after_s=RETRY_S) from error

    async def _outcome_of(
        self, row: Recipient, publication: Publication, work: Callable[[], Outcome]
    ) -> Outcome:
        if row.id != _PORTAL_RECIPIENT:
            return Outcome(Verdict.FAILED, "not_the_portal")
        with tracing.child(tracing.PORTAL_WRITE):
            outcome = await self._run(work)
        if self.notifier:
            self.notifier.has_changes.set()
        if self._readback is None or outcome.verdict is not Verdict.DELIVERED:
            return outcome
        failure = await self._readback.failure(publication)
        if failure:
            retry_after_s = self._readback.retry_after_s(publication)
            return Outcome(Verdict.DOUBT, f"{NOT_SEEN}: {failure}", retry_after_s, accepted=True)
        return outcome

    async def _feeds_of(self, publication: Publication) -> Sequence[str]:
        return await self._run(partial(self._writer.atom_documents, publication))

    async def _run(self, work: Callable[[], T]) -> T:
        """Do file work on the channel's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _run_checked(self, work: Callable[[], T]) -> T:
        """Do file work; turn its errors into a ChannelError, but for FolderEmpty."""
        try:
            return await self._run(work)
        except FolderBusy:
            raise Unreachable("folder_busy", retry_after_s=BUSY_RETRY_S) from None
        except IndexLost:
            raise Misconfigured(INDEX_LOST, retry_after_s=RETRY_S) from None
        except (OSError, sqlite3.Error, FilesNotWritten) as error:
            raise Misconfigured(error_reason(error), retry_after_s=RETRY_S) from error
