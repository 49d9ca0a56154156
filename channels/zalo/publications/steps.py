"""Next step of an item's article: one pure decision over its record."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from channels.base import Deadline
from channels.zalo.publications.record import ArticleRecord
from channels.zalo.publications.render import RenderedArticle, State, article_marker


class Step(StrEnum):
    """STALE and DONE are final; each other step is one call, and then the next decision."""

    STALE = "stale"
    DONE = "done"
    CREATE = "create"
    RECOVER = "recover"
    SEARCH = "seek"
    CHOOSE_COVER = "picture"
    VERIFY = "verify"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class ArticleJob:
    """One row's work: publish, update or hide an article.

    `may_be_public`: an earlier text of the item is public, or may be.
    """

    article: RenderedArticle
    delivery_key: str
    expired: Deadline = lambda: False
    may_be_public: bool = False

    @property
    def content_id(self) -> str:
        return self.article.content_id

    @property
    def revision(self) -> int:
        return self.article.revision

    @property
    def status(self) -> State:
        return "hide" if self.article.is_withdrawal else "show"

    @property
    def marker(self) -> str:
        return article_marker(self.delivery_key)

    def cover(self, record: ArticleRecord) -> str:
        """The cover's address for Zalo: our copy's, where covers are copied."""
        if record.plain_cover:
            return self.article.default_cover
        if not self.article.picture_url:
            return self.article.cover
        copy = f"{self.article.copies_url}/{record.picture}"
        return copy if record.picture else self.article.default_cover

    def payload(self, record: ArticleRecord, status: State) -> Mapping[str, Any]:
        return self.article.payload(self.marker, record.cover, status, record.article_id)


def next_step(record: ArticleRecord, job: ArticleJob) -> Step:
    """Create hidden, verify, then show; an article with an id is only updated.

    Where an earlier text may be public without a record of it, the records come from a backup: then
    Zalo's list is searched before an article is created.
    """
    if record.shown >= job.revision:
        return Step.DONE if record.shown == job.revision else Step.STALE
    if record.article_id:
        return Step.VERIFY if is_accepted(record, job) else _after_cover(record, job, Step.UPDATE)
    if record.token:
        return Step.VERIFY
    if record.intent_at:
        return Step.RECOVER
    if job.may_be_public and record.sought < job.revision:
        return Step.SEARCH
    return Step.DONE if job.article.is_withdrawal else _after_cover(record, job, Step.CREATE)


def _after_cover(record: ArticleRecord, job: ArticleJob, step: Step) -> Step:
    """*step*, once the article's cover is chosen; a call that has begun keeps its cover."""
    url, begun = job.article.picture_url, record.intent_at and record.revision == job.revision
    chosen = record.picture_of == url and (record.picture or record.picture_none == job.revision)
    return step if begun or chosen or not url else Step.CHOOSE_COVER


def is_blank(record: ArticleRecord) -> bool:
    """Whether the record knows of no article, and of no call that may have created one."""
    return not (record.article_id or record.token or record.intent_at)


def is_accepted(record: ArticleRecord, job: ArticleJob) -> bool:
    """Whether Zalo has accepted the change that makes the article public: it may have happened."""
    return bool(record.article_id and record.token and record.revision == job.revision)
