"""Which cover an article gets: our copy of the item's picture, or the default one.

Zalo fetches covers itself, and refuses what is large, slow or no plain picture: the article would
fail for its picture. So the picture is fetched here, drawn anew and put where Zalo finds it. It may
hold an article up for some minutes, and no longer.
"""

import asyncio
from dataclasses import replace
from typing import Protocol

import structlog

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from channels.fetch.fetcher import Away, Fetcher, Unusable
from channels.zalo import picture
from channels.zalo.notebook import Note
from channels.zalo.outcomes import Stop
from channels.zalo.picture import NotAPicture
from channels.zalo.steps import Job

log = structlog.get_logger()
AGAIN_S = (10.0, 60.0, 120.0)
"""After each try that failed for now; then the article goes out without."""


class Shelf(Protocol):
    """Where our copies lie for Zalo to fetch."""

    async def keep(self, jpeg: bytes) -> str:
        """Its path below the public address, once it is there for good. Raises Unreachable."""

    async def stands(self, path: str) -> bool:
        """Whether it is still there."""


class Covers:
    """Copies pictures; what came of it stands in the item's note, so that it is done once."""

    def __init__(self, fetcher: Fetcher, shelf: Shelf) -> None:
        self.fetcher = fetcher
        self.shelf = shelf

    async def checked(self, note: Note) -> Note:
        """The note without a copy that is no longer there: it is made again."""
        if note.picture and not await self.shelf.stands(note.picture):
            return replace(note, picture="")
        return note

    async def decided(self, job: Job, note: Note) -> tuple[Note, Outcome | None]:
        """The note that says which cover it is, or that says it is too early, and until when."""
        source = job.article.picture
        tries = note.picture_tries if note.picture_of == source else 0
        note = replace(note, picture_of=source, picture="", picture_tries=0)
        try:
            path = await self.copied(source)
        except (Unusable, NotAPicture) as never:
            return self.without(job, note, never.reason), None
        except (Away, Unreachable) as trouble:
            if tries >= len(AGAIN_S):
                return self.without(job, note, trouble.reason), None
            waiting = Outcome(Verdict.HELD, "the cover can't be had", AGAIN_S[tries], asked=False)
            return replace(note, picture_tries=tries + 1), waiting
        log.info("zalo_cover_copied", content_id=job.content_id, picture=path)
        return replace(note, picture=path), None

    async def copied(self, source: str) -> str:
        """The path of our copy. Raises Unusable, NotAPicture, Away, Unreachable."""
        found = await self.fetcher.fetch(source, picture.MEDIA_TYPES)
        return await self.shelf.keep(await asyncio.to_thread(picture.cover, found.body))

    def without(self, job: Job, note: Note, reason: str) -> Note:
        log.warning("zalo_cover_unusable", content_id=job.content_id, reason=reason)
        return replace(note, picture_none=job.revision)


def pausing(waiting: Outcome | None) -> None:
    """Raises Stop while the picture may still come."""
    if waiting:
        raise Stop(waiting)
