"""Mistakes that Loa does not make, planted to see that a campaign would find them."""

import asyncio
from dataclasses import replace
from typing import Any

from channels.base import Outcome, Verdict
from channels.portal.echo import Echo
from channels.portal.writer import Writer
from channels.zalo import articles
from channels.zalo.channel import BROADCAST, ZaloSession
from channels.zalo.notices import Notices
from channels.zalo.steps import Step
from consumers.fence import Fence
from consumers.intake import Intake
from consumers.ledger import moves
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry, Rules
from consumers.settle import Settle, stage
from contracts import keys
from contracts.delivery import PlanKey
from contracts.publication import Publication
from contracts.records import EventRecord
from producers.acceptance import Acceptance, Accepted


def forget_doubts() -> None:
    """What was on the wire at a crash counts as not sent, unless its batch is halted."""
    claim = moves.claim

    def forgetting(entry: Entry, owner: str, now: float, rules: Rules) -> Entry:
        if not entry.halt:
            letters = entry.rows.replace(b"s", b"p").replace(b"S", b"P")
            entry = replace(entry, rows=letters)
        return claim(entry, owner, now, rules)

    moves.claim = forgetting


def declare_everything() -> None:
    """Whatever arrived counts as "perhaps twice": then no copy is ever undeclared."""
    book = moves.book

    def timid(entry: Entry, *args: Any) -> Entry:
        booked = book(entry, *args)
        return replace(booked, rows=booked.rows.replace(b"d", b"D"))

    moves.book = timid


def acknowledge_first() -> None:
    """An event is acknowledged before anything is done about it."""
    decide = Settle.decide

    async def hasty(self: Settle, call_next: Any, msg: Any) -> None:
        if stage(msg) == "intake":
            await msg.ack()
            await asyncio.sleep(0.4)  # until it has left, and the server has noted it
        await decide(self, call_next, msg)

    Settle.decide = hasty


def create_again() -> None:
    """A lost answer about an article is taken for a no."""
    next_step = articles.next_step

    def careless(note: Any, job: Any) -> Step:
        step = next_step(note, job)
        return Step.CREATE if step is Step.RECOVER else step

    articles.next_step = careless


def tell_again() -> None:
    """A case notice whose answer was lost is sent again."""

    async def careless(self: Notices, errand: Any) -> Outcome:
        return Outcome(Verdict.ABSENT)

    Notices.resolve = careless


def broadcast_again() -> None:
    """A broadcast in doubt is sent again."""
    known = ZaloSession.known

    async def careless(self: ZaloSession, job: Any, row: Any) -> Outcome:
        if row.id == BROADCAST:
            return Outcome(Verdict.ABSENT)
        return await known(self, job, row)

    ZaloSession.known = careless


def trust_the_index() -> None:
    """What the portal's index has counts as shown, whatever its files say or readers see."""
    finish = Writer._finish

    def lay_out_only(self: Writer, index: Any, *rest: Any) -> None:
        if not (self.public / "nguon-tin" / "tat-ca.json").exists():
            finish(self, index, *rest)

    def standing(self: Writer, publication: Publication) -> Outcome:
        with self._alone() as index:
            known = index.revision(publication.content_id) >= publication.revision
        return Outcome(Verdict.DELIVERED if known else Verdict.ABSENT)

    async def unread(*_: Any) -> str:
        return ""

    Writer.standing, Writer._finish, Echo.missing = standing, lay_out_only, unread


def ignore_withdrawals() -> None:
    """A withdrawal halts nothing, and no position waits for an older one."""
    halt = Fence.halt

    async def lenient(self: Fence, plan: PlanKey, why: str) -> Cursor:
        if not why.startswith("w"):
            return await halt(self, plan, why)
        held = await self.ledger.plan(plan)
        return held.value if held else Cursor()

    async def impatient(*_: Any) -> None:
        """Go on at once."""

    Fence.halt, Fence.quiet = lenient, impatient


def answer_first() -> None:
    """A sender is told 202, and then the event is claimed and stored."""
    accept = Acceptance.accept
    tasks: set[asyncio.Task[Any]] = set()

    async def later(*args: Any, **more: Any) -> None:
        await asyncio.sleep(0.3)  # until the answer has left
        await accept(*args, **more)

    async def hasty(self: Acceptance, member: Any, events: Any, **more: Any) -> Any:
        tasks.add(asyncio.create_task(later(self, member, events, **more)))
        return [Accepted("a" * 26, event.data["content_id"], None) for event in events]

    Acceptance.accept = hasty


def refuse_once() -> None:
    """An event whose refusal is noted counts as dealt with, letter or no letter."""
    handle = Intake.handle

    async def careless(self: Intake, event: Any, unit: str, *args: Any, **kwargs: Any) -> None:
        known = await self.seen.bucket.get(keys.event_id(unit, event.source, event.id))
        if known is None or not EventRecord.model_validate_json(known.data).refused:
            await handle(self, event, unit, *args, **kwargs)

    Intake.handle = careless


MUTANTS = {
    one.__name__: one
    for one in (
        forget_doubts,
        declare_everything,
        acknowledge_first,
        create_again,
        tell_again,
        broadcast_again,
        trust_the_index,
        ignore_withdrawals,
        answer_first,
        refuse_once,
    )
}
