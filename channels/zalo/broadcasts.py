"""The broadcast: one call that can't be taken back, repeated or looked up. At most once."""

import structlog

from channels.base import Outcome, Verdict
from channels.zalo.calls import Calls
from channels.zalo.hours import ProviderClock, Until, broadcasting, wait_s
from channels.zalo.meter import Meter
from channels.zalo.notebook import Note, Notebook
from channels.zalo.outcomes import NOT_DONE
from channels.zalo.pace import Pace
from channels.zalo.steps import Job
from contracts.crash import crash_point

log = structlog.get_logger()
CLOCK_AGE_S = 60.0
CLOSED = "zalo broadcasts from 06:00 to 21:59"
ARTICLE_S = 15.0
"""A little more than the article's own delay, so that it comes first."""


class Broadcasts:
    """Points followers to an article that is live, within the hours Zalo allows."""

    def __init__(
        self, calls: Calls, notebook: Notebook, clock: ProviderClock, pace: Pace, quota: Meter
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
        crash_point("zalo.broadcast_due")
        message_id = await self.broadcast(note.article_id, job)
        crash_point("zalo.broadcast_answered")
        log.info("zalo_broadcast_sent", article=note.article_id, message=message_id)
        return Outcome(Verdict.DELIVERED)

    async def broadcast(self, article_id: str, job: Job) -> str:
        await self.quota.spend()
        try:
            return await self.calls.broadcast([article_id], job.expired)
        except NOT_DONE:
            await self.quota.give_back()
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
