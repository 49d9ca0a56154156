"""The right that an order takes: an action of `roles.toml`, and the facts on which it depends."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.bulletins.approval import check_issue
from consumers.bulletins.publications import OpenSeals, no_seals
from consumers.bulletins.released import ReleasedItems
from consumers.desk.access import acting_facts, item_facts
from consumers.editorial.announced import known_interruption
from consumers.editorial.log import EditorialLog
from consumers.intake import written
from consumers.intake.unit_policy import read_policy
from consumers.messages import field_error
from consumers.reporting.reach import largest_reach
from consumers.staff.authorization import Act
from consumers.staff.policy import Person, Policy, Verdict
from consumers.uploads.missing import missing_uploads
from contracts import errors, events
from contracts.base.times import Clock, utc_now
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.delivery import ChannelName, Lane
from contracts.desk.editorial import Order
from contracts.desk.roles import READ_DRAFTS
from contracts.desk.shown.internal_change import is_internal_change
from contracts.desk.shown.planned_time import is_moved
from contracts.editorial import UNSENT, ActionKind, ItemState, Status
from contracts.errors import FieldError, Forbidden, Invalid
from contracts.interruptions.announcement import Announcement
from contracts.interruptions.notice_period import check_announced
from contracts.vocabulary import UNDECIDED_TOO_LONG
from producers.bus import Bus
from producers.object_store import ObjectStore

K = ActionKind
_ACTION_OF: Mapping[ActionKind, str] = {
    K.SAVE: "write",
    K.SUBMIT: "write",
    K.CONFIRM: "confirm",
    K.EDIT: "edit",
    K.PROPOSE: "edit",
    K.REJECT: "reject",
    K.WITHDRAW: "withdraw",
    K.COMMENT: READ_DRAFTS,
}
"""The action of `roles.toml` that an act takes; others depend on the item."""
_RETURNED_BY = {Status.SUBMITTED: "confirm", Status.PENDING_APPROVAL: "reject"}
ON_THE_WAY = frozenset({K.SUBMIT, K.PROPOSE, K.APPROVE})
"""Acts by which a text comes nearer to readers: its files are there, its dates are lawful."""
_CHECKED_ISSUES = frozenset({K.PROPOSE, K.APPROVE})
_SENDS_ON = frozenset({K.SUBMIT, K.PROPOSE})
_MAY_BEGIN_URGENT = frozenset({K.SUBMIT, K.EDIT, K.PROPOSE})


def action_of(kind: ActionKind, state: ItemState) -> str:
    """The action of `roles.toml` that an act on the item takes; an approval may take another."""
    if kind is K.REJECT and state.status in UNSENT:
        return "write"
    if kind is K.RETURN:
        return _RETURNED_BY.get(state.status or Status.DRAFT, "edit")
    return _ACTION_OF.get(kind, "approve")


def _lacks_reason(content_id: str, state: ItemState) -> bool:
    """Whether the newest text is a correction without a reason that people wrote."""
    shown = state.text
    if shown is None or shown.type != events.CORRECTED or shown.data.get("reason"):
        return False
    return shown.event_id == written.event_id(shown.unit, content_id, state.revision)


def _check_code(order: Order) -> None:
    """Raise Invalid for a rejection by a code that Loa alone gives."""
    if order.code == UNDECIDED_TOO_LONG:
        raise Invalid(errors.field_error("code", "editorial_code"))


@dataclass(frozen=True)
class OrderRules:
    """Requirements of an order, by the text that the log has now."""

    bus: Bus
    policy: Policy
    clock: Clock = time.time
    days: WorkingDays = field(default_factory=default_working_days)
    open_seals: OpenSeals = no_seals

    async def check(self, order: Order, state: ItemState, person: Person | None) -> None:
        """Check what the text asks for; *person*: None for a name in place of an account.

        Raises Forbidden, Invalid.
        """
        _check_code(order)
        if person:
            await self.check_urgent(order, state, person)
        if errors := await self.lacks(order, state):
            raise Invalid(*errors)

    async def lacks(self, order: Order, state: ItemState) -> list[FieldError]:
        """Fields that the newest text lacks for *order*, by each rule that would refuse it."""
        errors: list[FieldError] = []
        rules = self.check_reason, self.check_uploads, self.check_interruption, self.check_issue
        for rule in rules:
            try:
                await rule(order, state)
            except Invalid as refused:
                errors += refused.errors
        return errors

    async def act_of(self, order: Order, state: ItemState) -> Act:
        """The act to decide about; the same one for a second person, also at another door.

        An agreement holds until the text or its status changes: one that went back and is proposed
        anew takes two people again. Two who withdraw agree about the title in its place, too.
        """
        is_approval = order.kind is K.APPROVE
        found = await self.approval(state) if is_approval else action_of(order.kind, state)
        began = state.last_change.id if state.last_change else ""
        arguments = [order.content_id, state.revision, order.kind, order.hash, began]
        arguments += [order.title] if order.title else []
        arguments += ["short_title", order.short_title] if order.short_title else []
        return Act(found, acting_facts(state), arguments, is_of_state=True)

    async def approval(self, state: ItemState) -> str:
        """The action of the item's approval, by its newest text's lane and channels."""
        data = state.text.data if state.text else {}
        channels = [ChannelName(one) for one in data.get("channels", ())] or [*ChannelName]
        reach = await largest_reach(self.bus, channels)
        return self.policy.approval_action(is_urgent=data.get("lane") == Lane.URGENT, reach=reach)

    async def check_urgent(self, order: Order, state: ItemState, person: Person) -> None:
        """Raise Forbidden for an urgent text that neither the unit nor the person may ask for."""
        data = order.data if order.data is not None else state.text.data if state.text else {}
        if order.kind not in _MAY_BEGIN_URGENT or data.get("lane") != Lane.URGENT:
            return
        ruling = self.policy.is_allowed(person, "propose-urgent", item_facts(state))
        if ruling.verdict is Verdict.REFUSED and not await self._unit_may_be_urgent(state):
            raise Forbidden(errors.field_error("data.lane", "urgent_not_allowed"))

    async def check_reason(self, order: Order, state: ItemState) -> None:
        """Raise Invalid for a correction, written by people, that does not say what it corrects.

        A text at another time, or with another plan alone, corrects nothing; a unit's event may
        come without a reason.
        """
        if order.kind not in _SENDS_ON or not _lacks_reason(order.content_id, state):
            return
        _, acts = await EditorialLog(self.bus).history(order.content_id)
        out = next((one.text for one in acts if one.text and one.hash == state.out_hash), None)
        texts = (out.data, state.text.data) if out and state.text else None
        if not (texts and (is_moved(*texts) or is_internal_change(*texts))):
            raise Invalid(field_error("data.reason", "correction_reason"))

    async def check_uploads(self, order: Order, state: ItemState) -> None:
        """Raise Invalid for a text on its way to readers that names a file that is not kept."""
        if order.kind not in ON_THE_WAY or state.text is None:
            return
        if missing := await missing_uploads(ObjectStore(self.bus), state.text.data):
            raise Invalid(*missing)

    async def check_interruption(self, order: Order, state: ItemState) -> None:
        """Raise Invalid for a text on its way that announces an interruption late or not publicly.

        It counts when readers would have it: now, or at its time. Who approves late is told, too.
        """
        said = Announcement.read(state.text.data) if state.text else Announcement()
        if order.kind not in ON_THE_WAY or said.interruption is None:
            return
        _, acts = await EditorialLog(self.bus).history(order.content_id)
        now = utc_now(self.clock)
        check_announced(said, now, self.days, known_interruption(acts, now))

    async def check_issue(self, order: Order, state: ItemState) -> None:
        """Raise Invalid for an issue of a bulletin that readers can't have as it is."""
        data = state.text.data if state.text else {}
        if order.kind in _CHECKED_ISSUES and data.get("bulletin"):
            items = ReleasedItems(self.bus, self.open_seals)
            is_approval = order.kind is K.APPROVE
            await check_issue(items, data, utc_now(self.clock), is_approval=is_approval)

    async def _unit_may_be_urgent(self, state: ItemState) -> bool:
        unit = state.text.unit if state.text else ""
        return (await read_policy(self.bus, unit)).urgent
