"""Search Zalo's list for our own article, after a lost answer or a lost record."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

import structlog

from channels.zalo.client.article_api import PAGE_SIZE, ArticleApi, ListedArticle
from channels.zalo.errors import ROW_ERRORS
from channels.zalo.publications.record import AbandonedCall, ArticleRecord
from channels.zalo.publications.render import MARKER_PREFIX
from channels.zalo.publications.steps import ArticleJob
from contracts.text import squeeze

log = structlog.get_logger()
UNDATED_PAGES_MAX, _PAGES_MAX = 3, 100
"""Pages read of a list without times, and of any list."""
_CLOCK_SLACK_S = 86400.0
"""The list's time is Zalo's. The marker decides; the time only excludes old articles."""
_BACKUP_AGE_S = 30 * 86400.0
"""Age by which an item's article may precede its release: a restored item is released again."""
OTHER_TITLES_MAX = 60
"""Articles of another title that are read to find one of the item, within one lease."""


class ArticleQuery(NamedTuple):
    """Properties of the article that is searched for. The pattern decides; the rest saves requests.

    `other_titles`: number of articles of another title that are read too.
    """

    pattern: re.Pattern[str]
    since: float
    title: str
    other_titles: int = 0


def query_lost_create(record: ArticleRecord) -> ArticleQuery:
    """The article of a `create` without an answer, or of one whose token Zalo no longer knows."""
    begun_at = min(record.intent_at, record.token_at or record.intent_at)
    return _query_abandoned(AbandonedCall(begun_at, record.marker, record.title))


def _query_abandoned(call: AbandonedCall) -> ArticleQuery:
    return ArticleQuery(re.compile(re.escape(call.marker) or "(?!)"), call.at, call.title)


def query_item(job: ArticleJob) -> ArticleQuery:
    """Any article of the item: its text contains the page's address with a marker of ours."""
    address = rf"(?:/|%2F){re.escape(job.content_id)}(?:#|%23){MARKER_PREFIX}"
    others = 0 if job.revision == 1 else OTHER_TITLES_MAX  # an earlier title may differ
    since = job.article.released_at - _BACKUP_AGE_S
    return ArticleQuery(re.compile(address, re.IGNORECASE), since, job.article.title, others)


async def find_article(api: ArticleApi, query: ArticleQuery) -> str:
    """The id of the matching article; empty for none.

    A repeated `create` leaves copies: the publicly visible one is kept, otherwise the oldest;
    hidden copies are removed.
    """
    copies = [listed async for listed in _matching_articles(api, query)]
    if not copies:
        return ""
    kept = next((listed for listed in copies if listed.visible), copies[-1])
    await _remove_copies(api, (listed for listed in copies if listed is not kept))
    log.info("zalo_article_adopted", article=kept.id, copies=len(copies) - 1)
    return kept.id


async def remove_late_copies(api: ArticleApi, record: ArticleRecord) -> None:
    """Remove the late copies of abandoned `create` calls of *record*."""
    for abandoned in record.strays:
        copies = [listed async for listed in _matching_articles(api, _query_abandoned(abandoned))]
        await _remove_copies(api, (listed for listed in copies if listed.id != record.article_id))


async def _remove_copies(api: ArticleApi, copies: Iterable[ListedArticle]) -> None:
    """Remove surplus copies. A visible copy is left to a person; a hidden one does no harm."""
    for listed in copies:
        if listed.visible:
            log.warning("zalo_copy_left", article=listed.id, reason="visible")
            continue
        try:
            await api.remove(listed.id, lambda: False)
            log.info("zalo_copy_removed", article=listed.id)
        except ROW_ERRORS as trouble:
            log.warning("zalo_copy_left", article=listed.id, reason=type(trouble).__name__)


async def _matching_articles(api: ArticleApi, query: ArticleQuery) -> AsyncIterator[ListedArticle]:
    """Listed articles whose text matches, newest first."""
    others = query.other_titles
    async for media in _recent_articles(api, query):
        if squeeze(media.title) != squeeze(query.title):
            others -= 1
            if others < 0:
                continue
        if query.pattern.search(_as_text(await api.detail(media.id))):
            yield media
    if query.other_titles and others < 0:
        log.warning("zalo_search_cut", read=query.other_titles, left=-others)


async def _recent_articles(api: ArticleApi, query: ArticleQuery) -> AsyncIterator[ListedArticle]:
    """Listed articles that are recent enough, newest first."""
    for page in range(_PAGES_MAX):
        medias = await api.list_page(page)
        for media in medias:
            if not media.created or media.created >= query.since - _CLOCK_SLACK_S:
                yield media
        if len(medias) < PAGE_SIZE or not _has_next_page(medias, page, query):
            return


def _has_next_page(medias: Sequence[ListedArticle], page: int, query: ArticleQuery) -> bool:
    """Whether the article may be on a later page."""
    newest = max(media.created for media in medias)
    return newest >= query.since - _CLOCK_SLACK_S if newest else page + 1 < UNDATED_PAGES_MAX


def contains_marker(detail: object, marker: str) -> bool:
    """Whether our marker is anywhere in an article, in any layout of its body."""
    return bool(marker) and marker in _as_text(detail)


def _as_text(detail: object) -> str:
    return json.dumps(detail, ensure_ascii=False, default=str)
