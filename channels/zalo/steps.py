"""What to do next with an item's article: one pure decision over its note."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from channels.base import Deadline
from channels.zalo.notebook import Note
from channels.zalo.render import Article, State, marker


class Step(StrEnum):
    """STALE and DONE end the road; the others are one call each, after which we look again."""

    STALE = "stale"
    DONE = "done"
    CREATE = "create"
    RECOVER = "recover"
    SEEK = "seek"
    PICTURE = "picture"
    VERIFY = "verify"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Job:
    """One row's work: bring an article to where the public should see it, or no longer.

    `told`: an earlier text of the item is out, or may be.
    """

    article: Article
    delivery_key: str
    expired: Deadline = lambda: False
    told: bool = False

    @property
    def content_id(self) -> str:
        return self.article.content_id

    @property
    def revision(self) -> int:
        return self.article.revision

    @property
    def status(self) -> State:
        return "hide" if self.article.withdrawal else "show"

    @property
    def marker(self) -> str:
        return marker(self.delivery_key)

    def cover(self, note: Note) -> str:
        """The address that Zalo gets: of our copy, where covers are copied."""
        if note.plain_cover:
            return self.article.plain_cover
        if not self.article.picture:
            return self.article.cover
        copy = f"{self.article.home}/{note.picture}"
        return copy if note.picture else self.article.plain_cover

    def payload(self, note: Note, status: State) -> Mapping[str, Any]:
        return self.article.payload(self.marker, note.cover, status, note.article_id)


def next_step(note: Note, job: Job) -> Step:
    """Created hidden, verified, shown; an article that has an id is only updated.

    Where an earlier text may be out and no note knows of it, our notes came out of a backup: then
    Zalo is asked before anything is created, or left alone.
    """
    if note.shown >= job.revision:
        return Step.DONE if note.shown == job.revision else Step.STALE
    if note.article_id:
        return Step.VERIFY if accepted(note, job) else pictured(note, job, Step.UPDATE)
    if note.token:
        return Step.VERIFY
    if note.intent_at:
        return Step.RECOVER
    if job.told and note.sought < job.revision:
        return Step.SEEK
    return Step.DONE if job.article.withdrawal else pictured(note, job, Step.CREATE)


def pictured(note: Note, job: Job, step: Step) -> Step:
    """*step*, once it is known which cover the article gets; a call that was begun has one."""
    source, begun = job.article.picture, note.intent_at and note.revision == job.revision
    known = note.picture_of == source and (note.picture or note.picture_none == job.revision)
    return step if begun or known or not source else Step.PICTURE


def blank(note: Note) -> bool:
    """Whether nothing is noted of an article, and of no call that may have made one."""
    return not (note.article_id or note.token or note.intent_at)


def accepted(note: Note, job: Job) -> bool:
    """Zalo has taken the very change that the public is to see: it may have happened already."""
    return bool(note.article_id and note.token and note.revision == job.revision)
