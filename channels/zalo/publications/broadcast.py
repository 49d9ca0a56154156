"""Broadcast: one call that cannot be undone, repeated or looked up. It is made at most once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from channels.base import AFTER_EARLIER_ROW, Outcome, Verdict
from channels.zalo.client.article_api import ArticleApi
from channels.zalo.clock import Timing, Until, is_broadcast_time, wait_s
from channels.zalo.error_codes import ErrorKind
from channels.zalo.errors import NO_EFFECT, Refused, row_held
from channels.zalo.publications.record import ArticleRecord, ArticleStore
from channels.zalo.publications.steps import ArticleJob
from channels.zalo.quota.counter import QuotaCounters
from contracts.base.crash_points import crash_point

log = structlog.get_logger()
_OUTSIDE_HOURS = "zalo broadcasts from 06:00 to 21:59"
ARTICLE_WAIT_S = 15.0
"""Slightly longer than the article's own delay, so that the article is retried first."""
COMPANIONS_WAIT_S, RECHECK_S = 1800.0, 120.0
"""How long a broadcast waits for other items' articles, and the pause between checks."""


@dataclass
class BroadcastSender:
    """Points followers to live articles, within Zalo's hours."""

    api: ArticleApi
    records: ArticleStore
    timing: Timing
    quota: QuotaCounters

    async def send(self, job: ArticleJob) -> Outcome:
        """Raises ROW_ERRORS; an ambiguous result is never sent again by itself."""
        record = await self.records.read(job.content_id)
        if waiting := _blocked_outcome(record, job):
            return waiting
        now = await self.api.provider_time()
        if not is_broadcast_time(now):
            raise row_held(_OUTSIDE_HOURS, wait_s(Until.MORNING, now, self.timing.jitter))
        companions = await self.companion_articles(record, job)
        crash_point("zalo.broadcast_due")
        message_id = await self.broadcast([record.article_id, *companions], job)
        crash_point("zalo.broadcast_answered")
        log.info("zalo_broadcast_sent", article=record.article_id, message=message_id)
        return Outcome(Verdict.DELIVERED)

    async def companion_articles(self, record: ArticleRecord, job: ArticleJob) -> list[str]:
        """Live articles of the items that share it: of the same unit, unless that wants no
        announcement. Raises RowOutcome while it waits for one.
        """
        companions = job.article.companion_ids
        records = [await self.records.read(item) for item in companions]
        if any(not (_is_live(other) or other.hidden) for other in records):
            await self.wait_for_companions(record, job)
        live = [other for other in records if _is_live(other) and not other.quiet]
        ids = [other.article_id for other in live if other.unit == job.article.unit]
        if len(ids) < len(records):
            self.log_without_companions(job, len(records) - len(ids))
        return ids

    async def wait_for_companions(self, record: ArticleRecord, job: ArticleJob) -> None:
        """Raises RowOutcome for up to COMPANIONS_WAIT_S; the first wait is recorded."""
        now = self.timing.clock()
        if not record.waits_at:
            record = await self.records.write(job.content_id, replace(record, waits_at=now))
        rest_s = record.waits_at + COMPANIONS_WAIT_S - now
        if rest_s > 0:
            raise row_held("another item's article is not live", min(rest_s, RECHECK_S))

    async def broadcast(self, article_ids: Sequence[str], job: ArticleJob) -> str:
        """Send one broadcast. If Zalo refuses another item's article, send our own alone."""
        try:
            return await self.send_once(article_ids, job)
        except Refused as refused:
            others, rule = len(article_ids) - 1, refused.rule
            if not (others and rule.known and rule.kind is ErrorKind.CONTENT):
                raise
        self.log_without_companions(job, others)
        return await self.send_once(article_ids[:1], job)

    def log_without_companions(self, job: ArticleJob, missing: int) -> None:
        log.warning("zalo_broadcast_without", content_id=job.content_id, missing=missing)

    async def send_once(self, article_ids: Sequence[str], job: ArticleJob) -> str:
        spent = await self.quota.reserve()
        try:
            return await self.api.broadcast(article_ids, job.article.target, job.expired)
        except NO_EFFECT:
            await self.quota.release(spent)
            raise


def _blocked_outcome(record: ArticleRecord, job: ArticleJob) -> Outcome | None:
    """The outcome without a live article to point to; None when the public sees the article."""
    if job.article.is_withdrawal or (record.hidden and record.shown >= job.revision):
        return Outcome(Verdict.SUPPRESSED, "the item is withdrawn", reached_provider=False)
    if record.failed == job.revision:
        return Outcome(Verdict.FAILED, "the article was refused", reached_provider=False)
    if record.shown < job.revision:
        return Outcome(Verdict.DEFERRED, AFTER_EARLIER_ROW, ARTICLE_WAIT_S, reached_provider=False)
    return None


def _is_live(record: ArticleRecord) -> bool:
    """Whether the public sees an article of the item, of any revision."""
    return bool(record.article_id and record.shown and not record.hidden)
