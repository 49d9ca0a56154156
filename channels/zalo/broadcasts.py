"""The broadcast: one call that can't be taken back, repeated or looked up. At most once."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from channels.base import Outcome, Verdict
from channels.zalo.calls import Calls
from channels.zalo.codes import Kind, Refused
from channels.zalo.hours import ProviderClock, Until, broadcasting, wait_s
from channels.zalo.meter import Meters
from channels.zalo.notebook import Note, Notebook
from channels.zalo.outcomes import NOT_DONE, Stop
from channels.zalo.pace import Pace
from channels.zalo.steps import Job
from contracts.crash import crash_point

log = structlog.get_logger()
CLOCK_AGE_S = 60.0
CLOSED = "zalo broadcasts from 06:00 to 21:59"
ARTICLE_S = 15.0
"""A little more than the article's own delay, so that it comes first."""
OTHERS_S, LOOK_S = 1800.0, 120.0
"""How long a broadcast waits for other items' articles, and how often it looks for them."""


class Broadcasts:
    """Points followers to articles that are live, within the hours Zalo allows."""

    def __init__(
        self, calls: Calls, notebook: Notebook, clock: ProviderClock, pace: Pace, quota: Meters
    ) -> None:
        self.calls = calls
        self.quota = quota
        self.notebook = notebook
        self.clock = clock
        self.pace = pace

    async def send(self, job: Job) -> Outcome:
        """Raises what `outcomes.EXPECTED` lists; a Doubt is never sent again by itself."""
        note = await self.notebook.read(job.content_id) or Note()
        if waiting := not_live(note, job):
            return waiting
        now = await self.time_there()
        if not broadcasting(now):
            after_s = wait_s(Until.MORNING, now, self.pace.chance)
            return Outcome(Verdict.HELD, CLOSED, after_s, asked=False)
        others = await self.others(note, job)
        crash_point("zalo.broadcast_due")
        message_id = await self.broadcast([note.article_id, *others], job)
        crash_point("zalo.broadcast_answered")
        log.info("zalo_broadcast_sent", article=note.article_id, message=message_id)
        return Outcome(Verdict.DELIVERED)

    async def others(self, note: Note, job: Job) -> list[str]:
        """The live articles of the items that go along. Raises Stop while one may still come."""
        notes = [await self.notebook.read(item) or Note() for item in job.article.also]
        if any(not (live(one) or one.hidden) for one in notes):
            await self.wait(note, job)
        along = [one.article_id for one in notes if live(one) and rides(one, job)]
        if len(along) < len(notes):
            self.without(job, len(notes) - len(along))
        return along

    async def wait(self, note: Note, job: Job) -> None:
        """Raises Stop until it has taken too long; from the first time on, that is noted."""
        now = self.pace.clock()
        if not note.waits_at:
            note = await self.notebook.write(job.content_id, replace(note, waits_at=now))
        rest_s = note.waits_at + OTHERS_S - now
        if rest_s > 0:
            said = "another item's article is not live"
            raise Stop(Outcome(Verdict.HELD, said, min(rest_s, LOOK_S), asked=False))

    async def broadcast(self, article_ids: Sequence[str], job: Job) -> str:
        """One call. Where Zalo refuses it for another item's article, one for our own alone."""
        try:
            return await self.once(article_ids, job)
        except Refused as refused:
            others, ruling = len(article_ids) - 1, refused.ruling
            if not (others and ruling.known and ruling.kind is Kind.CONTENT):
                raise
        self.without(job, others)
        return await self.once(article_ids[:1], job)

    def without(self, job: Job, missing: int) -> None:
        log.warning("zalo_broadcast_without", content_id=job.content_id, missing=missing)

    async def once(self, article_ids: Sequence[str], job: Job) -> str:
        spent = await self.quota.spend()
        try:
            return await self.calls.broadcast(article_ids, job.article.target, job.expired)
        except NOT_DONE:
            await self.quota.give_back(spent)
            raise

    async def time_there(self) -> float:
        """Zalo's time; one cheap read when it has not told it lately."""
        if not self.clock.fresh(CLOCK_AGE_S):
            await self.calls.profile()
        return self.clock.now()


def not_live(note: Note, job: Job) -> Outcome | None:
    """Why there is nothing to point to (yet); None when the public sees the article."""
    if job.article.withdrawal or (note.hidden and note.shown >= job.revision):
        return Outcome(Verdict.SUPPRESSED, "the item is withdrawn", asked=False)
    if note.failed == job.revision:
        return Outcome(Verdict.FAILED, "the article was refused", asked=False)
    if note.shown < job.revision:
        return Outcome(Verdict.DEFERRED, "the article is not live", ARTICLE_S, asked=False)
    return None


def live(note: Note) -> bool:
    """Whether the public sees an article of the item, of whatever revision."""
    return bool(note.article_id and note.shown and not note.hidden)


def rides(note: Note, job: Job) -> bool:
    """Nobody is told of an article by another unit, or against its own unit's word."""
    return note.unit == job.article.unit and not note.quiet
