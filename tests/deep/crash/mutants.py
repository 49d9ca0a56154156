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
from consumers.operations.old_deliveries import OldDeliveries
from consumers.runtime.ack import AckMiddleware, stage_of
from contracts import keys
from contracts.records import EventRecord
from contracts.trace import StatusCounts
from producers.acceptance import Acceptance, AcceptedEvent
from tests.deep.reports.fact_mistakes import MISTAKES
from tests.support.planted_bugs import PlantedBugs, Replacement, no_op

MUTANTS = PlantedBugs()
instead_of = MUTANTS.instead_of
tasks: set[asyncio.Task[Any]] = set()


@instead_of(moves, "claim")
def forget_doubts(claim, entry, owner, now, rules):
    """Count rows on the wire at a crash as not sent, unless their batch is halted."""
    if not entry.halt:
        letters = entry.rows.replace(b"s", b"p").replace(b"S", b"P")
        entry = replace(entry, rows=letters)
    return claim(entry, owner, now, rules)


@instead_of(moves, "book")
def declare_everything(book, entry, *args):
    """Every arrival counts as "perhaps twice": then no copy is ever undeclared."""
    booked = book(entry, *args)
    return replace(booked, rows=booked.rows.replace(b"d", b"D"))


@instead_of(AckMiddleware, "handle_and_ack")
async def acknowledge_first(handle, self, call_next, msg):
    """An event is acknowledged before anything is done about it."""
    if stage_of(msg) == "intake":
        await msg.ack()
        await asyncio.sleep(0.4)  # until it has left, and the server has noted it
    await handle(self, call_next, msg)


@instead_of(article, "next_step")
def create_again(next_step, note, job):
    """A lost answer about an article is taken for a no."""
    step = next_step(note, job)
    return Step.CREATE if step is Step.RECOVER else step


@instead_of(NoticeSender, "resolve")
async def tell_again(_resolve, self, errand):
    """A case notice whose answer was lost is sent again."""
    return Outcome(Verdict.ABSENT)


@instead_of(ZaloSession, "resolve_row")
async def broadcast_again(resolve, self, job, row):
    """A broadcast in doubt is sent again."""
    return Outcome(Verdict.ABSENT) if row.id == BROADCAST_ROW else await resolve(self, job, row)


@instead_of(PortalWriter, "_write_pending")
def trust_the_index(write, self, index, *rest):
    """Count all that the index has as shown; leave files of a killed writer unwritten."""
    if not (self.public / "nguon-tin" / "tat-ca.json").exists():
        write(self, index, *rest)
    with index.transaction():
        index.mark_items_written(index.pending_items(1_000))
        index.mark_page_sets_written(index.stale_page_sets())


@instead_of(PortalWriter, "resolve", "trust-the-index")
def resolve_by_index(_resolve, self, publication):
    with self._locked_index() as index:
        shown = index.current_revision(publication.content_id) >= publication.revision
    return Outcome(Verdict.DELIVERED if shown else Verdict.ABSENT)


@instead_of(Readback, "find_failure", "trust-the-index")
async def no_failure(*_):
    return ""


@instead_of(Supersession, "halt")
async def ignore_withdrawals(halt, self, plan, why):
    """A withdrawal halts nothing, and no position waits for an older one."""
    if not why.startswith("w"):
        return await halt(self, plan, why)
    held = await self.ledger.plan(plan)
    return held.value if held else PlanCursor()


MUTANTS["keep-the-position-first"] = MISTAKES["keep-the-position-first"]
MUTANTS["ignore-withdrawals"].append(Replacement(Supersession, "require_settled", no_op))


@instead_of(Acceptance, "accept")
async def answer_first(accept, self, member, events, **more):
    """A sender is told 202, and then the event is claimed and stored."""

    async def later():
        await asyncio.sleep(0.3)  # until the answer has left
        await accept(self, member, events, **more)

    tasks.add(asyncio.create_task(later()))
    return [AcceptedEvent("a" * 26, event.data["content_id"], None) for event in events]


@instead_of(Intake, "handle")
async def refuse_once(handle, self, event, unit, *args, **kwargs):
    """An event whose refusal is noted counts as dealt with, letter or no letter."""
    noted = await self.event_log.bucket.get(keys.event_id(unit, event.source, event.id))
    if noted is None or not EventRecord.model_validate_json(noted.data).refused:
        await handle(self, event, unit, *args, **kwargs)


@instead_of(OldDeliveries, "remove_plan")
async def forget_counts(remove, self, plan, held):
    """Retention removes who got a mail, and how many."""

    async def count_nothing(*_):
        return StatusCounts(), []

    self.count_plan = count_nothing
    return await remove(self, plan, held)
