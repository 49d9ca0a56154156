"""Mistakes that Loa does not make, planted to see that a campaign would find them."""

import asyncio
from dataclasses import replace
from typing import Any

from channels.base import Outcome, Verdict
from channels.zalo import articles
from channels.zalo.channel import BROADCAST, ZaloSession
from channels.zalo.steps import Step
from consumers.ledger import moves
from consumers.ledger.entry import Entry, Rules
from consumers.settle import Settle, stage


def forget_doubts() -> None:
    """What was on the wire at a crash counts as not sent."""
    claim = moves.claim

    def forgetting(entry: Entry, owner: str, now: float, rules: Rules) -> Entry:
        sure = replace(entry, rows=entry.rows.replace(b"s", b"p").replace(b"S", b"P"))
        return claim(sure, owner, now, rules)

    moves.claim = forgetting


def acknowledge_first() -> None:
    """An event is acknowledged before anything is done about it."""
    decide = Settle.decide

    async def hasty(self: Settle, call_next: Any, msg: Any) -> None:
        if stage(msg) == "intake":
            await msg.ack()
            await asyncio.sleep(0.05)  # until it has left
        await decide(self, call_next, msg)

    Settle.decide = hasty


def create_again() -> None:
    """A lost answer about an article is taken for a no."""
    next_step = articles.next_step

    def careless(note: Any, job: Any) -> Step:
        step = next_step(note, job)
        return Step.CREATE if step is Step.RECOVER else step

    articles.next_step = careless


def broadcast_again() -> None:
    """A broadcast in doubt is sent again."""
    known = ZaloSession.known

    async def careless(self: ZaloSession, job: Any, row: Any) -> Outcome:
        if row.id == BROADCAST:
            return Outcome(Verdict.ABSENT)
        return await known(self, job, row)

    ZaloSession.known = careless


MUTANTS = {
    one.__name__: one for one in (forget_doubts, acknowledge_first, create_again, broadcast_again)
}
