"""The fold of an item's acts: the state after an act follows from the state before it alone."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from contracts.editorial.action import NOT_RELEASED, UNIT_SYSTEM, Action, EditorialText
from contracts.editorial.action import ActionKind as Kind
from contracts.editorial.moves import BEGINS_REVISION, CARRIES_OUT, MOVES, OUT, UNSENT, Status
from contracts.editorial.rules import RULES
from contracts.editorial.state import ItemState

_KEEPS_WRITERS = {Kind.RECEIVE: UNSENT, Kind.SAVE: frozenset(Status) - OUT}
"""By the act that brings a text: the statuses whose text it may be made of."""


def state_after(state: ItemState, action: Action) -> ItemState:
    """The state after *action*; *state* itself after a repeat.

    Raises Conflict for an act that does not fit the chain, the status or the text, Forbidden
    for a person who may not, Invalid for what is missing.
    """
    if action.id in state.ids:
        return state
    for rule in RULES:
        rule(state, action)
    known = replace(state, head=action.digest, ids=state.ids | {action.id})
    return _apply(known, action, _status_after(state, action))


def _status_after(state: ItemState, action: Action) -> Status | None:
    target = Status.SCHEDULED if action.rule else MOVES[(state.status, action.kind)]
    if action.revision != state.revision and action.kind in CARRIES_OUT | {Kind.WITHDRAW}:
        return state.status  # an older revision; the newest one stays where it is
    is_correction = action.kind is Kind.PUBLISH and state.out and action.code != NOT_RELEASED
    return Status.CORRECTED if is_correction else target


def _apply(state: ItemState, action: Action, status: Status | None) -> ItemState:
    """The state with what *action* brings."""
    if action.name_hash:
        known = state.name_hashes.get(action.by, frozenset()) | {action.name_hash}
        state = replace(state, name_hashes={**state.name_hashes, action.by: known})
    if action.kind in BEGINS_REVISION:
        state = _begin(state, action)
    if status is not state.status or action.text is not None:
        state = replace(state, status=status, last_change=action)
    if action.text is not None:
        wrote = state.wrote.get(action.hash, frozenset()) | _writers(action)
        all_texts = {**state.wrote, action.hash: wrote}
        state = replace(state, text=action.text, hash=action.hash, wrote=all_texts)
    return _EFFECTS.get(action.kind, _unchanged)(state, action)


def _unchanged(state: ItemState, action: Action) -> ItemState:  # noqa: ARG001
    return state


def _begin(state: ItemState, action: Action) -> ItemState:
    """Begin a revision with its writers, and without the checks of the revision before."""
    is_made_of_it = state.status in _KEEPS_WRITERS[action.kind] or state.is_given_up
    before = state.writers | {state.last_editor} if is_made_of_it else frozenset[str]()
    known = _with_writers(
        replace(state, revision=action.revision), _writers(action) | before - {""}
    )
    checked = action.by if action.kind is Kind.RECEIVE else ""
    return replace(known, last_editor="", unit_checker=checked, center_checker="")


def _writers(action: Action) -> frozenset[str]:
    """Who wrote or sent the text of an act: whom it names, and the person who acts."""
    text = action.text
    named = {text.author, text.submitter} if text else set[str | None]()
    person = "" if action.role == UNIT_SYSTEM else action.by
    return frozenset(name for name in {*named, person} if name)


def _with_writers(state: ItemState, names: frozenset[str]) -> ItemState:
    return replace(state, writers_of={**state.writers_of, state.revision: names})


def _receive(state: ItemState, action: Action) -> ItemState:
    """A text that a rule approves leaves as it is: no person decides, or changes it."""
    if not (action.rule and action.text):
        return state
    approved = {**state.approved, action.revision: action.text}
    return replace(state, approved=approved, by_rule=state.by_rule | {action.revision})


def _submit(state: ItemState, action: Action) -> ItemState:
    known = _with_writers(state, state.writers | {action.by})
    return replace(known, unit_checker="", center_checker="")


def _edit(state: ItemState, action: Action) -> ItemState:
    """An edited text has lost its approval and its proposal: who approves it answers for it.

    By an earlier version, which did not keep promises, the editor answered for a proposed one.
    """
    if action.text is None:
        return state
    answers_for_it = state.status is Status.PENDING_APPROVAL and action.is_clean is None
    checked = action.by if answers_for_it else ""
    left = _without(state.approved, action.revision)
    return replace(state, last_editor=action.by, center_checker=checked, approved=left)


def _confirm(state: ItemState, action: Action) -> ItemState:
    return replace(state, unit_checker=action.by)


def _propose(state: ItemState, action: Action) -> ItemState:
    return replace(state, center_checker=action.by)


def _approve(state: ItemState, action: Action) -> ItemState:
    assert state.text is not None  # noqa: S101
    texts = {**state.approved, action.revision: state.text}
    people = frozenset({action.by, *action.agreed, state.center_checker, state.last_editor}) - {""}
    approvers = {**state.approvers_of, action.revision: people}
    checked = state.center_checker or action.by
    return replace(state, approved=texts, approvers_of=approvers, center_checker=checked)


def _publish(state: ItemState, action: Action) -> ItemState:
    """A text that was on its way when the item was withdrawn is not what readers have."""
    left = _without(state.approved, action.revision)
    out = max(state.out, action.revision) if action.revision > state.ended else state.out
    published = {**state.published, action.revision: action.hash}
    return replace(state, approved=left, out=out, published=published)


def _supersede(state: ItemState, action: Action) -> ItemState:
    return replace(state, approved=_without(state.approved, action.revision))


def _settle(state: ItemState, action: Action) -> ItemState:
    return replace(state, settled=action.revision)


def _withdraw(state: ItemState, action: Action) -> ItemState:
    return replace(state, out=0, ended=action.revision)


def _without(approved: Mapping[int, EditorialText], revision: int) -> Mapping[int, EditorialText]:
    return {number: one for number, one in approved.items() if number != revision}


_EFFECTS: Mapping[Kind, Callable[[ItemState, Action], ItemState]] = {
    Kind.RECEIVE: _receive,
    Kind.SUBMIT: _submit,
    Kind.CONFIRM: _confirm,
    Kind.EDIT: _edit,
    Kind.PROPOSE: _propose,
    Kind.APPROVE: _approve,
    Kind.PUBLISH: _publish,
    Kind.SETTLE: _settle,
    Kind.SUPERSEDE: _supersede,
    Kind.WITHDRAW: _withdraw,
}
