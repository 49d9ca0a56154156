"""Zalo as a channel: `article` and `broadcast` of a publication, `person` of a case notice."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from channels.base import Canary, Content, Deadline, Outcome, Recipient, Verdict
from channels.zalo.api import ZaloApi
from channels.zalo.articles import Articles
from channels.zalo.broadcasts import Broadcasts
from channels.zalo.calls import Calls
from channels.zalo.covers import Covers
from channels.zalo.meter import Quotas
from channels.zalo.notebook import Notebook
from channels.zalo.notices import Errand, Notices, Words
from channels.zalo.outcomes import EXPECTED, outcome_of
from channels.zalo.pace import Pace
from channels.zalo.render import Article, Site, render
from channels.zalo.steps import Job
from channels.zalo.transport import CONNECT_S, READ_S
from contracts.case import CaseNotice
from contracts.delivery import ChannelName
from contracts.digest import Digest
from contracts.letter import Letter

ARTICLE, BROADCAST = "article", "broadcast"
MARGIN_S = 3.0
ASK_AGAIN_S = 30.0
NOBODY = "no such recipient"


class ZaloChannel:
    """One Official Account. The rows may run in any process that shares notebook and vault.

    A window is one row, so that the broadcast's intent is written only when the article is done: a
    crash during the article can't put the broadcast in doubt.
    """

    name = ChannelName.ZALO
    window = 1
    request_timeout_s = CONNECT_S + READ_S + MARGIN_S

    def __init__(
        self,
        api: ZaloApi,
        notebook: Notebook,
        site: Site,
        pace: Pace,
        quotas: Quotas,
        notices: Notices,
        covers: Covers,
        connections: int = 2,
    ) -> None:
        calls = Calls(api)
        self.api = api
        self.site = site
        self.pace = pace
        self.settle_s = pace.settle_s
        self.notices = notices
        self.connections = connections
        self.articles = Articles(calls, notebook, pace, quotas.articles, covers)
        self.broadcasts = Broadcasts(calls, notebook, api.clock, pace, quotas.broadcasts)

    def render(self, content: Content) -> Article | Words:
        if isinstance(content, CaseNotice):
            return Words.of(content)
        if isinstance(content, Letter | Digest):
            raise TypeError("letters and digests go by mail")
        return render(content, self.site)

    @asynccontextmanager
    async def session(self) -> AsyncIterator["ZaloSession"]:
        """HTTP needs no connection of ours: trouble is said row by row."""
        yield ZaloSession(self)

    async def close(self) -> None:
        await self.api.transport.close()


class ZaloSession:
    """Sends and resolves rows; what Zalo says becomes outcomes here and nowhere else."""

    def __init__(self, channel: ZaloChannel) -> None:
        self.channel = channel

    async def send(
        self, rendered: Article | Words, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        return [await self.one(rendered, row, expired) for row in rows]

    async def one(self, rendered: Article | Words, row: Recipient, expired: Deadline) -> Outcome:
        if expired():
            return Outcome(Verdict.UNSENT, "own deadline passed")
        try:
            if isinstance(rendered, Words):
                return await self.notice(rendered, row, expired)
            return await self.item(Job(rendered, row.delivery_key, expired, row.correction), row)
        except EXPECTED as why:
            return self.said(why)

    async def notice(self, words: Words, row: Recipient, expired: Deadline) -> Outcome:
        if row.id in (ARTICLE, BROADCAST):
            return Outcome(Verdict.FAILED, NOBODY)
        return await self.channel.notices.send(errand(words, row, expired))

    async def item(self, job: Job, row: Recipient) -> Outcome:
        match row.id:
            case "article":
                return await self.channel.articles.publish(job)
            case "broadcast":
                return await self.channel.broadcasts.send(job)
        return Outcome(Verdict.FAILED, NOBODY)

    def let_go(self) -> None:
        """A call of which no answer was heard stays a doubt, however it ends."""

    async def resolve(self, rendered: Article | Words, rows: Sequence[Recipient]) -> list[Outcome]:
        return [await self.known(rendered, row) for row in rows]

    async def known(self, rendered: Article | Words, row: Recipient) -> Outcome:
        try:
            if isinstance(rendered, Words):
                return await self.channel.notices.resolve(errand(rendered, row))
            return await self.looked_up(Job(rendered, row.delivery_key, told=row.correction), row)
        except EXPECTED as why:
            return still_in_doubt(self.said(why))

    async def looked_up(self, job: Job, row: Recipient) -> Outcome:
        """Nobody can look a broadcast up: a person ends that doubt."""
        if row.id != ARTICLE:
            return Outcome(Verdict.UNKNOWN, "zalo can't say whether it was broadcast")
        return await self.channel.articles.resolve(job)

    async def probe(self, _canary: Canary) -> Outcome:
        """Reads only: the grant has to be good, and Zalo has to list our articles."""
        try:
            await Calls(self.channel.api).listed(0)
        except EXPECTED as why:
            return self.said(why)
        return Outcome(Verdict.DELIVERED)

    def said(self, why: Exception) -> Outcome:
        return outcome_of(why, self.channel.api.clock.now(), self.channel.pace.chance)


def errand(words: Words, row: Recipient, expired: Deadline = lambda: False) -> Errand:
    return Errand(words, row.address, row.delivery_key, expired)


def still_in_doubt(outcome: Outcome) -> Outcome:
    """Not being able to ask, or to go on, settles nothing."""
    if outcome.verdict is Verdict.FAILED:
        return outcome
    return Outcome(Verdict.DOUBT, outcome.reason, outcome.after_s or ASK_AGAIN_S)
