"""Zalo as a channel: `article` and `broadcast` of a publication, one row per person of a notice."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from channels.base import Canary, Content, Deadline, Outcome, Recipient, Verdict
from channels.zalo.case_notices.sender import NoticeContent, NoticeSender
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.transport import CONNECT_S, READ_S
from channels.zalo.clock import Timing
from channels.zalo.errors import ROW_ERRORS
from channels.zalo.outcomes import outcome_of
from channels.zalo.publications.article import ArticlePublisher
from channels.zalo.publications.broadcast import BroadcastSender
from channels.zalo.publications.render import ArticleDefaults, RenderedArticle, render
from channels.zalo.publications.steps import ArticleJob
from contracts.case import CaseNotice
from contracts.delivery import ChannelName
from contracts.subscriptions.digest import Digest
from contracts.subscriptions.transactional import TransactionalMail

_ARTICLE_ROW, BROADCAST_ROW = "article", "broadcast"
_MARGIN_S = 3.0
RESOLVE_AGAIN_S = 30.0
Rendered = RenderedArticle | NoticeContent


@dataclass(kw_only=True)
class ZaloChannel:
    """One Official Account. Any process that shares the stores may work on its rows.

    A window is one row, so that the broadcast's intent is written only when the article is done: a
    crash during the article cannot put the broadcast in doubt.
    """

    name = ChannelName.ZALO
    window = 1
    request_timeout_s = CONNECT_S + READ_S + _MARGIN_S

    api: ZaloClient
    site: ArticleDefaults
    timing: Timing
    articles: ArticlePublisher
    broadcasts: BroadcastSender
    notices: NoticeSender
    connections: int

    def __post_init__(self) -> None:
        self.settle_s = self.timing.settle_s

    def render(self, content: Content) -> Rendered:
        if isinstance(content, CaseNotice):
            return NoticeContent.of(content)
        if isinstance(content, TransactionalMail | Digest):
            raise TypeError("letters and digests go by mail")
        return render(content, self.site)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["ZaloSession"]:
        """A session without connection of its own: HTTP errors are reported row by row."""
        yield ZaloSession(self)

    async def close(self) -> None:
        await self.api.transport.close()


@dataclass
class ZaloSession:
    """Sends and resolves rows; the only place where Zalo's answers become outcomes."""

    channel: ZaloChannel

    async def send(
        self, rendered: Rendered, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        return [await self.send_row(rendered, row, expired) for row in rows]

    async def send_row(self, rendered: Rendered, row: Recipient, expired: Deadline) -> Outcome:
        if expired():
            return Outcome(Verdict.UNSENT, "own deadline passed")
        is_notice = isinstance(rendered, NoticeContent)
        if is_notice == (row.id in (_ARTICLE_ROW, BROADCAST_ROW)):
            return Outcome(Verdict.FAILED, "no such recipient")
        try:
            if isinstance(rendered, NoticeContent):
                return await self.channel.notices.send(rendered, row, expired)
            job = ArticleJob(rendered, row.delivery_key, expired, row.correction)
            if row.id == BROADCAST_ROW:
                return await self.channel.broadcasts.send(job)
            return await self.channel.articles.publish(job)
        except ROW_ERRORS as error:
            return self.outcome_of_error(error)

    def abort(self) -> None:
        """No action: a call without an answer stays in doubt, however it ends."""

    async def resolve(self, rendered: Rendered, rows: Sequence[Recipient]) -> list[Outcome]:
        return [await self.resolve_row(rendered, row) for row in rows]

    async def resolve_row(self, rendered: Rendered, row: Recipient) -> Outcome:
        """Resolve a row. A broadcast cannot be looked up: a person decides about its doubt."""
        try:
            if isinstance(rendered, NoticeContent):
                return await self.channel.notices.resolve(row)
            if row.id != _ARTICLE_ROW:
                return Outcome(Verdict.UNKNOWN, "zalo can't say whether it was broadcast")
            job = ArticleJob(rendered, row.delivery_key, may_be_public=row.correction)
            return await self.channel.articles.resolve(job)
        except ROW_ERRORS as error:
            return _doubt_unless_failed(self.outcome_of_error(error))

    async def probe(self, _canary: Canary) -> Outcome:
        """Read only: the token has to be valid, and Zalo has to list our articles."""
        try:
            await self.channel.articles.api.list_page(0)
        except ROW_ERRORS as error:
            return self.outcome_of_error(error)
        return Outcome(Verdict.DELIVERED)

    def outcome_of_error(self, error: Exception) -> Outcome:
        return outcome_of(error, self.channel.api.clock.now(), self.channel.timing.jitter)


def _doubt_unless_failed(outcome: Outcome) -> Outcome:
    """A doubt, unless the row failed: without an answer the row's state stays unknown."""
    if outcome.verdict is Verdict.FAILED:
        return outcome
    return Outcome(Verdict.DOUBT, outcome.reason, outcome.retry_after_s or RESOLVE_AGAIN_S)
