"""Fetches and draws covers, one after the other, while pages are written without them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from channels.errors import UnusableImage
from channels.fetch.errors import PermanentFetchError, TemporaryFetchError
from channels.fetch.fetcher import Fetcher
from channels.pictures import MEDIA_TYPES
from channels.portal.errors import error_reason
from channels.portal.model.site import Site
from channels.portal.render.cover_drawing import draw_derivatives
from channels.portal.storage.atomic_files import RenderedFile
from channels.portal.writer.covers import WantedCover
from channels.portal.writer.writer import PortalWriter

log = structlog.get_logger()
RETRY_DELAYS_S = (60.0, 600.0, 3600.0)
"""Pauses after failed tries; after the last one the item has no picture."""


@dataclass(frozen=True)
class CoverReader:
    """Reads a cover: from the portal's own folder, else with the guarded fetcher."""

    public: Path
    site: Site
    fetcher: Fetcher

    async def read(self, url: str) -> bytes:
        """Raises PermanentFetchError, TemporaryFetchError, OSError."""
        if file := await asyncio.to_thread(self._own_file, url):
            return await asyncio.to_thread(file.read_bytes)
        return await self.fetcher.fetch(url, MEDIA_TYPES)

    def _own_file(self, url: str) -> Path | None:
        """The file of the portal at *url*, if it is there and small enough."""
        home = self.site.url("/")
        if not url.startswith(home):
            return None
        path = unquote(urlsplit(url[len(home) - 1 :]).path).lstrip("/")
        file, root = (self.public / path).resolve(), self.public.resolve()
        is_ours = file.is_relative_to(root) and file.is_file()
        return file if is_ours and file.stat().st_size <= self.fetcher.limits.max_bytes else None

    async def draw(self, wanted: WantedCover) -> list[RenderedFile]:
        """The derivatives of the cover. Raises as `read`, and UnusableImage."""
        body = await self.read(wanted.url)
        return await asyncio.to_thread(draw_derivatives, body, wanted.stem)


async def draw_cover(
    reader: CoverReader, wanted: WantedCover, writer: PortalWriter
) -> Callable[[], None]:
    """Try to draw the cover; return what *writer* has to do now."""
    try:
        files = await reader.draw(wanted)
    except (PermanentFetchError, UnusableImage) as error:
        log.warning("portal_cover_unusable", content_id=wanted.content_id, reason=error.reason)
        return partial(writer.forget_cover, wanted)
    except (TemporaryFetchError, OSError) as error:
        return _try_later(wanted, writer, error)
    log.info("portal_cover_drawn", content_id=wanted.content_id, files=len(files))
    return partial(writer.keep_cover, wanted, files)


def _try_later(
    wanted: WantedCover, writer: PortalWriter, error: TemporaryFetchError | OSError
) -> Callable[[], None]:
    reason = error_reason(error) if isinstance(error, OSError) else error.reason
    if wanted.tries < len(RETRY_DELAYS_S):
        return partial(writer.postpone_cover, wanted, RETRY_DELAYS_S[wanted.tries])
    log.warning("portal_cover_unusable", content_id=wanted.content_id, reason=reason)
    return partial(writer.forget_cover, wanted)
