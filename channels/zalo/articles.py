"""The road of an article: create hidden, verify, show; later update it, or hide it again.

Every call with an effect stands between two notes: "I am about to" and "this came back". So a crash
or a lost answer anywhere leaves one of three things: a token or an id to go on with, nothing done,
or a doubt that Zalo's own list settles once no late effect can land any more.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from channels.base import Outcome, Verdict
from channels.errors import ChannelError
from channels.zalo import codes, reconcile
from channels.zalo.calls import Calls
from channels.zalo.codes import Kind, Refused
from channels.zalo.covers import Covers, replaced
from channels.zalo.meter import Meter
from channels.zalo.notebook import Note, Notebook
from channels.zalo.outcomes import NOT_DONE, PROCESSING_S, Stop, outcome_of
from channels.zalo.pace import Pace
from channels.zalo.steps import Job, Step, accepted, blank, next_step
from channels.zalo.strays import Strays
from channels.zalo.transport import Doubt
from contracts.crash import crash_point

log = structlog.get_logger()
HOPELESS = (Kind.CONTENT, Kind.RECIPIENT)
ALARM_S, SLOWEST_S = 3600.0, 3600.0
"""When an article that is still processed is worth an alarm, and how rarely it is looked at."""
LOOK_S = 60.0
"""How often Zalo is asked about a lost answer: what it shows counts at once."""
DELIVERED = Outcome(Verdict.DELIVERED)
ENDS = {Step.DONE: DELIVERED, Step.STALE: Outcome(Verdict.FAILED, "a newer revision is out")}


class Articles:
    """Works on one item at a time; the ledger sees to it that nobody else does."""

    def __init__(
        self, calls: Calls, notebook: Notebook, pace: Pace, quota: Meter, covers: Covers
    ) -> None:
        self.calls = calls
        self.covers = covers
        self.quota = quota
        self.notebook = notebook
        self.pace = pace
        self.strays = Strays(calls, notebook, pace)
        self.road: Mapping[Step, Callable[[Job, Note], Awaitable[Note]]] = {
            Step.CREATE: self.create,
            Step.RECOVER: partial(self.recover, meanwhile=Verdict.HELD),
            Step.SEEK: self.seek,
            Step.VERIFY: self.verify,
            Step.PICTURE: covers.decide,
            Step.UPDATE: self.update,
        }

    async def publish(self, job: Job) -> Outcome:
        """Go as far as possible now. Raises what `outcomes.EXPECTED` lists."""
        async with self.giving_up(job):
            return await self.advance(job, await self.note(job))

    async def resolve(self, job: Job) -> Outcome:
        """Say what became of a row in doubt. Raises what `outcomes.EXPECTED` lists."""
        async with self.giving_up(job):
            return await self.settle(job, await self.note(job))

    @asynccontextmanager
    async def giving_up(self, job: Job) -> AsyncIterator[None]:
        """When Zalo will never take this revision, whoever waits for it must know."""
        try:
            yield
        except Refused as refused:
            if refused.ruling.kind in HOPELESS:
                await self.fail(job, await self.note(job))
            raise

    async def fail(self, job: Job, note: Note) -> None:
        """What a newer revision has noted meanwhile is not ours to clear."""
        if note.revision <= job.revision:
            failed = replace(note, failed=job.revision, token="", intent_at=0.0)
            await self.notebook.write(job.content_id, failed)

    async def note(self, job: Job) -> Note:
        return await self.notebook.read(job.content_id) or Note()

    async def advance(self, job: Job, note: Note) -> Outcome:
        note = await self.covers.checked(note)
        if next_step(note, job) is Step.UPDATE:
            await self.strays.look(job.content_id, note)
        while (step := next_step(note, job)) not in ENDS:
            note = await self.road[step](job, note)
        return ENDS[step]

    async def create(self, job: Job, note: Note) -> Note:
        month = await self.quota.spend()
        note = await self.intend(job, note)
        try:
            crash_point("zalo.create_noted")
            token = await self.calls.create(job.payload(note, "hide"), job.expired)
            crash_point("zalo.created")
        except Doubt as doubt:
            raise Stop(Outcome(Verdict.DOUBT, str(doubt), PROCESSING_S)) from doubt
        except NOT_DONE as why:
            await self.quota.give_back(month)
            return await self.not_done(job, note, why)
        log.info("zalo_article_created", content_id=job.content_id)
        return await self.remember(job, self.handed_in(note, token))

    async def update(self, job: Job, note: Note) -> Note:
        note = await self.intend(job, note)
        try:
            crash_point("zalo.update_noted")
            token = await self.calls.update(job.payload(note, job.status), job.expired)
            crash_point("zalo.updated")
        except Doubt as doubt:
            raise Stop(Outcome(Verdict.DOUBT, str(doubt), PROCESSING_S)) from doubt
        except NOT_DONE as why:
            if isinstance(why, Refused) and await self.gone(job, note, why):
                return await self.out(job, note)
            return await self.not_done(job, note, why)
        if not token:
            return await self.out(job, note)
        return await self.remember(job, self.handed_in(note, token))

    async def verify(self, job: Job, note: Note) -> Note:
        """Wait for what was handed in; once the public may see it, anything unclear is a doubt."""
        crash_point("zalo.token_noted")
        try:
            article_id = await self.verified(note)
            crash_point("zalo.verified")
        except Refused as refused:
            if refused.ruling.kind in HOPELESS:
                return await self.unverified(job, note, refused)
            raise self.unclear(job, note, refused) from refused
        except ChannelError as trouble:
            raise self.unclear(job, note, trouble) from trouble
        if not article_id:
            raise Stop(self.processing(job, note))
        if accepted(note, job):
            return await self.out(job, note)
        return await self.remember(job, replace(note, token="", article_id=article_id))

    def processing(self, job: Job, note: Note) -> Outcome:
        """Look again ever later; after an hour somebody has to know."""
        age_s = self.pace.clock() - note.token_at
        if age_s > ALARM_S:
            log.error("zalo_article_processing", content_id=job.content_id, waits_s=round(age_s))
        again_s = min(max(PROCESSING_S, age_s / 2), SLOWEST_S)
        verdict = Verdict.DOUBT if accepted(note, job) else Verdict.HELD
        return Outcome(verdict, "zalo is processing the article", again_s)

    async def verified(self, note: Note) -> str:
        """Poll until the article is ready; its id, or nothing when patience ends."""
        for pause_s in self.pace.polls_s:
            if article_id := await self.ready(note):
                return article_id
            await self.pace.sleep(pause_s)
        return await self.ready(note)

    async def ready(self, note: Note) -> str:
        """The article's id; nothing while it is processed. Raises Refused, ChannelError."""
        try:
            return await self.calls.verify(note.token) or note.article_id
        except Refused as refused:
            if refused.ruling.kind is Kind.POLL:
                return ""
            raise

    def unclear(self, job: Job, note: Note, why: Refused | ChannelError) -> Exception:
        if not accepted(note, job):
            return why
        said = outcome_of(why, self.pace.clock(), self.pace.chance)
        return Stop(Outcome(Verdict.DOUBT, said.reason, said.after_s or PROCESSING_S))

    async def unverified(self, job: Job, note: Note, refused: Refused) -> Note:
        """What was handed in can't become an article as it is."""
        if refused.ruling.reason == codes.COVER:
            return await self.remember(job, replaced(job, note, refused))
        if refused.ruling.reason == codes.TOKEN_LOST:
            await self.remember(job, replace(note, token="", intent_at=self.pace.clock()))
            verdict = Verdict.DOUBT if accepted(note, job) else Verdict.HELD
            raise Stop(Outcome(verdict, refused.reason, PROCESSING_S))
        raise refused

    async def not_done(self, job: Job, note: Note, why: Exception) -> Note:
        """The call surely had no effect: forget that it was begun."""
        note = await self.notebook.write(job.content_id, replace(note, intent_at=0.0))
        if isinstance(why, Refused) and why.ruling.reason == codes.COVER:
            return await self.remember(job, replaced(job, note, why))
        raise why

    async def gone(self, job: Job, note: Note, refused: Refused) -> bool:
        """Whether somebody has removed the article by hand, so that nothing is left to hide."""
        if not job.article.withdrawal or refused.ruling.kind not in HOPELESS:
            return False
        try:
            await self.calls.detail(note.article_id)
        except Refused as missing:
            return missing.ruling.kind in HOPELESS
        return False

    async def recover(self, job: Job, note: Note, meanwhile: Verdict) -> Note:
        """Settle a lost `create` by Zalo's list. Not listed is final only after a while."""
        article_id = await reconcile.find(self.calls, reconcile.lost(note))
        if not article_id:
            self.settled(note, meanwhile)
        crash_point("zalo.looked_up")
        if not article_id:
            return await self.remember(job, self.strays.give_up(job.content_id, note))
        return await self.remember(job, replace(note, article_id=article_id, intent_at=0.0))

    def settled(self, note: Note, meanwhile: Verdict) -> None:
        """Raises Stop with *meanwhile* as long as a late effect may still land."""
        rest_s = note.intent_at + self.pace.settle_s - self.pace.clock()
        if rest_s > 0:
            raise Stop(Outcome(meanwhile, "an answer was lost", min(rest_s, LOOK_S)))

    async def settle(self, job: Job, note: Note) -> Outcome:
        step = next_step(note, job)
        if step is Step.VERIFY and accepted(note, job):
            step = next_step(await self.verify(job, note), job)
        elif step is Step.UPDATE and note.intent_at and note.revision == job.revision:
            return await self.look(job, note)
        elif step is Step.RECOVER:
            await self.recover(job, note, Verdict.DOUBT)
        elif blank(note) and note.shown < job.revision:
            return await self.sought(job, note)
        return ENDS.get(step, Outcome(Verdict.ABSENT))

    async def sought(self, job: Job, note: Note) -> Outcome:
        """A doubt of which nothing is noted: the note may be older than what it was about."""
        note = await self.seek(job, note)
        if note.article_id and await self.stands(job, note):
            return DELIVERED
        return ENDS.get(next_step(note, job), Outcome(Verdict.ABSENT))

    async def seek(self, job: Job, note: Note) -> Note:
        """Ask Zalo for an article of the item, of whatever revision, and remember the answer."""
        article_id = await reconcile.find(self.calls, reconcile.of_item(job))
        found = replace(note, article_id=article_id, sought=job.revision)
        return await self.notebook.write(job.content_id, found)

    async def look(self, job: Job, note: Note) -> Outcome:
        """Ask Zalo whether a lost `update` has arrived."""
        if await self.stands(job, note):
            return DELIVERED
        self.settled(note, Verdict.DOUBT)
        await self.remember(job, self.strays.give_up(job.content_id, note))
        return Outcome(Verdict.ABSENT)

    async def stands(self, job: Job, note: Note) -> bool:
        """Whether the public sees just what this revision wants; then that is noted."""
        detail = await self.calls.detail(note.article_id)
        if detail.get("status") != job.status or not reconcile.carries(detail, job.marker):
            return False
        mine = replace(note, revision=job.revision, marker=job.marker, title=job.article.title)
        await self.out(job, mine)
        return True

    def handed_in(self, note: Note, token: str) -> Note:
        return replace(note, token=token, token_at=self.pace.clock(), intent_at=0.0)

    async def intend(self, job: Job, note: Note) -> Note:
        """Note what is about to be called. Raises Unreachable: then nothing is called."""
        again = note.revision == job.revision
        note = replace(note, plain_cover=note.plain_cover and again)
        note = replace(
            note,
            revision=job.revision,
            marker=job.marker,
            title=job.article.title,
            cover=job.cover(note),
            intent_at=self.pace.clock(),
            token="",
            waits_at=note.waits_at if again else 0.0,
        )
        return await self.notebook.write(job.content_id, note)

    async def out(self, job: Job, note: Note) -> Note:
        """The public sees this revision now, or no longer sees the item."""
        hidden = job.article.withdrawal
        crash_point("zalo.out")
        log.info("zalo_article_hidden" if hidden else "zalo_article_shown", article=note.article_id)
        done = replace(note, token="", intent_at=0.0, shown=job.revision, hidden=hidden)
        known = replace(done, unit=job.article.unit, quiet=job.article.quiet)
        return await self.remember(job, known)

    async def remember(self, job: Job, note: Note) -> Note:
        """Note what came back. When that can't be written, what we know is a doubt."""
        try:
            return await self.notebook.write(job.content_id, note)
        except ChannelError as silent:
            raise Doubt(f"not noted: {silent.reason}") from silent
