"""Looking for our own article in Zalo's list: an answer was lost, or what we had noted of it."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

import structlog

from channels.errors import ChannelError
from channels.zalo.client.article_api import PAGE_SIZE, ArticleApi, ListedArticle
from channels.zalo.client.errors import AmbiguousResult, DeadlinePassed, Refused
from channels.zalo.publications.record import AbandonedCall, ArticleRecord
from channels.zalo.publications.render import MARKER_PREFIX
from channels.zalo.publications.steps import ArticleJob
from contracts.text import squeeze

log = structlog.get_logger()
UNDATED_PAGES_MAX, PAGES_MAX = 3, 100
"""How far the list is read where it tells no times, and in any case."""
CLOCK_SLACK_S = 86400.0
"""The list's time is Zalo's; the marker decides, the time only keeps old articles out."""
BACKUP_AGE_S = 30 * 86400.0
"""So much older than an item's release may its article be: released again from a backup."""
OTHER_TITLES_MAX = 60
"""So many articles of another title are read to find one of the item: all within one lease."""


class ArticleQuery(NamedTuple):
    """How we know an article of ours: by what its text carries. The rest saves requests.

    `others`: how many articles of another title are read, too.
    """

    pattern: re.Pattern[str]
    since: float
    title: str
    other_titles: int = 0


def query_lost_create(record: ArticleRecord) -> ArticleQuery:
    """What a `create` without an answer may have made, or one whose token Zalo has forgotten."""
    return query_abandoned(
        AbandonedCall(
            min(record.intent_at, record.token_at or record.intent_at), record.marker, record.title
        )
    )


def query_abandoned(call: AbandonedCall) -> ArticleQuery:
    return ArticleQuery(re.compile(re.escape(call.marker) or "(?!)"), call.at, call.title)


def query_item(job: ArticleJob) -> ArticleQuery:
    """Any article of the item: its page's address stands in the text, with some marker of ours."""
    address = rf"(?:/|%2F){re.escape(job.content_id)}(?:#|%23){MARKER_PREFIX}"
    others = 0 if job.revision == 1 else OTHER_TITLES_MAX  # it may have had another title before
    since = job.article.released_at - BACKUP_AGE_S
    return ArticleQuery(re.compile(address, re.IGNORECASE), since, job.article.title, others)


async def find_article(calls: ArticleApi, sought: ArticleQuery) -> str:
    """The id of the article that is *sought*, or nothing.

    A lost `create` that was repeated leaves copies: one that the public sees is kept, else the
    oldest; hidden surplus copies are removed.
    """
    found = [listed async for listed in matching_articles(calls, sought)]
    if not found:
        return ""
    kept = next((listed for listed in found if listed.visible), found[-1])
    await remove_copies(calls, (listed for listed in found if listed is not kept))
    log.info("zalo_article_adopted", article=kept.id, copies=len(found) - 1)
    return kept.id


async def remove_late_copies(calls: ArticleApi, record: ArticleRecord) -> None:
    """Drop what a `create` that *note* had given up left behind after all."""
    for stray in record.strays:
        found = [listed async for listed in matching_articles(calls, query_abandoned(stray))]
        await remove_copies(calls, (listed for listed in found if listed.id != record.article_id))


async def remove_copies(calls: ArticleApi, copies: Iterable[ListedArticle]) -> None:
    """Remove surplus copies. One that the public sees is left to a person."""
    for listed in copies:
        if listed.visible:
            log.warning("zalo_copy_left", article=listed.id, reason="visible")
        else:
            await try_remove(calls, listed.id)


async def matching_articles(
    calls: ArticleApi, sought: ArticleQuery
) -> AsyncIterator[ListedArticle]:
    """Listed articles whose text carries what is sought, newest first."""
    others = sought.other_titles
    async for media in recent_articles(calls, sought):
        if squeeze(media.title) != squeeze(sought.title):
            others -= 1
            if others < 0:
                continue
        if sought.pattern.search(as_text(await calls.detail(media.id))):
            yield media
    if sought.other_titles and others < 0:
        log.warning("zalo_search_cut", read=sought.other_titles, left=-others)


async def recent_articles(calls: ArticleApi, sought: ArticleQuery) -> AsyncIterator[ListedArticle]:
    """What Zalo lists and is recent enough, newest first."""
    for page in range(PAGES_MAX):
        medias = await calls.list_page(page)
        for media in medias:
            if not media.created or media.created >= sought.since - CLOCK_SLACK_S:
                yield media
        if len(medias) < PAGE_SIZE or not has_next_page(medias, page, sought):
            return


def has_next_page(medias: Sequence[ListedArticle], page: int, sought: ArticleQuery) -> bool:
    """Whether what is sought may lie behind this page."""
    newest = max(media.created for media in medias)
    return newest >= sought.since - CLOCK_SLACK_S if newest else page + 1 < UNDATED_PAGES_MAX


def contains_marker(detail: object, marker: str) -> bool:
    """Whether our marker stands anywhere in an article, however Zalo lays its body out."""
    return bool(marker) and marker in as_text(detail)


def as_text(detail: object) -> str:
    return json.dumps(detail, ensure_ascii=False, default=str)


async def try_remove(calls: ArticleApi, article_id: str) -> None:
    """Hidden copies harm nobody: one that can't be removed now is only reported."""
    try:
        await calls.remove(article_id, lambda: False)
        log.info("zalo_copy_removed", article=article_id)
    except (Refused, AmbiguousResult, DeadlinePassed, ChannelError) as trouble:
        log.warning("zalo_copy_left", article=article_id, reason=type(trouble).__name__)
