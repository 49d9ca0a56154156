"""The state of an item: a pure fold over its acts, whose moves and rules are tables.

A text may be approved only by a person who did not write, send or last edit it, under the hash that
is read, and only after the unit and the Center each said by name that nothing secret is in it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from contracts import text
from contracts.catalog import load_texts
from contracts.editorial.action import (
    AUTOMATIC_RELEASE,
    GIVEN_UP,
    RULE,
    UNIT_SYSTEM,
    Action,
    EditorialText,
    name_hash,
)
from contracts.editorial.action import ActionKind as Kind
from contracts.errors import Bilingual, Conflict, Forbidden, Invalid, field_error
from contracts.vocabulary import REJECTIONS


class Status(StrEnum):
    """Where the newest revision of an item is.

    No act expires a text: what is out is shown as expired once its own time is over.
    """

    DRAFT = "draft"
    SUBMITTED = "submitted"
    UNIT_CONFIRMED = "unit_confirmed"
    IN_EDIT = "in_edit"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    RETURNED = "returned"
    REJECTED = "rejected"


_S = Status
_UNDECIDED = frozenset({_S.SUBMITTED, _S.UNIT_CONFIRMED, _S.IN_EDIT, _S.PENDING_APPROVAL})
"""A text waits for a person of the unit or of the Center."""
_ACCEPTED = frozenset({_S.APPROVED, _S.SCHEDULED})
OUT = frozenset({_S.PUBLISHED, _S.CORRECTED})
"""Readers have the newest text, or will from its time on."""
_ENDED = frozenset({_S.WITHDRAWN, _S.REJECTED})
UNSENT = frozenset({_S.DRAFT, _S.RETURNED})
"""A text is with the person who writes it."""
_EDITABLE = frozenset({_S.SUBMITTED, _S.UNIT_CONFIRMED, _S.IN_EDIT})
"""An editor may take a text here and leave it as it is; the unit has confirmed it."""
_ANY = frozenset(Status) - {_S.EXPIRED}
_NEW = frozenset({None})


_NAMES_FILE = Path(__file__).with_name("names.toml")


def name_of(word: str) -> Bilingual:
    """A status or an act in both languages."""
    return Bilingual(**load_texts(_NAMES_FILE)[word])


def _moves(
    kind: Kind, sources: Iterable[Status | None], target: Status | None
) -> dict[tuple[Status | None, Kind], Status | None]:
    """Moves of *kind* from each of *sources*; without a target the status stays."""
    return {(source, kind): target or source for source in sources}


MOVES: Mapping[tuple[Status | None, Kind], Status | None] = {
    **_moves(Kind.RECEIVE, _ANY | _NEW, _S.SUBMITTED),
    **_moves(Kind.SAVE, UNSENT | OUT | _ENDED | _NEW, _S.DRAFT),
    **_moves(Kind.SUBMIT, UNSENT, _S.SUBMITTED),
    **_moves(Kind.CONFIRM, {_S.SUBMITTED}, _S.UNIT_CONFIRMED),
    **_moves(Kind.EDIT, _EDITABLE, _S.IN_EDIT),
    **_moves(Kind.EDIT, {_S.PENDING_APPROVAL, _S.APPROVED}, _S.PENDING_APPROVAL),
    **_moves(Kind.PROPOSE, _EDITABLE, _S.PENDING_APPROVAL),
    **_moves(Kind.APPROVE, {_S.SUBMITTED, _S.PENDING_APPROVAL}, _S.APPROVED),
    **_moves(Kind.SCHEDULE, {_S.APPROVED}, _S.SCHEDULED),
    **_moves(Kind.PUBLISH, _ANY - _ACCEPTED, None),
    **_moves(Kind.PUBLISH, _ACCEPTED, _S.PUBLISHED),
    **_moves(Kind.RETURN, _UNDECIDED, _S.RETURNED),
    **_moves(Kind.REJECT, _UNDECIDED | UNSENT, _S.REJECTED),
    **_moves(Kind.SETTLE, {_S.REJECTED}, None),
    **_moves(Kind.SUPERSEDE, _ANY - _UNDECIDED - _ACCEPTED, None),
    **_moves(Kind.SUPERSEDE, _UNDECIDED | _ACCEPTED, _S.REJECTED),
    **_moves(Kind.WITHDRAW, _ANY - {_S.WITHDRAWN}, _S.WITHDRAWN),
    **_moves(Kind.COMMENT, _ANY, None),
}
"""The status after an act, by the status before it; an act without a row is refused."""


def changing_act(status: Status | None) -> Kind:
    """The act that changes a text of *status*: an edit on its way to readers, else a save."""
    return Kind.EDIT if (status, Kind.EDIT) in MOVES else Kind.SAVE


_PERSON = "person"
_BY_PERSON = frozenset({_PERSON})
_ACTORS: Mapping[Kind, frozenset[str]] = {
    **dict.fromkeys(Kind, _BY_PERSON),
    Kind.RECEIVE: frozenset({UNIT_SYSTEM}),
    Kind.REJECT: frozenset({_PERSON, RULE}),
    Kind.SCHEDULE: frozenset({_PERSON, RULE}),
    Kind.PUBLISH: frozenset({RULE}),
    Kind.SETTLE: frozenset({RULE}),
    Kind.SUPERSEDE: frozenset({RULE}),
    Kind.WITHDRAW: frozenset({_PERSON, UNIT_SYSTEM}),
}
"""The kind of actor for each act: a unit's system, a rule of Loa, or a person of any role."""

_BEGINS_REVISION = frozenset({Kind.RECEIVE, Kind.SAVE})
_KEEPS_WRITERS = {Kind.RECEIVE: UNSENT, Kind.SAVE: _ANY - OUT}
"""By the act that brings a text: the statuses whose text it may be made of."""
_AFTER_UNIT = frozenset({Kind.EDIT, Kind.PROPOSE, Kind.APPROVE})
_SAYS_WHY = frozenset({Kind.RETURN, Kind.WITHDRAW, Kind.COMMENT})
_CARRIES_OUT = frozenset({Kind.PUBLISH, Kind.SUPERSEDE})
"""Acts that may concern an approved revision which a newer one has followed."""


@dataclass(frozen=True)
class ItemState:
    """An item after its acts. `after` gives the next state, or refuses the act.

    `status` says where the newest revision is, `out` which revision readers have (0: none), and
    `ended` up to which revision a withdrawal took all from readers.
    `last_change`: the act that brought the present status or text.
    `writers_of`: who wrote or sent each revision. `wrote`: who wrote each text, by its hash.
    `name_hashes`: of the names that the accounts had, by their ids.
    `approved`: the texts that were approved and are not yet out, by revision. `published`: the
    hashes of those that were. `by_rule`: the revisions that a rule approved. `settled`: the newest
    revision whose rejection is carried out.
    `head`: the digest of the last act.
    """

    status: Status | None = None
    revision: int = 0
    text: EditorialText | None = None
    hash: str = ""
    last_change: Action | None = None
    writers_of: Mapping[int, frozenset[str]] = field(default_factory=dict)
    wrote: Mapping[str, frozenset[str]] = field(default_factory=dict)
    name_hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    last_editor: str = ""
    unit_checker: str = ""
    center_checker: str = ""
    approved: Mapping[int, EditorialText] = field(default_factory=dict)
    published: Mapping[int, str] = field(default_factory=dict)
    by_rule: frozenset[int] = frozenset()
    out: int = 0
    ended: int = 0
    settled: int = 0
    head: str = ""
    ids: frozenset[str] = frozenset()

    def after(self, action: Action) -> "ItemState":
        """The state after *action*; itself after a repeat.

        Raises Conflict for an act that does not fit the chain, the status or the text, Forbidden
        for a person who may not, Invalid for what is missing.
        """
        if action.id in self.ids:
            return self
        for rule in RULES:
            rule(self, action)
        known = replace(self, head=action.digest, ids=self.ids | {action.id})
        return _apply(known, action, _status_after(self, action))

    @property
    def writers(self) -> frozenset[str]:
        """Who wrote or sent the newest revision."""
        return self.writers_of.get(self.revision, frozenset())

    @property
    def going_out(self) -> frozenset[int]:
        """The revisions that are out or approved, and that no withdrawal has reached."""
        return frozenset(one for one in {*self.published, *self.approved} if one > self.ended)

    def hash_of(self, revision: int) -> str:
        """The hash of a revision's text; empty for one that is neither newest nor approved."""
        if revision == self.revision:
            return self.hash
        approved = self.approved.get(revision)
        return approved.hash if approved else self.published.get(revision, "")

    def has_approved(self, hash: str) -> bool:
        """Whether a text was approved, and waits to go out or has gone."""
        return hash in {*self.published.values(), *(one.hash for one in self.approved.values())}

    @property
    def is_undecided(self) -> bool:
        """Whether the newest revision waits for a person."""
        return self.status in _UNDECIDED

    @property
    def has_open_rejection(self) -> bool:
        """Whether the newest revision was rejected, and that is to be carried out."""
        is_rejected = self.last_change is not None and self.last_change.kind is Kind.REJECT
        return is_rejected and self.settled < self.revision

    @property
    def is_given_up(self) -> bool:
        """Whether who wrote the newest revision gave it up before it was sent."""
        return self.last_change is not None and self.last_change.code == GIVEN_UP

    @property
    def is_unfinished(self) -> bool:
        """Whether a person or Loa has to act, or a decision is to be carried out."""
        return self.is_undecided or bool(self.approved) or self.has_open_rejection


def fold(actions: Iterable[Action]) -> ItemState:
    """The state after *actions*, in their order. Raises as `ItemState.after`."""
    state = ItemState()
    for action in actions:
        state = state.after(action)
    return state


def check_chain(state: ItemState, action: Action) -> None:
    """An act names the item's last act as `prev`."""
    if action.prev != state.head:
        raise Conflict(field_error("prev", "editorial_chain"))


def _check_move(state: ItemState, action: Action) -> None:
    """`MOVES` has the act for the status."""
    if (state.status, action.kind) not in MOVES:
        words = {"kind": name_of(action.kind), "status": name_of(state.status or "new")}
        possible = _possible_acts(state.status)
        raise Conflict(field_error("kind", "editorial_move", possible=possible, **words))


def _check_way(state: ItemState, action: Action) -> None:
    """A text is given up before it is sent, and rejected after."""
    if action.kind is Kind.REJECT and (action.code == GIVEN_UP) != (state.status in UNSENT):
        status = name_of(state.status or "new")
        raise Conflict(field_error("kind", "editorial_way", status=status))


def _possible_acts(status: Status | None) -> Bilingual:
    """What a person may do to an item of *status*, in both languages."""
    kinds = [one for one in Kind if (status, one) in MOVES and _PERSON in _ACTORS[one]]
    names = [name_of(one) for one in kinds]
    return Bilingual(*(", ".join(words) for words in zip(*names, strict=True)))


def check_actor(state: ItemState, action: Action) -> None:  # noqa: ARG001
    """A named person, a unit's system or a rule acts, as the table of actors says."""
    actor = action.role if action.role in (UNIT_SYSTEM, RULE) else _PERSON
    if actor not in _ACTORS[action.kind]:
        words = {"kind": name_of(action.kind), "value": name_of(actor)}
        raise Forbidden(field_error("role", "editorial_role", **words))
    if not text.name_key(action.by):
        raise Invalid(field_error("by", "editorial_name"))


def check_unit(state: ItemState, action: Action) -> None:
    """A unit's system sends and withdraws texts of its own unit, and acts under the unit's name."""
    concerned = action.text or state.text
    if action.role == UNIT_SYSTEM and concerned and action.by != concerned.unit:
        raise Forbidden(field_error("by", "editorial_unit", value=action.by, unit=concerned.unit))


def check_revision(state: ItemState, action: Action) -> None:
    """An act concerns the newest revision, or begins a higher one; a draft keeps its number.

    The revision that is out may also be withdrawn while a newer text waits.
    """
    number, begins = action.revision, action.kind in _BEGINS_REVISION
    if begins and (action.kind is Kind.RECEIVE or state.status not in UNSENT):
        fits = number > state.revision
    else:
        is_older = _is_carried_out(state, action) or _is_taken_back(state, action)
        fits = number == state.revision or is_older
    if not fits:
        raise Conflict(field_error("revision", "editorial_revision", value=number))


def check_text(state: ItemState, action: Action) -> None:
    """An act carries the text that it changes, and names the hash of the text it concerns."""
    if action.kind in _BEGINS_REVISION and action.text is None:
        raise Invalid(field_error("text", "missing"))
    changes = action.kind in _BEGINS_REVISION | {Kind.EDIT}
    if action.text is not None and not changes:
        raise Invalid(field_error("text", "editorial_text_unchanged", kind=name_of(action.kind)))
    if action.hash != _hash_concerned(state, action):
        raise Conflict(field_error("hash", "editorial_hash"))


def check_rule(state: ItemState, action: Action) -> None:  # noqa: ARG001
    """A rule approves only what a unit's system sends."""
    if action.rule and (action.kind is not Kind.RECEIVE or action.rule != AUTOMATIC_RELEASE):
        raise Forbidden(field_error("rule", "editorial_rule", value=action.rule))


def check_edit(state: ItemState, action: Action) -> None:
    """An edit changes the text, or takes one that is not proposed yet."""
    if action.kind is not Kind.EDIT:
        return
    if action.text is None and state.status not in _EDITABLE:
        raise Invalid(field_error("text", "missing"))
    if action.text is not None and action.hash == state.hash:
        raise Invalid(field_error("text", "editorial_text_same"))


def check_reason(state: ItemState, action: Action) -> None:  # noqa: ARG001
    """What goes back, down or away has a reason; a code is one of `rejections.toml`.

    A text that is not sent is given up, which needs none.
    """
    note = text.squeeze(action.note)
    if action.kind in _SAYS_WHY and not note:
        raise Invalid(field_error("note", "editorial_reason"))
    is_known = action.code in {*REJECTIONS, GIVEN_UP} or bool(note and not action.code)
    if action.kind is Kind.REJECT and not is_known:
        raise Invalid(field_error("code", "editorial_code", codes=tuple(REJECTIONS)))


def _check_author(state: ItemState, action: Action) -> None:
    """A text that is not sent is given up by who wrote it."""
    if action.kind is not Kind.REJECT or state.status not in UNSENT:
        return
    if not hashes_of(state, {action.by}) & hashes_of(state, state.writers):
        raise Forbidden(field_error("by", "editorial_not_own"))


def check_checkpoints(state: ItemState, action: Action) -> None:
    """Before an approval, the unit and the Center each said that nothing secret is in the text.

    An editor waits for the unit. Of a text that came from a unit's system and that no editor
    changed, who approves says it.
    """
    if action.kind not in _AFTER_UNIT:
        return
    reads_it_whole = state.status is _S.SUBMITTED and not state.last_editor
    is_checked = action.kind is not Kind.APPROVE or state.center_checker or reads_it_whole
    if not (state.unit_checker and is_checked):
        raise Forbidden(field_error("kind", "editorial_unchecked"))


def _check_people(state: ItemState, action: Action) -> None:
    """A person approves and confirms no text of their own, and checks no text twice.

    Their own is what they wrote or sent in, and for an approval what they checked or edited last.
    Who wrote the text that readers have does not withdraw it, but asks for that. A person is known
    by an account's id as well as by its name.
    """
    own = hashes_of(state, {action.by}) | {action.name_hash}
    if (own & hashes_of(state, _barred(state, action))) - {""}:
        raise Forbidden(field_error("by", "editorial_own"))


def check_approval(state: ItemState, action: Action) -> None:
    """Only an approved text goes out."""
    if action.kind not in (Kind.SCHEDULE, Kind.PUBLISH) or action.revision in state.approved:
        return
    is_published = action.revision in state.published
    code = "editorial_published" if is_published else "editorial_unapproved"
    raise Conflict(field_error("revision", code, value=action.revision))


Rule = Callable[[ItemState, Action], None]
RULES: tuple[Rule, ...] = (
    *(check_chain, check_actor, _check_move, _check_way, check_unit),
    *(check_revision, check_text, check_rule, check_edit, check_reason),
    *(_check_author, check_checkpoints, _check_people, check_approval),
)
"""What every act has to keep; each refuses by raising."""


def is_checkpoint(kind: Kind, state: ItemState) -> bool:
    """Whether a person answers by an act of *kind* that nothing secret is in the text.

    An approval is the Center's checkpoint of a text that came from a unit's system and that no
    editor has answered for.
    """
    is_unread = state.status is _S.SUBMITTED and bool(state.unit_checker)
    return kind in (Kind.CONFIRM, Kind.PROPOSE) or (kind is Kind.APPROVE and is_unread)


def people_barred(state: ItemState, kind: Kind) -> frozenset[str]:
    """The people who may not do an act of *kind*, because of what they did to the item before."""
    wrote = state.writers | state.wrote.get(state.hash, frozenset())
    if kind is Kind.CONFIRM:
        return wrote
    if kind is Kind.APPROVE:
        return wrote | {state.unit_checker, state.center_checker, state.last_editor}
    if kind in (Kind.EDIT, Kind.PROPOSE):
        leads_to = MOVES.get((state.status, kind))
        return frozenset({state.unit_checker}) if leads_to is _S.PENDING_APPROVAL else frozenset()
    if kind is Kind.WITHDRAW:
        return state.writers_of.get(state.out, frozenset())
    return frozenset()


def _barred(state: ItemState, action: Action) -> frozenset[str]:
    is_own_system = action.kind is Kind.WITHDRAW and action.role == UNIT_SYSTEM
    return frozenset() if is_own_system else people_barred(state, action.kind)


def hashes_of(state: ItemState, people: Iterable[str]) -> frozenset[str]:
    """Hashes of ids and names, and of the names of accounts."""
    named = (state.name_hashes.get(one, frozenset()) | {name_hash(one)} for one in people)
    return frozenset[str]().union(*named)


def _is_carried_out(state: ItemState, action: Action) -> bool:
    return action.kind in _CARRIES_OUT and action.revision in state.approved


def _is_taken_back(state: ItemState, action: Action) -> bool:
    """Whether an act withdraws what readers have, or are about to have, behind a newer text."""
    is_taken = action.kind is Kind.WITHDRAW and action.revision in state.going_out
    return is_taken and state.out <= action.revision < state.revision


def _hash_concerned(state: ItemState, action: Action) -> str:
    return action.text.hash if action.text else state.hash_of(action.revision)


def _status_after(state: ItemState, action: Action) -> Status | None:
    target = Status.SCHEDULED if action.rule else MOVES[(state.status, action.kind)]
    if action.revision != state.revision and action.kind in _CARRIES_OUT | {Kind.WITHDRAW}:
        return state.status  # an older revision; the newest one stays where it is
    return Status.CORRECTED if action.kind is Kind.PUBLISH and state.out else target


def _apply(state: ItemState, action: Action, status: Status | None) -> ItemState:
    """The state with what *action* brings."""
    if action.name_hash:
        known = state.name_hashes.get(action.by, frozenset()) | {action.name_hash}
        state = replace(state, name_hashes={**state.name_hashes, action.by: known})
    if action.kind in _BEGINS_REVISION:
        state = _begin(state, action)
    if status is not state.status or action.text is not None:
        state = replace(state, status=status, last_change=action)
    if action.text is not None:
        wrote = state.wrote.get(action.hash, frozenset()) | _named(action)
        all_texts = {**state.wrote, action.hash: wrote}
        state = replace(state, text=action.text, hash=action.hash, wrote=all_texts)
    return _EFFECTS.get(action.kind, _unchanged)(state, action)


def _unchanged(state: ItemState, action: Action) -> ItemState:  # noqa: ARG001
    return state


def _begin(state: ItemState, action: Action) -> ItemState:
    """Begin a revision with its writers, and without the checks of the revision before."""
    is_made_of_it = state.status in _KEEPS_WRITERS[action.kind] or state.is_given_up
    before = state.writers | {state.last_editor} if is_made_of_it else frozenset[str]()
    known = _with_writers(replace(state, revision=action.revision), _named(action) | before - {""})
    checked = action.by if action.kind is Kind.RECEIVE else ""
    return replace(known, last_editor="", unit_checker=checked, center_checker="")


def _named(action: Action) -> frozenset[str]:
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
    """An edited text lost its approval; an editor who changes a proposed one vouches for it."""
    if action.text is None:
        return state
    checked = action.by if state.status is _S.PENDING_APPROVAL else ""
    left = _without(state.approved, action.revision)
    return replace(state, last_editor=action.by, center_checker=checked, approved=left)


def _confirm(state: ItemState, action: Action) -> ItemState:
    return replace(state, unit_checker=action.by)


def _propose(state: ItemState, action: Action) -> ItemState:
    return replace(state, center_checker=action.by)


def _approve(state: ItemState, action: Action) -> ItemState:
    assert state.text is not None  # noqa: S101
    texts = {**state.approved, action.revision: state.text}
    return replace(state, approved=texts, center_checker=state.center_checker or action.by)


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
