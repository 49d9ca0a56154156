"""Who is told of an act on an item: tables and pure functions."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from consumers.staff.accounts import Account
from consumers.staff.policy import ObjectFacts, Policy, Verdict, is_same_person
from contracts.delivery import Lane
from contracts.desk.staff_mail import StaffMailKind, StaffMailLine
from contracts.editorial import Action, ActionKind, EditorialText, ItemState, Status, name_hash
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
    ActionKind.EXPIRE: StaffMailKind.EXPIRED,
}
"""What those who wrote or sent a revision are told of an act of another; of no other act."""
_ONLY_STEPS = frozenset({StaffMailKind.PROGRESS})
"""Told only when the item's status changes."""
_EDIT = ("edit", ActionKind.PROPOSE)
_STEPS: Mapping[Status, tuple[str, ActionKind]] = {
    Status.SUBMITTED: ("confirm", ActionKind.CONFIRM),
    Status.UNIT_CONFIRMED: _EDIT,
    Status.IN_EDIT: _EDIT,
    Status.PENDING_APPROVAL: ("approve", ActionKind.APPROVE),
}


class Notice(NamedTuple):
    """What is told, and whom: all who may do what it waits for, or the people named.

    `barred`: hashes of the ids and names of who is not told: who acted, and who must not take the
    next step.
    """

    line: StaffMailLine
    facts: ObjectFacts
    permission: str = ""
    people: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()
    is_urgent: bool = False


def step_of(state: ItemState) -> tuple[str, ActionKind] | None:
    """What an item waits for, and the act that brings it on; None if it waits for no office.

    One that a unit's system sent is confirmed by that, so it waits for an editor at once.
    """
    if state.status is Status.SUBMITTED and state.unit_checker:
        return _EDIT
    return _STEPS.get(state.status) if state.status else None


def notices_of(
    content_id: str, before: ItemState, action: Action, after: ItemState
) -> list[Notice]:
    """Whom *action* concerns: those who are to act next, and those who wrote the text."""
    if after is before:
        return []
    waits = _waiting_notice(content_id, before, action, after)
    tells = _writers_notice(content_id, before, action, after)
    return [notice for notice in (waits, tells) if notice]


def _waiting_notice(
    content_id: str, before: ItemState, action: Action, after: ItemState
) -> Notice | None:
    step = step_of(after)
    is_new = action.kind is ActionKind.RECEIVE or step_of(before) != step
    if step is None or after.text is None or not is_new:
        return None
    return _waits(content_id, after, StaffMailKind.WAITS, barred={action.by})


def _waits(
    content_id: str, state: ItemState, kind: StaffMailKind, barred: Iterable[str] = ()
) -> Notice | None:
    """Tell those who may take the item's next step that it waits for them."""
    step = step_of(state)
    if step is None or state.text is None:
        return None
    name, act = step
    line = _line(content_id, state.text, kind).model_copy(update={"step": name})
    excluded = hashes_of(state, people_barred(state, act) | {*barred})
    is_urgent = _is_urgent(state.text)
    return Notice(line, _facts(state), name, barred=excluded, is_urgent=is_urgent)


def _writers_notice(
    content_id: str, before: ItemState, action: Action, after: ItemState
) -> Notice | None:
    kind = _WRITERS_TOLD.get(action.kind)
    if kind is None or (kind in _ONLY_STEPS and before.status is after.status):
        return None
    if kind is StaffMailKind.PUBLISHED and before.out:
        kind = StaffMailKind.CORRECTED
    text = before.approved.get(action.revision) or after.text or before.text
    people = after.writers_of.get(action.revision, frozenset())
    if action.kind is ActionKind.WITHDRAW:
        people |= before.writers_of.get(before.out, frozenset())
    if text is None or not people:
        return None
    step = str(after.status) if kind in _ONLY_STEPS else ""
    told = {"step": step, "code": action.code, "reason": action.note}
    line = _line(content_id, text, kind).model_copy(update=told)
    return Notice(
        line,
        _facts(after),
        people=people,
        barred=hashes_of(after, {action.by}),
        is_urgent=_is_urgent(text),
    )


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


def _is_urgent(text: EditorialText) -> bool:
    return text.data.get("lane") == Lane.URGENT


def recipients_of(notice: Notice, accounts: Iterable[Account], policy: Policy) -> list[Account]:
    """The active accounts that are told, by the rules of roles and of four eyes."""
    return [one for one in accounts if one.is_active and _is_told(notice, one, policy)]


def _is_told(notice: Notice, account: Account, policy: Policy) -> bool:
    if notice.barred & {name_hash(account.id), name_hash(account.name)} - {""}:
        return False
    if notice.permission:
        action = notice.permission
        if action == "approve":
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
