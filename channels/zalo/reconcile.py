"""Looking for our own article in Zalo's list, when the answer to `create` was lost."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import structlog

from channels.errors import ChannelError
from channels.zalo.api import Late
from channels.zalo.calls import PAGE, Calls, Listed
from channels.zalo.codes import Refused
from channels.zalo.notebook import Note
from channels.zalo.transport import Doubt
from contracts.text import squeeze

log = structlog.get_logger()
PAGES = 3
SLACK_S = 86400.0
"""The list's time is Zalo's; the marker decides, the time only keeps old articles out."""


async def find(calls: Calls, note: Note) -> str:
    """The id of the article that *note* meant to create, or nothing.

    A lost `create` that was repeated leaves copies: one that the public sees is kept, else the
    oldest; hidden surplus copies are removed.
    """
    found = [listed async for listed in ours(calls, note)]
    if not found:
        return ""
    kept = next((listed for listed in found if listed.visible), found[-1])
    await drop(calls, (listed for listed in found if listed is not kept))
    log.info("zalo_article_adopted", article=kept.id, copies=len(found) - 1)
    return kept.id


async def clear(calls: Calls, note: Note) -> None:
    """Drop what a `create` that *note* had given up left behind after all."""
    lost = replace(note, title=note.stray_title, marker=note.stray_marker, intent_at=note.stray_at)
    found = [listed async for listed in ours(calls, lost)]
    await drop(calls, (listed for listed in found if listed.id != note.article_id))


async def drop(calls: Calls, copies: Iterable[Listed]) -> None:
    """Remove surplus copies. One that the public sees is left to a person."""
    for listed in copies:
        if listed.visible:
            log.warning("zalo_copy_left", article=listed.id, reason="visible")
        else:
            await remove(calls, listed.id)


async def ours(calls: Calls, note: Note) -> AsyncIterator[Listed]:
    """Listed articles with our title whose body carries our marker, newest first."""
    for page in range(PAGES):
        medias = await calls.listed(page)
        for media in medias:
            if alike(media, note) and carries(await calls.detail(media.id), note.marker):
                yield media
        if len(medias) < PAGE:
            return


def alike(media: Listed, note: Note) -> bool:
    recent = not media.created or media.created >= note.intent_at - SLACK_S
    return recent and squeeze(media.title) == squeeze(note.title)


def carries(detail: object, marker: str) -> bool:
    """Whether our marker stands anywhere in an article, however Zalo lays its body out."""
    return bool(marker) and marker in json.dumps(detail, ensure_ascii=False, default=str)


async def remove(calls: Calls, article_id: str) -> None:
    """Hidden copies harm nobody: one that can't be removed now is only reported."""
    try:
        await calls.remove(article_id, lambda: False)
        log.info("zalo_copy_removed", article=article_id)
    except (Refused, Doubt, Late, ChannelError) as trouble:
        log.warning("zalo_copy_left", article=article_id, reason=type(trouble).__name__)
