"""Looking for our own article in Zalo's list: an answer was lost, or what we had noted of it."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

import structlog

from channels.errors import ChannelError
from channels.zalo.api import Late
from channels.zalo.calls import PAGE, Calls, Listed
from channels.zalo.codes import Refused
from channels.zalo.notebook import Note, Stray
from channels.zalo.render import MARK
from channels.zalo.steps import Job
from channels.zalo.transport import Doubt
from contracts.text import squeeze

log = structlog.get_logger()
PAGES, MOST_PAGES = 3, 100
"""How far the list is read where it tells no times, and in any case."""
SLACK_S = 86400.0
"""The list's time is Zalo's; the marker decides, the time only keeps old articles out."""
BACKUP_S = 30 * 86400.0
"""So much older than an item's release may its article be: released again from a backup."""
MOST_READ = 60
"""So many articles of another title are read to find one of the item: all within one lease."""


class Sought(NamedTuple):
    """How we know an article of ours: by what its text carries. The rest saves requests.

    `others`: how many articles of another title are read, too.
    """

    carries: re.Pattern[str]
    since: float
    title: str
    others: int = 0


def lost(note: Note) -> Sought:
    """What a `create` without an answer may have made, or one whose token Zalo has forgotten."""
    return one(Stray(min(note.intent_at, note.token_at or note.intent_at), note.marker, note.title))


def one(stray: Stray) -> Sought:
    return Sought(re.compile(re.escape(stray.marker) or "(?!)"), stray.at, stray.title)


def of_item(job: Job) -> Sought:
    """Any article of the item: its page's address stands in the text, with some marker of ours."""
    address = rf"(?:/|%2F){re.escape(job.content_id)}(?:#|%23){MARK}"
    others = 0 if job.revision == 1 else MOST_READ  # it may have had another title before
    since = job.article.since - BACKUP_S
    return Sought(re.compile(address, re.IGNORECASE), since, job.article.title, others)


async def find(calls: Calls, sought: Sought) -> str:
    """The id of the article that is *sought*, or nothing.

    A lost `create` that was repeated leaves copies: one that the public sees is kept, else the
    oldest; hidden surplus copies are removed.
    """
    found = [listed async for listed in ours(calls, sought)]
    if not found:
        return ""
    kept = next((listed for listed in found if listed.visible), found[-1])
    await drop(calls, (listed for listed in found if listed is not kept))
    log.info("zalo_article_adopted", article=kept.id, copies=len(found) - 1)
    return kept.id


async def clear(calls: Calls, note: Note) -> None:
    """Drop what a `create` that *note* had given up left behind after all."""
    for stray in note.strays:
        found = [listed async for listed in ours(calls, one(stray))]
        await drop(calls, (listed for listed in found if listed.id != note.article_id))


async def drop(calls: Calls, copies: Iterable[Listed]) -> None:
    """Remove surplus copies. One that the public sees is left to a person."""
    for listed in copies:
        if listed.visible:
            log.warning("zalo_copy_left", article=listed.id, reason="visible")
        else:
            await remove(calls, listed.id)


async def ours(calls: Calls, sought: Sought) -> AsyncIterator[Listed]:
    """Listed articles whose text carries what is sought, newest first."""
    others = sought.others
    async for media in listing(calls, sought):
        if squeeze(media.title) != squeeze(sought.title):
            others -= 1
            if others < 0:
                continue
        if sought.carries.search(text(await calls.detail(media.id))):
            yield media
    if sought.others and others < 0:
        log.warning("zalo_search_cut", read=sought.others, left=-others)


async def listing(calls: Calls, sought: Sought) -> AsyncIterator[Listed]:
    """What Zalo lists and is recent enough, newest first."""
    for page in range(MOST_PAGES):
        medias = await calls.listed(page)
        for media in medias:
            if not media.created or media.created >= sought.since - SLACK_S:
                yield media
        if len(medias) < PAGE or not goes_on(medias, page, sought):
            return


def goes_on(medias: Sequence[Listed], page: int, sought: Sought) -> bool:
    """Whether what is sought may lie behind this page."""
    newest = max(media.created for media in medias)
    return newest >= sought.since - SLACK_S if newest else page + 1 < PAGES


def carries(detail: object, marker: str) -> bool:
    """Whether our marker stands anywhere in an article, however Zalo lays its body out."""
    return bool(marker) and marker in text(detail)


def text(detail: object) -> str:
    return json.dumps(detail, ensure_ascii=False, default=str)


async def remove(calls: Calls, article_id: str) -> None:
    """Hidden copies harm nobody: one that can't be removed now is only reported."""
    try:
        await calls.remove(article_id, lambda: False)
        log.info("zalo_copy_removed", article=article_id)
    except (Refused, Doubt, Late, ChannelError) as trouble:
        log.warning("zalo_copy_left", article=article_id, reason=type(trouble).__name__)
