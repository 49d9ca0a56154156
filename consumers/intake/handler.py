"""Check each content event again and give it its position, at once or by way of the desk.

The bus is a door too, so everything is checked here a second time. An event that breaks the
contract is raised and becomes a dead letter; the texts of one that is on record are not judged
again. Every step may be repeated after a crash at any point: the item's record decides, everything
else follows from it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial, reduce
from itertools import takewhile
from weakref import WeakValueDictionary

import structlog
from pydantic import ValidationError
from structlog.contextvars import bound_contextvars

from consumers.editorial import joining
from consumers.editorial.announced import known_interruption
from consumers.editorial.waiting import read_history
from consumers.intake import desk_acts, item_log, items, written
from consumers.intake.desk_acts import Withdrawal
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.errors import BrokenItem, UnknownItem
from consumers.intake.event_log import EventLog
from consumers.intake.items import NOT_ADMITTED_CODE, Item, ItemSummary
from consumers.intake.received import (
    ReceivedEvent,
    build_draft,
    initial_position,
    submitter,
    withdrawal_summary,
)
from consumers.intake.release import Releaser, build_publication, build_withdrawal
from consumers.intake.repository import ItemRepository
from consumers.intake.unit_policy import read_policy
from consumers.messages import field_error
from consumers.runtime.errors import RetryLater
from consumers.seals.publications import PublicationSeals
from contracts import errors, events, subjects
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.case import CaseUpdated
from contracts.cloudevent import CloudEvent
from contracts.content import Submitted, Withdrawn
from contracts.delivery import Lane
from contracts.editorial import Action, ActionKind, ItemState, state_after
from contracts.editorial.action import AUTOMATIC_RELEASE, DESK_ACT, RULE
from contracts.errors import ContractError, Forbidden, Invalid
from contracts.interruptions.interruption import TOPIC as INTERRUPTION_TOPIC
from contracts.interruptions.notice_period import check_announced
from contracts.interruptions.publicity import find_hidden
from contracts.records import EventRecord, UnitPolicy
from contracts.vocabulary import Vocabulary
from producers import metrics
from producers.bus import Bus, Message
from producers.bus.records import Versioned

log = structlog.get_logger()
Admit = Callable[[Item | None], Item]
_AUTOMATIC, _DESK = "automatic", "desk"
_EARLIER_EVENT_RETRY_S = 0.2
_BROKEN_ITEM_RETRY_S = 60.0
_DONE_ELSEWHERE = frozenset(
    {ActionKind.RECEIVE, ActionKind.SAVE, ActionKind.COMMENT, ActionKind.PUBLISH}
    | {ActionKind.SUPERSEDE, ActionKind.SETTLE}
)
"""Acts that need nothing more, or that intake has added behind what it did."""


class Intake:
    """Takes events from CONTENT to PUBLICATIONS or to the desk."""

    def __init__(
        self,
        bus: Bus,
        vocabulary: Vocabulary,
        clock: Clock = time.time,
        seals: PublicationSeals | None = None,
        days: WorkingDays | None = None,
    ) -> None:
        self.bus = bus
        self.vocabulary = vocabulary
        self.clock = clock
        self.days = days or default_working_days()
        self.locks = WeakValueDictionary[str, asyncio.Lock]()  # by content_id
        self.event_log = EventLog(bus)
        self.repository = ItemRepository(bus)
        self.releaser = Releaser(bus, seals)
        self.decisions = DraftDecisions(bus, clock, seals)

    async def handle(
        self,
        event: CloudEvent,
        unit: str,
        kind: str | None = None,
        *,
        seq: int = 0,
        is_edited: bool = False,
    ) -> None:
        """Process one event. Its subject proves *unit* and *kind*; *seq* is its stream sequence.

        *is_edited*: a person has corrected it, and another has to approve it.
        Events of one item are processed in order of arrival; a repeat is harmless. Raises
        ContractError, BusError, and RetryLater for an earlier event or a broken log.
        """
        try:
            check = partial(self.check, event, unit, kind, is_edited=is_edited)
            checked = await events.check_unless_recorded(check, self.event_log.find)
        except ContractError as refusal:
            _count(unit, event, refusal.code, "bus")
            raise
        crash_point("intake.fetched")
        facts = {"event_id": checked.event_id, "content_id": checked.content_id}
        with (
            tracing.continued(tracing.carrier(), event.extensions),
            tracing.span(tracing.INTAKE, {f"loa.{name}": id for name, id in facts.items()}),
            bound_contextvars(**facts, unit=unit),
        ):
            async with self.locks.setdefault(checked.content_id, asyncio.Lock()):
                await self.process(checked, seq)

    async def on_act(self, message: Message) -> None:
        """Carry out an act of a person, as EDITORIAL has it. Raises BusError; a repeat is harmless.

        Acts of one item are carried out in order of arrival, those of others meanwhile. What Loa
        did not seal is in no item. `loa check` names a broken one.
        """
        content_id = subjects.item_of_editorial(message.subject)
        async with self.locks.setdefault(content_id, asyncio.Lock()):
            act = await self.decisions.log.sealed_act(message)
            if act is None or (act.kind in _DONE_ELSEWHERE and not act.rule):
                return
            try:
                await self.carry_out(content_id, act)
            except (ContractError, ValidationError) as broken:
                wrong = broken.errors if isinstance(broken, ContractError) else ()
                fields = [one.field for one in wrong]
                log.error("act_not_carried_out", content_id=content_id, fields=fields)

    async def carry_out(self, content_id: str, act: Action) -> None:
        """Carry out an act; a withdrawal that came as an event is done already.

        What a rule approved is out, once its event is through. Raises BrokenItem, and UnknownItem
        for a withdrawal of what has no position; RetryLater while its event is to take that.
        """
        if act.kind is ActionKind.RECEIVE:
            await self.decisions.note_outcome(content_id, act.revision)
        elif act.kind is ActionKind.WITHDRAW and (act.role == RULE or act.id.startswith(DESK_ACT)):
            await self.require_position(content_id, act)
            await self.carry_out_withdrawal(content_id, act)
        else:
            await self.decisions.carry_out(content_id)

    async def carry_out_withdrawal(self, content_id: str, act: Action) -> None:
        """Take back all that was out or approved when a person, or a rule, withdrew the item."""
        item = await self.repository.require_item(content_id)
        _, acts = await self.decisions.log.history(content_id)
        before = reduce(state_after, takewhile(lambda one: one.id != act.id, acts), ItemState())
        ordered = written.withdrawal(content_id, act, item.unit)
        ordered = replace(ordered, takes_back=max(before.going_out, default=act.revision))
        assert isinstance(ordered.content, Withdrawn)  # noqa: S101
        known = await self.repository.versioned_item(content_id)
        await self.withdraw(ordered, ordered.content, known, 0)

    async def require_position(self, content_id: str, act: Action) -> None:
        """Raise RetryLater while the text that a person withdraws waits for its event."""
        state = await item_log.read(self.decisions.log, content_id)
        draft = desk_acts.drafts_of(content_id, state).get(act.revision)
        if draft is None or written.is_written(draft):
            return
        if await self.repository.position(content_id, act.revision) is None:
            raise RetryLater(_EARLIER_EVENT_RETRY_S, "its event comes first")

    async def process(self, checked: ReceivedEvent, seq: int) -> None:
        first = checked.to_record()
        record, policy, item = await asyncio.gather(
            self.event_log.record(checked.event_id, first),
            read_policy(self.bus, checked.unit),
            self.repository.versioned_item(checked.content_id),
        )
        crash_point("intake.event_booked")
        if checked.is_edited or await self.needs_decision(checked):
            policy = policy.model_copy(update={"release": _DESK})
        is_new = record is first  # the HTTP door has recorded its events before
        try:
            await self.apply(checked, policy, item, seq)
        except BrokenItem as broken:
            fields = [one.field for one in broken.errors]
            log.error("editorial_item_broken", content_id=checked.content_id, fields=fields)
            raise RetryLater(_BROKEN_ITEM_RETRY_S, "the item's log is broken") from broken
        except ContractError as refusal:
            _count(checked.unit, checked.event, refusal.code, "bus" if is_new else "intake")
            await self.record_refusal(checked, record, refusal)
            raise
        await self.event_log.record_result(checked.event_id, record, ())
        crash_point("intake.done")
        if is_new:
            _count(checked.unit, checked.event, "accepted", "bus")
        log.info("event_taken_in", type=checked.event.type)

    async def needs_decision(self, checked: ReceivedEvent) -> bool:
        """Whether no rule releases the event's text, so that a person has to decide.

        One that a rule has approved before is on its way.
        """
        text = checked.content
        if isinstance(text, Withdrawn):
            return False
        is_issue = any(text.topic == one.topic for one in self.vocabulary.bulletins.values())
        is_notice = bool(text.interruption) or text.topic == INTERRUPTION_TOPIC
        if not (is_issue or is_notice or text.campaign):
            return False
        state, acts = await read_history(self.bus, text.content_id)
        if text.revision in state.by_rule:
            return False
        if is_issue:
            log.info("issue_waits", revision=text.revision)
            return True
        if await joining.needs_decision(self.bus, text, checked.unit, checked.received_at):
            log.info("campaign_text_waits", revision=text.revision, campaign=text.campaign)
            return True
        return is_notice and self.is_unlawful_notice(text, acts, checked.received_at)

    def is_unlawful_notice(self, text: Submitted, acts: Sequence[Action], at: datetime) -> bool:
        """Whether the text announces an interruption without its facts, too late or to few."""
        if not text.interruption:
            log.warning("interruption_without_facts", revision=text.revision)
            return True
        if hidden := find_hidden(text):
            fields = [one.field for one in hidden]
            log.warning("interruption_not_public", revision=text.revision, fields=fields)
            return True
        known = known_interruption(acts, at)
        try:
            check_announced(text, at, self.days, known)
        except Invalid:
            log.warning("interruption_announced_late", revision=text.revision)
            return True
        return False

    def check(
        self,
        event: CloudEvent,
        unit: str,
        kind: str | None,
        *,
        is_new: bool = True,
        is_edited: bool = False,
    ) -> ReceivedEvent:
        """Run every check that needs no bus; *is_new* as for events. Raises ContractError."""
        content = events.check(event, self.vocabulary, is_new=is_new)
        if isinstance(content, CaseUpdated):
            raise Invalid(errors.field_error("type", "type_closed", value=event.type))
        if kind is not None and kind != events.kind_of(event.type):
            raise Invalid(field_error("type", "kind_differs", value=event.type, kind=kind))
        if is_new:
            events.check_filled(content)
        events.check_sender(event, unit, self.vocabulary)
        return ReceivedEvent(unit, event, content, utc_now(self.clock), is_edited)

    async def apply(
        self, checked: ReceivedEvent, policy: UnitPolicy, known: Versioned[Item | None], seq: int
    ) -> None:
        if isinstance(checked.content, Withdrawn):
            await self.withdraw(checked, checked.content, known, seq)
        else:
            await self.take_in(checked, checked.content, policy, known, seq)

    async def take_in(
        self,
        checked: ReceivedEvent,
        text: Submitted,
        policy: UnitPolicy,
        known: Versioned[Item | None],
        seq: int,
    ) -> None:
        """Give a revision its place in the log, then its position, and release it or wait."""
        admit = partial(_with_position, checked=checked, text=text, policy=policy)
        known = await self.admissible(admit, known, text.content_id, seq)
        logged = await self.arrival(checked, text, policy, known.value)
        take = partial(_with_revision, checked=checked, text=text, policy=policy, logged=logged)
        item = await self.repository.update_item(text.content_id, take, known)
        is_by_rule, waits = text.revision in logged.by_rule, text.revision in item.waiting
        release = _AUTOMATIC if is_by_rule else _DESK if waits else policy.release
        await self.submit_revision(checked, text, item, release)

    async def arrival(
        self, checked: ReceivedEvent, text: Submitted, policy: UnitPolicy, item: Item | None
    ) -> ItemState:
        """The item in the log, with the revision; what has its position is not added again.

        Raises BrokenItem, and as `DraftDecisions.receive`.
        """
        if item and text.revision in item.positions:
            with suppress(BrokenItem):
                return await item_log.read(self.decisions.log, text.content_id)
            return ItemState()
        rule = "" if policy.release == _DESK else AUTOMATIC_RELEASE
        is_new = item is None or not item.positions
        return await self.decisions.receive(build_draft(checked, text), rule, is_new=is_new)

    async def admissible(
        self, admit: Admit, known: Versioned[Item | None], content_id: str, seq: int
    ) -> Versioned[Item | None]:
        """The item as stored, which *admit* takes. An unknown one may come with an earlier event.

        Raises what *admit* raises.
        """
        try:
            admit(known.value)
        except UnknownItem:
            await self.require_earlier_settled(seq)
            known = await self.repository.versioned_item(content_id)
            admit(known.value)
        return known

    async def submit_revision(
        self, checked: ReceivedEvent, text: Submitted, item: Item, release: str
    ) -> None:
        """Release a revision that has its position, or add it to the desk."""
        crash_point("intake.position_taken")
        first = initial_position(checked, text, item, release)
        record = await self.repository.open_position(text.content_id, text.revision, first)
        crash_point("intake.position_opened")
        if text.revision in item.released:
            released = build_publication(text, item, record.value.event_id)
            await self.releaser.publish_once(record, released)
        elif text.revision in item.waiting:
            await self.decisions.add_draft(build_draft(checked, text))
            crash_point("intake.drafted")
        await self.decisions.drop_outdated(text.content_id, item)

    async def withdraw(
        self, checked: ReceivedEvent, text: Withdrawn, known: Versioned[Item | None], seq: int
    ) -> None:
        """Withdraw the item, and publish that; not where a correction has come before intake."""
        item = await self.apply_withdrawal(checked, text, known, seq)
        crash_point("intake.barred")
        if not item.position_of(checked.event_id):
            facts = {"content_id": text.content_id, "revision": checked.takes_back}
            log.info("withdrawal_overtaken", **facts)
            return
        await self.publish_withdrawal(checked, text, item)

    async def apply_withdrawal(
        self, checked: ReceivedEvent, withdrawn: Withdrawn, known: Versioned[Item | None], seq: int
    ) -> Item:
        """Withdraw the item in its record."""

        def transition(stored: Item | None) -> Item:
            item = items.require_owner(stored, checked.unit, withdrawn.content_id)
            is_new = not item.position_of(checked.event_id)
            if is_new and items.is_replaced(item, checked.takes_back, utc_now(self.clock)):
                return item
            return items.withdraw(item, checked.event_id, checked.received_at, withdrawn.content_id)

        return await self.change_item(withdrawn.content_id, transition, known, seq)

    async def change_item(
        self,
        content_id: str,
        transition: Callable[[Item | None], Item],
        known: Versioned[Item | None],
        seq: int,
    ) -> Item:
        """Apply *transition* to the item. An unknown one may come with an earlier event."""
        try:
            return await self.repository.update_item(content_id, transition, known)
        except UnknownItem:
            await self.require_earlier_settled(seq)
            return await self.repository.update_item(content_id, transition)

    async def publish_withdrawal(self, checked: ReceivedEvent, text: Withdrawn, item: Item) -> None:
        """Publish the withdrawal of a withdrawn item, and clear its drafts from the desk."""
        number = item.position_of(checked.event_id)
        more = {"state": "withdrawn", "released_at": item.released.get(number)}
        sender = submitter(checked.event)
        summary = withdrawal_summary(text, item)
        first = checked.new_position(summary, **more, reason=text.reason, submitter=sender)
        record = await self.repository.open_position(text.content_id, number, first)
        if number in item.released:
            released = build_withdrawal(text.content_id, item, record.value)
            await self.releaser.publish_once(record, released)
        crash_point("intake.withdrawal_published")
        facts = (checked.event_id, checked.unit, sender, text.reason, checked.received_at)
        await self.decisions.record_withdrawal(text.content_id, Withdrawal(number, *facts))
        await self.decisions.drop_outdated(text.content_id, item)

    async def require_earlier_settled(self, seq: int) -> None:
        """Raises RetryLater while an event before *seq* is unacknowledged."""
        if not seq:
            return
        info = await self.bus.consumer_info(subjects.CONTENT.name, subjects.INTAKE)
        if info["num_ack_pending"] > 1 and info["ack_floor"]["stream_seq"] < seq - 1:
            raise RetryLater(_EARLIER_EVENT_RETRY_S, "earlier events come first")

    async def record_refusal(
        self, checked: ReceivedEvent, record: EventRecord, refusal: ContractError
    ) -> None:
        """Record a refusal and its errors where the sender's status and `trace` read them."""
        await self.event_log.record_result(checked.event_id, record, refusal.errors)
        crash_point("intake.refused")
        log.info("event_not_admitted", fields=events.loggable_fields(refusal.errors))
        text = checked.content
        item = await self.repository.item(text.content_id)
        if isinstance(text, Withdrawn) or (item and item.unit != checked.unit):
            return
        more = {"state": "refused", "code": NOT_ADMITTED_CODE, "reason": str(refusal)}
        first = checked.new_position(ItemSummary.of(text), **more)
        await self.repository.update_position(
            text.content_id, text.revision, lambda stored: stored or first
        )


def _count(unit: str, event: CloudEvent, answer: str, door: str) -> None:
    metrics.EVENTS.add(unit, metrics.event_kind(event.type), answer, door)


def _with_position(
    stored: Item | None, checked: ReceivedEvent, text: Submitted, policy: UnitPolicy
) -> Item:
    """The item with the revision's position; unchanged for a repeat. Raises ContractError."""
    item = items.require_owner(stored, checked.unit, text.content_id)
    taken = items.admit_text(item, checked.event_id, text)
    if taken is item:
        return item
    if text.lane == Lane.URGENT and not policy.urgent:
        raise Forbidden(errors.field_error("data.lane", "urgent_not_allowed"))
    return taken


def _with_revision(
    stored: Item | None,
    checked: ReceivedEvent,
    text: Submitted,
    policy: UnitPolicy,
    logged: ItemState,
) -> Item:
    """The item with the revision released, waiting, or withdrawn before that; as `_with_position`.

    *logged*: the item in the editorial log, which says for good whether a rule approved the text.
    """
    taken, number = _with_position(stored, checked, text, policy), text.revision
    is_withdrawn = number <= logged.ended and number not in logged.published
    if is_withdrawn or (stored and number in stored.positions):
        return taken
    if number in logged.by_rule:
        at = checked.received_at
        return items.release(taken, number, ItemSummary.of(text), at, text.not_before)
    return taken.model_copy(update={"waiting": tuple(sorted({*taken.waiting, number}))})
