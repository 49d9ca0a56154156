"""Acts that intake and the desk add to the editorial log: arrivals, decisions, releases.

What comes with an event has an id of that event, so that a repeat is the same act. A decision, and
what became of it, has an id of its text, its person and the act before it.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from consumers.intake.approval import Draft, draft_of
from consumers.intake.items import NOT_ADMITTED_CODE, SUPERSEDED_CODE, Decision, Position
from consumers.messages import field_error
from contracts import errors
from contracts.editorial import Action, ActionKind, ItemState, Status
from contracts.editorial.action import NOT_RELEASED, RULE, UNIT_SYSTEM, WITHHELD
from contracts.editorial.moves import MOVES
from contracts.errors import Conflict, Forbidden

_KINDS = {"approved": ActionKind.APPROVE, "rejected": ActionKind.REJECT}
_LOA = "loa"
_ID_LENGTH = 32


class Withdrawal(NamedTuple):
    """The withdrawal of an item: the position that it took, and its event."""

    number: int
    event_id: str
    unit: str
    person: str | None
    reason: str
    at: datetime


def first_arrival_act(draft: Draft, rule: str, state: ItemState) -> Action | None:
    """The arrival of a revision that has no position yet; None for a repeat.

    *rule*: the rule that approves it, if one does. Raises Conflict if a text at the desk has its
    number or a higher one, Forbidden if the item is another unit's: its first act owns it.
    """
    if _arrival_id(draft) in state.ids:
        return None
    if state.text and state.text.unit != draft.unit:
        owner = {"value": draft.content_id}
        raise Forbidden(errors.field_error("data.content_id", "owned_by_other_unit", **owner))
    if draft.revision < state.revision:
        raise _number_taken(draft, state)
    act = arrival_act(draft, state)
    return act.model_copy(update={"rule": rule}) if act else None


def arrival_act(draft: Draft, state: ItemState) -> Action | None:
    """The arrival of a draft; None for a repeat, and once a later revision has come.

    Raises Conflict if another text has its number.
    """
    id = _arrival_id(draft)
    if id in state.ids or draft.revision < state.revision:
        return None
    if draft.revision == state.revision:
        raise _number_taken(draft, state)
    return Action(
        id=id,
        at=draft.at,
        by=draft.unit,
        role=UNIT_SYSTEM,
        kind=ActionKind.RECEIVE,
        revision=draft.revision,
        hash=draft.hash,
        text=draft.text,
        prev=state.head,
    )


def _arrival_id(draft: Draft) -> str:
    return f"{draft.event_id}.{ActionKind.RECEIVE}"


def _number_taken(draft: Draft, state: ItemState) -> Conflict:
    words = {"value": draft.revision, "free": state.revision + 1}
    return Conflict(field_error("data.revision", "revision_taken", **words))


def decision_act(draft: Draft, decision: Decision | None, state: ItemState) -> Action | None:
    """The decision on a draft; None without one, and unless the draft waits."""
    if decision is None or not state.is_undecided or state.revision != draft.revision:
        return None
    kind = _KINDS[decision.verdict]
    return Action(
        id=_id(kind, draft, decision.by, state),
        at=decision.at,
        by=decision.by,
        name_hash=decision.name_hash,
        role=decision.role,
        kind=kind,
        revision=draft.revision,
        hash=draft.hash,
        code=decision.code,
        note=decision.reason,
        prev=state.head,
    )


def rule_rejection_act(
    draft: Draft, rule: str, code: str, at: datetime, state: ItemState
) -> Action | None:
    """The rejection of a draft by a rule; None unless the draft waits as it was read."""
    waiting = drafts_of(draft.content_id, state) if state.is_undecided else {}
    if waiting.get(draft.revision) != draft:
        return None
    act = _act_of_loa(ActionKind.REJECT, draft, at, state, by=rule)
    return act.model_copy(update={"code": code})


def release_act(draft: Draft, at: datetime, state: ItemState) -> Action | None:
    """The begin of a release, after which the text stays as it is; None unless it is approved.

    A revision before the newest one can't be edited anyway.
    """
    if state.status is not Status.APPROVED or state.revision != draft.revision:
        return None
    return _act_of_loa(ActionKind.SCHEDULE, draft, at, state) if is_approved(draft, state) else None


def outcome_act(draft: Draft, record: Position, at: datetime, state: ItemState) -> Action | None:
    """The act by which a draft ended, by its position's record; None if nothing is to be added."""
    if draft.revision not in drafts_of(draft.content_id, state):
        return None
    is_rejected = state.revision == draft.revision and state.has_open_rejection
    kind = _end_of_rejection(record) if is_rejected else _outcome(record, draft)
    if kind is None:
        return None
    code = record.code if kind is ActionKind.PUBLISH else ""
    return _act_of_loa(kind, draft, at, state).model_copy(update={"code": code})


def settle_act(draft: Draft, at: datetime, state: ItemState) -> Action | None:
    """The end of a draft that was given up and never sent, so that it has no position."""
    is_due = state.is_given_up and state.has_open_rejection
    return _act_of_loa(ActionKind.SETTLE, draft, at, state) if is_due else None


def withholding_act(revision: int, reason: str, at: datetime, state: ItemState) -> Action | None:
    """The withdrawal of a revision that is not sent at its time; None for a repeat.

    It is a withdrawal before that time, which readers never hear of.
    """
    if revision not in state.going_out:
        return None
    return Action(
        id=f"{_LOA}.{ActionKind.WITHDRAW}.{revision}",
        at=at,
        by=_LOA,
        role=RULE,
        kind=ActionKind.WITHDRAW,
        revision=revision,
        hash=state.hash_of(revision),
        code=WITHHELD,
        note=reason,
        prev=state.head,
    )


def _act_of_loa(
    kind: ActionKind, draft: Draft, at: datetime, state: ItemState, *, by: str = _LOA
) -> Action:
    return Action(
        id=_id(kind, draft, by, state),
        at=at,
        by=by,
        role=RULE,
        kind=kind,
        revision=draft.revision,
        hash=draft.hash,
        prev=state.head,
    )


def _id(kind: ActionKind, draft: Draft, by: str, state: ItemState) -> str:
    parts = "\n".join((draft.hash, by, state.head))
    return f"{kind}.{draft.revision}.{sha256(parts.encode()).hexdigest()[:_ID_LENGTH]}"


def _outcome(record: Position, draft: Draft) -> ActionKind | None:
    if record.state in ("released", "scheduled") and record.seq is not None:
        return ActionKind.PUBLISH
    if record.state == "released" and record.code == NOT_RELEASED:
        return ActionKind.PUBLISH
    is_refused = record.code == NOT_ADMITTED_CODE and record.event_id == draft.event_id
    if record.state == "withdrawn" or record.code == SUPERSEDED_CODE or is_refused:
        return ActionKind.SUPERSEDE
    return None


def _end_of_rejection(record: Position) -> ActionKind | None:
    return None if record.state == "waiting" else ActionKind.SETTLE


def decision_of(state: ItemState, draft: Draft) -> Decision | None:
    """The decision on the newest revision, if it was the act that led to the present status."""
    action = state.last_change
    return to_decision(action) if action and action.revision == draft.revision else None


def to_decision(action: Action) -> Decision | None:
    """The decision that an act is; None for other acts."""
    verdict = {kind: verdict for verdict, kind in _KINDS.items()}.get(action.kind)
    if verdict is None:
        return None
    who = {"by": action.by, "name_hash": action.name_hash, "role": action.role, "at": action.at}
    proposed = _agreement_reason(action.agreed) if verdict == "approved" else ""
    reason = action.note or proposed
    why = {"code": action.code, "reason": reason, "hash": action.hash}
    return Decision.model_validate({"verdict": verdict, **who, **why})


def _agreement_reason(agreed: Sequence[str]) -> str:
    """The accounts that agreed before, as a decision's reason names them."""
    return f"proposed by {', '.join(agreed)}" if agreed else ""


def is_approved(draft: Draft, state: ItemState) -> bool:
    """Whether the log has the approval of exactly this text, which is not yet out."""
    text = state.approved.get(draft.revision)
    return text is not None and text.hash == draft.hash


def withdrawal_act(withdrawal: Withdrawal, state: ItemState) -> Action | None:
    """The withdrawal of an item, by the person whom the event names, else by the unit's system.

    A revision that came later stays where it is. None if the log has nothing to withdraw.
    """
    number = _withdrawn_revision(withdrawal, state)
    if number is None or (state.status, ActionKind.WITHDRAW) not in MOVES:
        return None
    return Action(
        id=f"{withdrawal.event_id}.{ActionKind.WITHDRAW}",
        at=withdrawal.at,
        by=withdrawal.person or withdrawal.unit,
        role="" if withdrawal.person else UNIT_SYSTEM,
        kind=ActionKind.WITHDRAW,
        revision=number,
        hash=state.hash_of(number),
        note=withdrawal.reason,
        prev=state.head,
    )


def _withdrawn_revision(withdrawal: Withdrawal, state: ItemState) -> int | None:
    """The newest revision below a withdrawal; of older ones, one that is out or approved."""
    if state.revision <= withdrawal.number:
        return state.revision or None
    return max((one for one in state.going_out if one < withdrawal.number), default=None)


def drafts_of(content_id: str, state: ItemState) -> dict[int, Draft]:
    """The drafts that wait or whose decision is to be carried out, by revision."""
    if state.last_change is None:
        return {}
    texts = dict(state.approved)
    if state.text and (state.is_undecided or state.has_open_rejection):
        texts[state.revision] = state.text
    at = state.last_change.at
    return {number: draft_of(content_id, number, text, at) for number, text in texts.items()}
