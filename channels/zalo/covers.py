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
from channels.zalo import codes, picture
from channels.zalo.codes import Refused
from channels.zalo.notebook import Note, Notebook
from channels.zalo.outcomes import Stop, ask_operator
from channels.zalo.picture import NotAPicture
from channels.zalo.steps import Job

log = structlog.get_logger()
AGAIN_S = (10.0, 60.0, 120.0)
"""After each try that failed for now; then the article goes out without."""
REFUSED_S = 900.0


class Shelf(Protocol):
    """Where our copies lie for Zalo to fetch."""

    async def keep(self, jpeg: bytes) -> str:
        """Its path below the public address, once it is there for good. Raises Unreachable."""

    async def stands(self, path: str) -> bool:
        """Whether it is still there."""


class Nowhere:
    """No place for copies: Zalo is given the items' own covers, and nobody asks for another."""

    async def keep(self, jpeg: bytes) -> str:  # noqa: ARG002
        raise Unreachable("no place for copies")

    async def stands(self, path: str) -> bool:  # noqa: ARG002
        return True


class Covers:
    """Copies pictures; what came of it stands in the item's note, so that it is done once."""

    def __init__(self, fetcher: Fetcher, shelf: Shelf, notebook: Notebook) -> None:
        self.fetcher = fetcher
        self.shelf = shelf
        self.notebook = notebook
        self.drawing = asyncio.Lock()  # one at a time: a large picture takes much memory

    async def checked(self, note: Note) -> Note:
        """The note without a copy that is no longer there: it is made again."""
        if note.picture and not await self.shelf.stands(note.picture):
            return replace(note, picture="")
        return note

    async def decide(self, job: Job, note: Note) -> Note:
        """Note which cover it is. Raises Stop while the picture may still come."""
        source = job.article.picture
        tries = note.picture_tries if note.picture_of == source else 0
        note = replace(note, picture_of=source, picture="", picture_tries=tries)
        try:
            path = await self.copied(source)
        except (Unusable, NotAPicture) as never:
            return await self.without(job, note, never.reason)
        except (Away, Unreachable) as trouble:
            return await self.later(job, note, trouble.reason)
        log.info("zalo_cover_copied", content_id=job.content_id, picture=path)
        return await self.notebook.write(job.content_id, replace(note, picture=path))

    async def copied(self, source: str) -> str:
        """The path of our copy. Raises Unusable, NotAPicture, Away, Unreachable."""
        found = await self.fetcher.fetch(source, picture.MEDIA_TYPES)
        async with self.drawing:
            jpeg = await asyncio.to_thread(picture.cover, found.body)
        return await self.shelf.keep(jpeg)

    async def later(self, job: Job, note: Note, reason: str) -> Note:
        """Raises Stop; the last time it is a no."""
        if note.picture_tries >= len(AGAIN_S):
            return await self.without(job, note, reason)
        tried = replace(note, picture_tries=note.picture_tries + 1)
        await self.notebook.write(job.content_id, tried)
        said, after_s = f"the cover can't be had: {reason}", AGAIN_S[note.picture_tries]
        raise Stop(Outcome(Verdict.HELD, said, after_s, asked=False))

    async def without(self, job: Job, note: Note, reason: str) -> Note:
        """This revision has the default cover; the next one tries again."""
        log.warning("zalo_cover_unusable", content_id=job.content_id, reason=reason)
        none = replace(note, picture_none=job.revision, picture_tries=0)
        return await self.notebook.write(job.content_id, none)


def replaced(job: Job, note: Note, refused: Refused) -> Note:
    """Zalo can't use the cover: the article is handed in again with the default one.

    Raises Stop where that was the default one.
    """
    plain = replace(note, plain_cover=True, token="", cover="")
    if job.cover(plain) == note.cover:
        ask_operator(refused.reason, codes.fix(codes.COVER), call=refused.call)
        raise Stop(Outcome(Verdict.HELD, refused.reason, REFUSED_S))
    log.warning("zalo_cover_replaced", content_id=job.content_id)
    return plain
