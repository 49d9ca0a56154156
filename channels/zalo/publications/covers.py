"""Cover of an article: our copy of the item's picture, or the default cover.

Zalo fetches covers itself, and refuses large, slow or unusual pictures: the article would fail.
Therefore the picture is fetched here, drawn anew and stored where Zalo finds it. This delays an
article by a few minutes at most.
"""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from channels.base import Outcome, Verdict
from channels.errors import Unreachable, UnusableImage
from channels.fetch.errors import PermanentFetchError, TemporaryFetchError
from channels.fetch.fetcher import Fetcher
from channels.zalo import error_codes
from channels.zalo.errors import Refused, RowOutcome, row_held
from channels.zalo.outcomes import log_operator_needed
from channels.zalo.publications import cover_image
from channels.zalo.publications.record import ArticleRecord, ArticleStore
from channels.zalo.publications.steps import ArticleJob

log = structlog.get_logger()
RETRY_DELAYS_S = (10.0, 60.0, 120.0)
"""Pauses after failed attempts; after the last one the default cover is used."""
_REFUSED_RETRY_S = 900.0


class CoverStore(Protocol):
    """Store of our copies, from which Zalo fetches them."""

    async def save(self, jpeg: bytes) -> str:
        """Store a copy; returns its path below the public address. Raises Unreachable."""

    async def exists(self, path: str) -> bool:
        """Whether the copy is still stored."""


@dataclass
class CoverSelector:
    """Copies pictures. The result is part of the item's record, so that each is copied once."""

    fetcher: Fetcher
    store: CoverStore | None  # None: Zalo is given the items' own covers
    records: ArticleStore
    draw_lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # a large picture takes memory

    async def without_missing_copy(self, record: ArticleRecord) -> ArticleRecord:
        """The record, without a copy that no longer exists: it is made again."""
        if record.picture and self.store and not await self.store.exists(record.picture):
            return replace(record, picture="")
        return record

    async def choose(self, job: ArticleJob, record: ArticleRecord) -> ArticleRecord:
        """Record the choice of the cover. Raises RowOutcome while the picture may still arrive."""
        source = job.article.picture_url
        tries = record.picture_tries if record.picture_of == source else 0
        record = replace(record, picture_of=source, picture="", picture_tries=tries)
        try:
            path = await self.copy(source)
        except (PermanentFetchError, UnusableImage) as error:
            return await self.use_default(job, record, error.reason)
        except (TemporaryFetchError, Unreachable) as error:
            return await self.retry_later(job, record, error.reason)
        log.info("zalo_cover_copied", content_id=job.content_id, picture=path)
        return await self.records.write(job.content_id, replace(record, picture=path))

    async def copy(self, source: str) -> str:
        """The path of our copy. Raises PermanentFetchError, UnusableImage, TemporaryFetchError,
        Unreachable.
        """
        if self.store is None:
            raise Unreachable("no place for copies")
        picture = await self.fetcher.fetch(source, cover_image.MEDIA_TYPES)
        async with self.draw_lock:
            jpeg = await asyncio.to_thread(cover_image.make_cover, picture)
        return await self.store.save(jpeg)

    async def retry_later(self, job: ArticleJob, record: ArticleRecord, why: str) -> ArticleRecord:
        """Raises RowOutcome; after the last attempt, use the default cover."""
        if record.picture_tries >= len(RETRY_DELAYS_S):
            return await self.use_default(job, record, why)
        tried = replace(record, picture_tries=record.picture_tries + 1)
        await self.records.write(job.content_id, tried)
        after_s = RETRY_DELAYS_S[record.picture_tries]
        raise row_held(f"the cover can't be had: {why}", after_s)

    async def use_default(self, job: ArticleJob, record: ArticleRecord, why: str) -> ArticleRecord:
        """Use the default cover for this revision; the next one tries again."""
        log.warning("zalo_cover_unusable", content_id=job.content_id, reason=why)
        none = replace(record, picture_none=job.revision, picture_tries=0)
        return await self.records.write(job.content_id, none)


def with_default_cover(job: ArticleJob, record: ArticleRecord, refused: Refused) -> ArticleRecord:
    """The record for another attempt with the default cover, after Zalo refused the item's own.

    Raises RowOutcome where the refused cover was the default one.
    """
    plain = replace(record, plain_cover=True, token="", cover="")
    if job.cover(plain) == record.cover:
        fix = error_codes.operator_fix(error_codes.COVER)
        log_operator_needed(refused.reason, fix, call=refused.call)
        raise RowOutcome(Outcome(Verdict.HELD, refused.reason, _REFUSED_RETRY_S))
    log.warning("zalo_cover_replaced", content_id=job.content_id)
    return plain
