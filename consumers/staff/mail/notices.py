"""Who is told of an act on an item: tables and pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from consumers.staff.accounts import Account
from consumers.staff.policy import ObjectFacts, Policy, Verdict, is_same_person
from contracts.delivery import Lane
from contracts.desk.deadlines import Step, step_of
from contracts.desk.roles import READ_DRAFTS
from contracts.desk.shown.text_times import time_of
from contracts.desk.staff_mail import StaffMailKind, StaffMailLine
from contracts.editorial import UNSENT, Action, ActionKind, EditorialText, ItemState, name_hash
from contracts.editorial.action import NOT_RELEASED, WITHHELD
from contracts.editorial.state import hashes_of, people_barred
from contracts.text import name_key

_TITLE_MAX = 300

_WRITERS_TOLD: Mapping[ActionKind, StaffMailKind] = {
    ActionKind.CONFIRM: StaffMailKind.PROGRESS,
    ActionKind.EDIT: StaffMailKind.PROGRESS,
    ActionKind.PROPOSE: StaffMailKind.PROGRESS,
    ActionKind.SCHEDULE: StaffMailKind.PROGRESS,
    ActionKind.APPROVE: StaffMailKind.APPROVED,
    ActionKind.PUBLISH: StaffMailKind.PUBLISHED,
    ActionKind.RETURN: StaffMailKind.RETURNED,
    ActionKind.REJECT: StaffMailKind.REJECTED,
    ActionKind.WITHDRAW: StaffMailKind.WITHDRAWN,
}
"""Notices of another's act to the revision's writers and senders; of no other act."""
_ONLY_STEPS = frozenset({StaffMailKind.PROGRESS})
"""Told only when the item's status changes."""
ASKS = frozenset({StaffMailKind.WAITS, StaffMailKind.OVERDUE})
"""Notices that ask for the item's next step."""
_ACTS = {
    Step.CONFIRM: ActionKind.CONFIRM,
    Step.EDIT: ActionKind.PROPOSE,
    Step.APPROVE: ActionKind.APPROVE,
}
"""The act that ends each step."""


class Notice(NamedTuple):
    """A notice and its recipients: all who may do what it waits for, or the people named.

    `barred`: hashes of the ids and names of who is not told: who acted, and who must not take the
    next step.
    """

    line: StaffMailLine
    facts: ObjectFacts
    permission: str = ""
    people: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()
    is_urgent: bool = False


def notices_of(
    content_id: str, before: ItemState, action: Action, after: ItemState
) -> list[Notice]:
    """Whom *action* concerns: those who are to act next, and those who wrote the text."""
    if after is before:
        return []
    begins = begins_step(before, after)
    waits = waiting_notice(content_id, after, StaffMailKind.WAITS, action.by) if begins else None
    tells = _writers_notice(content_id, before, action, after)
    overtaken = _overtaken_notice(content_id, before, action)
    return [notice for notice in (overtaken, waits, tells) if notice]


def begins_step(before: ItemState, after: ItemState) -> bool:
    """Whether the newest text now waits for another step, or another text for the same one."""
    return (step_of(before), before.revision) != (step_of(after), after.revision)


def waiting_notice(
    content_id: str, state: ItemState, kind: StaffMailKind, actor: str = ""
) -> Notice | None:
    """Tell those who may take the item's next step, but for *actor*, that it waits for them."""
    step = step_of(state)
    if step is None or state.text is None:
        return None
    line = _line(content_id, state.text, kind).model_copy(update={"step": step.value})
    barred = hashes_of(state, people_barred(state, _ACTS[step]) | {actor})
    is_urgent = _is_urgent_text(state.text)
    return Notice(line, _facts(state), step.value, barred=barred - {""}, is_urgent=is_urgent)


def _writers_notice(
    content_id: str, before: ItemState, action: Action, after: ItemState
) -> Notice | None:
    kind = _kind_told(before, action)
    if kind is None or (kind in _ONLY_STEPS and before.status is after.status):
        return None
    text = before.approved.get(action.revision) or after.text or before.text
    people = _people_told(before, action, after)
    if text is None or not people:
        return None
    step = str(after.status) if kind in _ONLY_STEPS else ""
    begins = time_of(text.data, "not_before") if action.kind is ActionKind.PUBLISH else None
    told = {"step": step, "code": action.code, "reason": action.note, "begins": begins}
    line = _line(content_id, text, kind).model_copy(update=told)
    return Notice(
        line,
        _facts(after),
        people=people,
        barred=hashes_of(after, {action.by}) - {""},
        is_urgent=_is_urgent_text(text),
    )


def _kind_told(before: ItemState, action: Action) -> StaffMailKind | None:
    """The notice to writers; of another plan in force they know that it is approved."""
    if action.code == NOT_RELEASED:
        return None
    if action.code == WITHHELD:
        return StaffMailKind.WITHHELD
    kind = _WRITERS_TOLD.get(action.kind)
    return StaffMailKind.CORRECTED if kind is StaffMailKind.PUBLISHED and before.out else kind


def _people_told(before: ItemState, action: Action, after: ItemState) -> frozenset[str]:
    """Who wrote or sent the text; of one that is kept back, also who approved it."""
    people = after.writers_of.get(action.revision, frozenset())
    if action.kind is ActionKind.WITHDRAW:
        people |= before.writers_of.get(before.out, frozenset())
    if action.code == WITHHELD:
        people |= before.approvers_of.get(action.revision, frozenset())
    return people


def _overtaken_notice(content_id: str, before: ItemState, action: Action) -> Notice | None:
    """Tell those who were at work on a text that one of the unit's system takes its place."""
    is_open = before.is_undecided or before.status in UNSENT
    if action.kind is not ActionKind.RECEIVE or before.text is None or not is_open:
        return None
    is_written_here = before.unit_checker != before.text.unit
    people = {before.last_editor, *(before.writers if is_written_here else ())} - {""}
    if not people:
        return None
    line = _line(content_id, before.text, StaffMailKind.OVERTAKEN)
    is_urgent = _is_urgent_text(before.text)
    return Notice(line, _facts(before), people=frozenset(people), is_urgent=is_urgent)


def outdated_notice(issue: str, state: ItemState, withdrawal: Action, item: str) -> Notice | None:
    """Tell those who made the *issue* that readers have that it tells of a withdrawn *item*."""
    people = state.writers_of.get(state.out, frozenset()) - {""}
    if not state.out or state.text is None or not people:
        return None
    text = state.approved.get(state.out) or state.text
    line = _line(issue, text, StaffMailKind.OUTDATED).model_copy(update={"withdrawn": item})
    barred = hashes_of(state, {withdrawal.by}) - {""}
    return Notice(line, _facts(state), people=people, barred=barred)


def _line(content_id: str, text: EditorialText, kind: StaffMailKind) -> StaffMailLine:
    title = str(text.data.get("title") or "")[:_TITLE_MAX]
    return StaffMailLine(kind=kind, content_id=content_id, title=title, unit=text.unit)


def _facts(state: ItemState) -> ObjectFacts:
    text = state.text
    return ObjectFacts(
        unit=text.unit if text else "",
        topic=str(text.data.get("topic") or "") if text else "",
        writers=state.writers,
        last_editor=state.last_editor,
    )


def _is_urgent_text(text: EditorialText) -> bool:
    return text.data.get("lane") == Lane.URGENT


def recipients_of(notice: Notice, accounts: Iterable[Account], policy: Policy) -> list[Account]:
    """The active accounts that are told, by the rules of roles and of four eyes."""
    return [one for one in accounts if one.is_active and _is_told(notice, one, policy)]


def may_still_receive(
    line: StaffMailLine, account: Account, state: ItemState, policy: Policy
) -> bool:
    """Whether the account may still take the step of *line*, or read the item."""
    if line.kind in ASKS:
        notice = waiting_notice(line.content_id, state, line.kind)
        return notice is not None and _is_told(notice, account, policy)
    writers = frozenset[str]().union(*state.writers_of.values())
    facts = _facts(state)
    readable = replace(facts, writers=facts.writers | writers)
    return _is_told(Notice(line, readable, READ_DRAFTS), account, policy)


def _is_told(notice: Notice, account: Account, policy: Policy) -> bool:
    if notice.barred & {name_hash(account.id), name_hash(account.name)}:
        return False
    if notice.permission:
        action = notice.permission
        if action == Step.APPROVE:
            action = policy.approval_action(is_urgent=notice.is_urgent, reach=0)
        ruling = policy.is_allowed(account, action, notice.facts)
        return ruling.verdict is not Verdict.REFUSED
    return any(_is_named(account, name, notice.facts.unit) for name in notice.people)


def _is_named(account: Account, name: str, unit: str) -> bool:
    """Whether *name* is the account's id, or its name where a unit's system names people.

    The name alone may be another person's: it counts within the item's unit.
    """
    if account.id == name:
        return True
    return account.unit == unit and is_same_person(account, name) and bool(name_key(name))
