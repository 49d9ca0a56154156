"""Mistakes that Loa does not make, planted to see that a campaign would find them."""

import asyncio
from dataclasses import replace
from typing import Any

from channels.base import Outcome, Verdict
from channels.portal.readback import Readback
from channels.portal.writer.writer import PortalWriter
from channels.zalo.case_notices.sender import NoticeSender
from channels.zalo.channel import BROADCAST_ROW, ZaloSession
from channels.zalo.publications import article
from channels.zalo.publications.steps import Step
from consumers.dispatch.supersede import Supersession
from consumers.intake.handler import Intake
from consumers.ledger import moves
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry, TimeRules
from consumers.runtime.ack import AckMiddleware, stage_of
from contracts import keys
from contracts.delivery import PlanKey
from contracts.publication import Publication
from contracts.records import EventRecord
from producers.acceptance import Acceptance, AcceptedEvent


def forget_doubts() -> None:
    """What was on the wire at a crash counts as not sent, unless its batch is halted."""
    claim = moves.claim

    def forgetting(entry: LedgerEntry, owner: str, now: float, rules: TimeRules) -> LedgerEntry:
        if not entry.halt:
            letters = entry.rows.replace(b"s", b"p").replace(b"S", b"P")
            entry = replace(entry, rows=letters)
        return claim(entry, owner, now, rules)

    moves.claim = forgetting


def declare_everything() -> None:
    """Whatever arrived counts as "perhaps twice": then no copy is ever undeclared."""
    book = moves.book

    def timid(entry: LedgerEntry, *args: Any) -> LedgerEntry:
        booked = book(entry, *args)
        return replace(booked, rows=booked.rows.replace(b"d", b"D"))

    moves.book = timid


def acknowledge_first() -> None:
    """An event is acknowledged before anything is done about it."""
    decide = AckMiddleware.handle_and_ack

    async def hasty(self: AckMiddleware, call_next: Any, msg: Any) -> None:
        if stage_of(msg) == "intake":
            await msg.ack()
            await asyncio.sleep(0.4)  # until it has left, and the server has noted it
        await decide(self, call_next, msg)

    AckMiddleware.handle_and_ack = hasty


def create_again() -> None:
    """A lost answer about an article is taken for a no."""
    next_step = article.next_step

    def careless(note: Any, job: Any) -> Step:
        step = next_step(note, job)
        return Step.CREATE if step is Step.RECOVER else step

    article.next_step = careless


def tell_again() -> None:
    """A case notice whose answer was lost is sent again."""

    async def careless(self: NoticeSender, errand: Any) -> Outcome:
        return Outcome(Verdict.ABSENT)

    NoticeSender.resolve = careless


def broadcast_again() -> None:
    """A broadcast in doubt is sent again."""
    known = ZaloSession.resolve_row

    async def careless(self: ZaloSession, job: Any, row: Any) -> Outcome:
        if row.id == BROADCAST_ROW:
            return Outcome(Verdict.ABSENT)
        return await known(self, job, row)

    ZaloSession.resolve_row = careless


def trust_the_index() -> None:
    """What the portal's index has counts as shown, whatever its files say or readers see."""
    finish = PortalWriter._write_pending

    def lay_out_only(self: PortalWriter, index: Any, *rest: Any) -> None:
        if not (self.public / "nguon-tin" / "tat-ca.json").exists():
            finish(self, index, *rest)

    def standing(self: PortalWriter, publication: Publication) -> Outcome:
        with self._locked_index() as index:
            known = index.current_revision(publication.content_id) >= publication.revision
        return Outcome(Verdict.DELIVERED if known else Verdict.ABSENT)

    async def unread(*_: Any) -> str:
        return ""

    PortalWriter.resolve, PortalWriter._write_pending, Readback.find_failure = (
        standing,
        lay_out_only,
        unread,
    )


def ignore_withdrawals() -> None:
    """A withdrawal halts nothing, and no position waits for an older one."""
    halt = Supersession.halt

    async def lenient(self: Supersession, plan: PlanKey, why: str) -> PlanCursor:
        if not why.startswith("w"):
            return await halt(self, plan, why)
        held = await self.ledger.plan(plan)
        return held.value if held else PlanCursor()

    async def impatient(*_: Any) -> None:
        """Go on at once."""

    Supersession.halt, Supersession.require_settled = lenient, impatient


def answer_first() -> None:
    """A sender is told 202, and then the event is claimed and stored."""
    accept = Acceptance.accept
    tasks: set[asyncio.Task[Any]] = set()

    async def later(*args: Any, **more: Any) -> None:
        await asyncio.sleep(0.3)  # until the answer has left
        await accept(*args, **more)

    async def hasty(self: Acceptance, member: Any, events: Any, **more: Any) -> Any:
        tasks.add(asyncio.create_task(later(self, member, events, **more)))
        return [AcceptedEvent("a" * 26, event.data["content_id"], None) for event in events]

    Acceptance.accept = hasty


def refuse_once() -> None:
    """An event whose refusal is noted counts as dealt with, letter or no letter."""
    handle = Intake.handle

    async def careless(self: Intake, event: Any, unit: str, *args: Any, **kwargs: Any) -> None:
        known = await self.event_log.bucket.get(keys.event_id(unit, event.source, event.id))
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
