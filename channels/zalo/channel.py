"""Zalo as a channel: the rows `article` and `broadcast` of a publication."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from channels.base import Canary, Deadline, Outcome, Recipient, Verdict
from channels.zalo.api import ZaloApi
from channels.zalo.articles import Articles
from channels.zalo.broadcasts import Broadcasts
from channels.zalo.calls import Calls
from channels.zalo.meter import Quotas
from channels.zalo.notebook import Notebook
from channels.zalo.outcomes import EXPECTED, outcome_of
from channels.zalo.pace import Pace
from channels.zalo.render import Article, Site, render
from channels.zalo.steps import Job
from channels.zalo.transport import CONNECT_S, READ_S
from contracts.delivery import ChannelName
from contracts.publication import Publication

ARTICLE, BROADCAST = "article", "broadcast"
MARGIN_S = 3.0
ASK_AGAIN_S = 30.0


class ZaloChannel:
    """One Official Account. The rows may run in any process that shares notebook and vault.

    A window is one row, so that the broadcast's intent is written only when the article is done: a
    crash during the article can't put the broadcast in doubt.
    """

    name = ChannelName.ZALO
    connections = 2
    window = 1
    request_timeout_s = CONNECT_S + READ_S + MARGIN_S

    def __init__(
        self, api: ZaloApi, notebook: Notebook, site: Site, pace: Pace, quotas: Quotas
    ) -> None:
        calls = Calls(api)
        self.api = api
        self.site = site
        self.pace = pace
        self.settle_s = pace.settle_s
        self.articles = Articles(calls, notebook, pace, quotas.articles)
        self.broadcasts = Broadcasts(calls, notebook, api.clock, pace, quotas.broadcasts)

    def render(self, publication: Publication) -> Article:
        return render(publication, self.site)

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
        self, rendered: Article, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        return [
            await self.one(Job(rendered, row.delivery_key, expired, row.correction), row)
            for row in rows
        ]

    async def one(self, job: Job, row: Recipient) -> Outcome:
        if job.expired():
            return Outcome(Verdict.UNSENT, "own deadline passed")
        try:
            match row.id:
                case "article":
                    return await self.channel.articles.publish(job)
                case "broadcast":
                    return await self.channel.broadcasts.send(job)
        except EXPECTED as why:
            return self.said(why)
        return Outcome(Verdict.FAILED, "no such recipient")

    def let_go(self) -> None:
        """A call of which no answer was heard stays a doubt, however it ends."""

    async def resolve(self, rendered: Article, rows: Sequence[Recipient]) -> list[Outcome]:
        jobs = [(Job(rendered, row.delivery_key, told=row.correction), row) for row in rows]
        return [await self.known(job, row) for job, row in jobs]

    async def known(self, job: Job, row: Recipient) -> Outcome:
        """Nobody can look a broadcast up: a person ends that doubt."""
        if row.id != ARTICLE:
            return Outcome(Verdict.UNKNOWN, "zalo can't say whether it was broadcast")
        try:
            return await self.channel.articles.resolve(job)
        except EXPECTED as why:
            return still_in_doubt(self.said(why))

    async def probe(self, _canary: Canary) -> Outcome:
        """Reads only: the grant has to be good, and Zalo has to list our articles."""
        try:
            await Calls(self.channel.api).listed(0)
        except EXPECTED as why:
            return self.said(why)
        return Outcome(Verdict.DELIVERED)

    def said(self, why: Exception) -> Outcome:
        return outcome_of(why, self.channel.api.clock.now(), self.channel.pace.chance)


def still_in_doubt(outcome: Outcome) -> Outcome:
    """Not being able to ask, or to go on, settles nothing."""
    if outcome.verdict is Verdict.FAILED:
        return outcome
    return Outcome(Verdict.DOUBT, outcome.reason, outcome.after_s or ASK_AGAIN_S)
