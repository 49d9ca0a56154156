"""The rules of acts: each compares an act with the item's state, and refuses it by raising.

A text may be approved only by a person who did not write, send or last edit it, under the hash that
is read, and only after the unit and the Center each said by name that nothing secret is in it.
"""

from collections.abc import Callable

from contracts import text
from contracts.editorial.action import (
    AUTOMATIC_RELEASE,
    GIVEN_UP,
    RULE,
    UNIT_SYSTEM,
    WITHHELD,
    Action,
)
from contracts.editorial.action import ActionKind as Kind
from contracts.editorial.moves import (
    ACTORS,
    BEGINS_REVISION,
    CARRIES_OUT,
    EDITABLE,
    MOVES,
    PERSON,
    UNSENT,
    Status,
    name_of,
    possible_acts,
)
from contracts.editorial.state import ItemState, hashes_of, is_checkpoint, people_barred
from contracts.errors import Conflict, Forbidden, Invalid, field_error
from contracts.vocabulary import REJECTIONS

_AFTER_UNIT = frozenset({Kind.EDIT, Kind.PROPOSE, Kind.APPROVE})
_SAYS_WHY = {
    Kind.RETURN: "editorial_reason_return",
    Kind.WITHDRAW: "editorial_reason_withdraw",
    Kind.COMMENT: "editorial_reason_comment",
}
"""Acts that need words, and what is said where there are none."""


def _check_chain(state: ItemState, action: Action) -> None:
    """An act names the item's last act as `prev`."""
    if action.prev != state.head:
        raise Conflict(field_error("prev", "editorial_chain"))


def _check_move(state: ItemState, action: Action) -> None:
    """`MOVES` has the act for the status."""
    if (state.status, action.kind) not in MOVES:
        words = {"kind": name_of(action.kind), "status": name_of(state.status or "new")}
        possible = possible_acts(state.status)
        raise Conflict(field_error("kind", "editorial_move", possible=possible, **words))


def _check_way(state: ItemState, action: Action) -> None:
    """A text is given up before it is sent, and rejected after."""
    if action.kind is Kind.REJECT and (action.code == GIVEN_UP) != (state.status in UNSENT):
        status = name_of(state.status or "new")
        raise Conflict(field_error("kind", "editorial_way", status=status))


def _check_actor(state: ItemState, action: Action) -> None:  # noqa: ARG001
    """A named person, a unit's system or a rule acts, as the table of actors says.

    A rule withdraws only what it keeps back at its time, and no person says that of a text.
    """
    actor = action.role if action.role in (UNIT_SYSTEM, RULE) else PERSON
    keeps_back = actor == RULE and action.kind is Kind.WITHDRAW
    if actor not in ACTORS[action.kind] or keeps_back != (action.code == WITHHELD):
        words = {"kind": name_of(action.kind), "value": name_of(actor)}
        raise Forbidden(field_error("role", "editorial_role", **words))
    if not text.name_key(action.by):
        raise Invalid(field_error("by", "editorial_name"))


def _check_unit(state: ItemState, action: Action) -> None:
    """A unit's system sends and withdraws texts of its own unit, and acts under the unit's name."""
    concerned = action.text or state.text
    if action.role == UNIT_SYSTEM and concerned and action.by != concerned.unit:
        raise Forbidden(field_error("by", "editorial_unit", value=action.by, unit=concerned.unit))


def _check_revision(state: ItemState, action: Action) -> None:
    """An act concerns the newest revision, or begins a higher one; a draft keeps its number.

    The revision that is out may also be withdrawn while a newer text waits.
    """
    number, begins = action.revision, action.kind in BEGINS_REVISION
    if begins and (action.kind is Kind.RECEIVE or state.status not in UNSENT):
        fits = number > state.revision
    else:
        is_older = _is_carried_out(state, action) or _is_taken_back(state, action)
        fits = number == state.revision or is_older
    if not fits:
        raise Conflict(field_error("revision", "editorial_revision", value=number))


def _check_text(state: ItemState, action: Action) -> None:
    """An act carries the text that it changes, and names the hash of the text it concerns."""
    if action.kind in BEGINS_REVISION and action.text is None:
        raise Invalid(field_error("text", "missing"))
    changes = action.kind in BEGINS_REVISION | {Kind.EDIT}
    if action.text is not None and not changes:
        raise Invalid(field_error("text", "editorial_text_unchanged", kind=name_of(action.kind)))
    if action.hash != _hash_concerned(state, action):
        raise Conflict(field_error("hash", "editorial_hash"))


def _check_rule(state: ItemState, action: Action) -> None:  # noqa: ARG001
    """A rule approves only what a unit's system sends."""
    if action.rule and (action.kind is not Kind.RECEIVE or action.rule != AUTOMATIC_RELEASE):
        raise Forbidden(field_error("rule", "editorial_rule", value=action.rule))


def _check_edit(state: ItemState, action: Action) -> None:
    """An edit changes the text, or takes one that is not proposed yet."""
    if action.kind is not Kind.EDIT:
        return
    if action.text is None and state.status not in EDITABLE:
        raise Invalid(field_error("text", "missing"))
    if action.text is not None and action.hash == state.hash:
        raise Invalid(field_error("text", "editorial_text_same"))


def _check_reason(state: ItemState, action: Action) -> None:  # noqa: ARG001
    """Require a reason of each step back, down or away; a code is one of `rejections.toml`.

    A text that is not sent is given up, which needs none.
    """
    note = text.squeeze(action.note)
    if action.kind in _SAYS_WHY and not note:
        raise Invalid(field_error("note", _SAYS_WHY[action.kind]))
    is_known = action.code in {*REJECTIONS, GIVEN_UP} or bool(note and not action.code)
    if action.kind is Kind.REJECT and not is_known:
        raise Invalid(field_error("code", "editorial_code"))


def _check_author(state: ItemState, action: Action) -> None:
    """A text that is not sent is given up by who wrote it."""
    if action.kind is not Kind.REJECT or state.status not in UNSENT:
        return
    if not hashes_of(state, {action.by}) & hashes_of(state, state.writers):
        raise Forbidden(field_error("by", "editorial_not_own"))


def _check_checkpoints(state: ItemState, action: Action) -> None:
    """Before an approval, the unit and the Center each said that nothing secret is in the text.

    An editor waits for the unit. Of a text that came from a unit's system and that no editor
    changed, and of one that was edited after its proposal, who approves says it.
    """
    if action.kind not in _AFTER_UNIT:
        return
    is_checked = action.kind is not Kind.APPROVE or _is_answered_for(state, action)
    if not (state.unit_checker and is_checked):
        raise Forbidden(field_error("kind", "editorial_unchecked"))


def _is_answered_for(state: ItemState, action: Action) -> bool:
    """Whether the Center answers for a text, by its proposal or by the approval itself."""
    reads_it_whole = state.status is Status.SUBMITTED and not state.last_editor
    promises = state.status is Status.PENDING_APPROVAL and action.is_clean
    return bool(state.center_checker or reads_it_whole or promises)


def _check_promise(state: ItemState, action: Action) -> None:
    """Who answers for a text says so; acts of an earlier version did not keep it."""
    if is_checkpoint(action.kind, state) and action.is_clean is False:
        raise Invalid(field_error("clean", "editorial_clean"))


def _check_people(state: ItemState, action: Action) -> None:
    """A person approves and confirms no text of their own, and checks no text twice.

    Their own is what they wrote or sent in, and for an approval what they checked or edited last.
    Who wrote the text that readers have does not withdraw it, but asks for that. A person is known
    by an account's id as well as by its name.
    """
    own = hashes_of(state, {action.by}) | {action.name_hash}
    if (own & hashes_of(state, _barred(state, action))) - {""}:
        raise Forbidden(field_error("by", "editorial_own"))


def _check_approval(state: ItemState, action: Action) -> None:
    """Only an approved text goes out."""
    if action.kind not in (Kind.SCHEDULE, Kind.PUBLISH) or action.revision in state.approved:
        return
    is_published = action.revision in state.published
    code = "editorial_published" if is_published else "editorial_unapproved"
    raise Conflict(field_error("revision", code, value=action.revision))


def _barred(state: ItemState, action: Action) -> frozenset[str]:
    is_own_system = action.kind is Kind.WITHDRAW and action.role == UNIT_SYSTEM
    return frozenset() if is_own_system else people_barred(state, action.kind)


def _is_carried_out(state: ItemState, action: Action) -> bool:
    return action.kind in CARRIES_OUT and action.revision in state.approved


def _is_taken_back(state: ItemState, action: Action) -> bool:
    """Whether an act withdraws what readers have, or are about to have, behind a newer text."""
    is_taken = action.kind is Kind.WITHDRAW and action.revision in state.going_out
    return is_taken and state.out <= action.revision < state.revision


def _hash_concerned(state: ItemState, action: Action) -> str:
    return action.text.hash if action.text else state.hash_of(action.revision)


Rule = Callable[[ItemState, Action], None]
RULES: tuple[Rule, ...] = (
    *(_check_chain, _check_actor, _check_move, _check_way, _check_unit),
    *(_check_revision, _check_text, _check_rule, _check_edit, _check_reason),
    *(_check_author, _check_promise, _check_checkpoints, _check_people, _check_approval),
)
"""Rules that every act has to keep; each refuses by raising."""
