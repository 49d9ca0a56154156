"""Publication of an article: create hidden, verify, show; later update or hide it.

A record is written before and after every call with an effect: "about to call", then "this came
back". A crash or a lost answer therefore leaves one of three states: a token or an id to continue
with, no effect, or a doubt that Zalo's own list settles once no late effect is possible.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog

from channels.base import Outcome, Verdict
from channels.errors import ChannelError
from channels.zalo import error_codes
from channels.zalo.client.article_api import ArticleApi
from channels.zalo.clock import Timing
from channels.zalo.error_codes import ErrorKind
from channels.zalo.errors import NO_EFFECT, AmbiguousResult, Refused, RowOutcome
from channels.zalo.outcomes import PROCESSING_S, outcome_of
from channels.zalo.publications import reconcile
from channels.zalo.publications.abandoned_calls import AbandonedCalls
from channels.zalo.publications.covers import CoverSelector, with_default_cover
from channels.zalo.publications.record import ArticleRecord, ArticleStore
from channels.zalo.publications.steps import ArticleJob, Step, is_accepted, is_blank, next_step
from channels.zalo.quota.counter import QuotaCounter
from contracts.base.crash_points import crash_point

log = structlog.get_logger()
_PERMANENT_KINDS = (ErrorKind.CONTENT, ErrorKind.RECIPIENT)
_PROCESSING_ALARM_S, _RECHECK_MAX_S = 3600.0, 3600.0
"""Age of an article in processing that raises an alarm, and the longest pause between checks."""
RECHECK_S = 60.0
"""Pause between checks for a lost answer; a found article counts at once."""
_DELIVERED = Outcome(Verdict.DELIVERED)
_FINAL_OUTCOMES = {
    Step.DONE: _DELIVERED,
    Step.STALE: Outcome(Verdict.FAILED, "a newer revision is out"),
}


@dataclass
class ArticlePublisher:
    """Publishes one item at a time; the ledger's lease keeps other workers away."""

    api: ArticleApi
    records: ArticleStore
    timing: Timing
    quota: QuotaCounter
    covers: CoverSelector

    def __post_init__(self) -> None:
        self.abandoned_calls = AbandonedCalls(self.api, self.records, self.timing)
        self.step_handlers: Mapping[
            Step, Callable[[ArticleJob, ArticleRecord], Awaitable[ArticleRecord]]
        ] = {
            Step.CREATE: self.create,
            Step.RECOVER: partial(self.recover, pending_verdict=Verdict.HELD),
            Step.SEARCH: self.search_item,
            Step.VERIFY: self.verify,
            Step.CHOOSE_COVER: self.covers.choose,
            Step.UPDATE: self.update,
        }

    async def publish(self, job: ArticleJob) -> Outcome:
        """Advance as far as possible now. Raises ROW_ERRORS."""
        async with self.recording_rejection(job):
            stored = await self.records.read(job.content_id)
            record = await self.covers.without_missing_copy(stored)
            if next_step(record, job) is Step.UPDATE:
                await self.abandoned_calls.check(job.content_id, record)
            while (step := next_step(record, job)) not in _FINAL_OUTCOMES:
                record = await self.step_handlers[step](job, record)
            return _FINAL_OUTCOMES[step]

    async def resolve(self, job: ArticleJob) -> Outcome:
        """Resolve a row in doubt. Raises ROW_ERRORS."""
        async with self.recording_rejection(job):
            return await self.resolve_step(job, await self.records.read(job.content_id))

    @asynccontextmanager
    async def recording_rejection(self, job: ArticleJob) -> AsyncIterator[None]:
        """Record that Zalo will never take this revision, so that its broadcast does not wait."""
        try:
            yield
        except Refused as refused:
            if refused.rule.kind in _PERMANENT_KINDS:
                record = await self.records.read(job.content_id)
                if record.revision <= job.revision:  # else a newer revision has begun
                    failed = replace(record, failed=job.revision, token="", intent_at=0.0)
                    await self.records.write(job.content_id, failed)
            raise

    async def create(self, job: ArticleJob, record: ArticleRecord) -> ArticleRecord:
        month = await self.quota.reserve()
        record = await self.record_intent(job, record)
        try:
            crash_point("zalo.create_noted")
            token = await self.api.create(job.payload(record, "hide"), job.expired)
            crash_point("zalo.created")
        except AmbiguousResult as error:
            raise _lost_answer(error) from error
        except NO_EFFECT as error:
            await self.quota.release(month)
            return await self.undo_intent(job, record, error)
        log.info("zalo_article_created", content_id=job.content_id)
        return await self.record_result(job, self.with_token(record, token))

    async def update(self, job: ArticleJob, record: ArticleRecord) -> ArticleRecord:
        record = await self.record_intent(job, record)
        try:
            crash_point("zalo.update_noted")
            token = await self.api.update(job.payload(record, job.status), job.expired)
            crash_point("zalo.updated")
        except AmbiguousResult as error:
            raise _lost_answer(error) from error
        except NO_EFFECT as error:
            if isinstance(error, Refused) and await self.is_removed(job, record, error):
                return await self.record_live(job, record)
            return await self.undo_intent(job, record, error)
        if not token:
            return await self.record_live(job, record)
        return await self.record_result(job, self.with_token(record, token))

    async def verify(self, job: ArticleJob, record: ArticleRecord) -> ArticleRecord:
        """Wait for the verified article; after acceptance every unclear answer is a doubt."""
        crash_point("zalo.token_noted")
        try:
            article_id = await self.poll_article_id(record)
            crash_point("zalo.verified")
        except (Refused, ChannelError) as error:
            if isinstance(error, Refused) and error.rule.kind in _PERMANENT_KINDS:
                return await self.handle_rejected_content(job, record, error)
            raise self.doubt_if_accepted(job, record, error) from error
        if not article_id:
            raise RowOutcome(self.processing_outcome(job, record))
        if is_accepted(record, job):
            return await self.record_live(job, record)
        return await self.record_result(job, replace(record, token="", article_id=article_id))

    def processing_outcome(self, job: ArticleJob, record: ArticleRecord) -> Outcome:
        """Check again at growing pauses; after an hour, log an alarm."""
        age_s = self.timing.clock() - record.token_at
        if age_s > _PROCESSING_ALARM_S:
            log.error("zalo_article_processing", content_id=job.content_id, waits_s=round(age_s))
        again_s = min(max(PROCESSING_S, age_s / 2), _RECHECK_MAX_S)
        verdict = Verdict.DOUBT if is_accepted(record, job) else Verdict.HELD
        return Outcome(verdict, "zalo is processing the article", again_s)

    async def poll_article_id(self, record: ArticleRecord) -> str:
        """Poll until the article is ready; its id, or an empty text after the last pause."""
        for pause_s in self.timing.polls_s:
            if article_id := await self.verify_once(record):
                return article_id
            await self.timing.sleep(pause_s)
        return await self.verify_once(record)

    async def verify_once(self, record: ArticleRecord) -> str:
        """The article's id; empty while it is processed. Raises Refused, ChannelError."""
        try:
            return await self.api.verify(record.token) or record.article_id
        except Refused as refused:
            if refused.rule.kind is ErrorKind.POLL:
                return ""
            raise

    def doubt_if_accepted(
        self, job: ArticleJob, record: ArticleRecord, error: Refused | ChannelError
    ) -> Exception:
        if not is_accepted(record, job):
            return error
        outcome = outcome_of(error, self.timing.clock(), self.timing.jitter)
        after_s = outcome.retry_after_s or PROCESSING_S
        return RowOutcome(Outcome(Verdict.DOUBT, outcome.reason, after_s))

    async def handle_rejected_content(
        self, job: ArticleJob, record: ArticleRecord, refused: Refused
    ) -> ArticleRecord:
        """Zalo rejects the content: use the default cover, or ask for the lost token's article."""
        if refused.rule.reason == error_codes.COVER:
            return await self.record_result(job, with_default_cover(job, record, refused))
        if refused.rule.reason == error_codes.TOKEN_LOST:
            await self.record_result(job, replace(record, token="", intent_at=self.timing.clock()))
            verdict = Verdict.DOUBT if is_accepted(record, job) else Verdict.HELD
            raise RowOutcome(Outcome(verdict, refused.reason, PROCESSING_S))
        raise refused

    async def undo_intent(
        self, job: ArticleJob, record: ArticleRecord, error: Exception
    ) -> ArticleRecord:
        """The call had no effect: clear its intent."""
        record = await self.records.write(job.content_id, replace(record, intent_at=0.0))
        if isinstance(error, Refused) and error.rule.reason == error_codes.COVER:
            return await self.record_result(job, with_default_cover(job, record, error))
        raise error

    async def is_removed(self, job: ArticleJob, record: ArticleRecord, refused: Refused) -> bool:
        """Whether the article was removed by hand, so that there is nothing left to hide."""
        if not job.article.is_withdrawal or refused.rule.kind not in _PERMANENT_KINDS:
            return False
        try:
            await self.api.detail(record.article_id)
        except Refused as missing:
            return missing.rule.kind in _PERMANENT_KINDS
        return False

    async def recover(
        self, job: ArticleJob, record: ArticleRecord, pending_verdict: Verdict
    ) -> ArticleRecord:
        """Settle a lost `create` by Zalo's list; absence is final once no effect can be late."""
        article_id = await reconcile.find_article(self.api, reconcile.query_lost_create(record))
        if not article_id:
            self.require_settled(record, pending_verdict)
        crash_point("zalo.looked_up")
        if article_id:
            settled = replace(record, article_id=article_id, intent_at=0.0)
        else:
            settled = self.abandoned_calls.abandon(job.content_id, record)
        return await self.record_result(job, settled)

    def require_settled(self, record: ArticleRecord, pending_verdict: Verdict) -> None:
        """Raises RowOutcome with *pending_verdict* while a late effect is possible."""
        rest_s = record.intent_at + self.timing.settle_s - self.timing.clock()
        if rest_s > 0:
            raise RowOutcome(Outcome(pending_verdict, "an answer was lost", min(rest_s, RECHECK_S)))

    async def resolve_step(self, job: ArticleJob, record: ArticleRecord) -> Outcome:
        step = next_step(record, job)
        if step is Step.VERIFY and is_accepted(record, job):
            step = next_step(await self.verify(job, record), job)
        elif step is Step.UPDATE and record.intent_at and record.revision == job.revision:
            return await self.resolve_update(job, record)
        elif step is Step.RECOVER:
            await self.recover(job, record, Verdict.DOUBT)
        elif is_blank(record) and record.shown < job.revision:
            return await self.resolve_unrecorded(job, record)
        return _FINAL_OUTCOMES.get(step, Outcome(Verdict.ABSENT))

    async def resolve_unrecorded(self, job: ArticleJob, record: ArticleRecord) -> Outcome:
        """Resolve a doubt without a record of it: the record may come from an older backup."""
        record = await self.search_item(job, record)
        if record.article_id and await self.confirm_live(job, record):
            return _DELIVERED
        return _FINAL_OUTCOMES.get(next_step(record, job), Outcome(Verdict.ABSENT))

    async def search_item(self, job: ArticleJob, record: ArticleRecord) -> ArticleRecord:
        """Search Zalo's list for an article of the item, of any revision, and record the result."""
        article_id = await reconcile.find_article(self.api, reconcile.query_item(job))
        searched = replace(record, article_id=article_id, sought=job.revision)
        return await self.records.write(job.content_id, searched)

    async def resolve_update(self, job: ArticleJob, record: ArticleRecord) -> Outcome:
        """Ask Zalo whether a lost `update` has arrived; if not, it may be repeated at once.

        Should it land late, it brings the same text; a newer one waits for it, by the ledger. Until
        then the row stays one that may have had its effect: a withdrawal must hide the article.
        """
        if await self.confirm_live(job, record):
            return _DELIVERED
        may_land = self.timing.clock() < record.intent_at + self.timing.settle_s
        await self.record_result(job, self.abandoned_calls.abandon(job.content_id, record))
        return Outcome(Verdict.RESEND if may_land else Verdict.ABSENT)

    async def confirm_live(self, job: ArticleJob, record: ArticleRecord) -> bool:
        """Whether the public sees exactly this revision; then that is recorded."""
        detail = await self.api.detail(record.article_id)
        if detail.get("status") != job.status or not reconcile.contains_marker(detail, job.marker):
            return False
        live = replace(record, revision=job.revision, marker=job.marker, title=job.article.title)
        await self.record_live(job, live)
        return True

    def with_token(self, record: ArticleRecord, token: str) -> ArticleRecord:
        return replace(record, token=token, token_at=self.timing.clock(), intent_at=0.0)

    async def record_intent(self, job: ArticleJob, record: ArticleRecord) -> ArticleRecord:
        """Record the coming call. Raises Unreachable: then no call is made."""
        if record.revision != job.revision:
            record = replace(record, plain_cover=False, waits_at=0.0)
        record = replace(
            record,
            revision=job.revision,
            marker=job.marker,
            title=job.article.title,
            cover=job.cover(record),
            intent_at=self.timing.clock(),
            token="",
        )
        return await self.records.write(job.content_id, record)

    async def record_live(self, job: ArticleJob, record: ArticleRecord) -> ArticleRecord:
        """Record that the public sees this revision, or no longer sees the item."""
        hidden = job.article.is_withdrawal
        crash_point("zalo.out")
        log.info(
            "zalo_article_hidden" if hidden else "zalo_article_shown", article=record.article_id
        )
        done = replace(record, token="", intent_at=0.0, shown=job.revision, hidden=hidden)
        with_unit = replace(done, unit=job.article.unit, quiet=job.article.is_quiet)
        return await self.record_result(job, with_unit)

    async def record_result(self, job: ArticleJob, record: ArticleRecord) -> ArticleRecord:
        """Record an answer. Without the record the row is in doubt."""
        try:
            return await self.records.write(job.content_id, record)
        except ChannelError as error:
            raise AmbiguousResult(f"not noted: {error.reason}") from error


def _lost_answer(error: AmbiguousResult) -> RowOutcome:
    return RowOutcome(Outcome(Verdict.DOUBT, str(error), PROCESSING_S))
