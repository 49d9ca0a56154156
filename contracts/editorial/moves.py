"""Where an item's newest revision can be, and the acts that move it from there."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from contracts.catalog import load_texts
from contracts.editorial.action import RULE, UNIT_SYSTEM
from contracts.editorial.action import ActionKind as Kind
from contracts.errors import Bilingual


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
UNDECIDED = frozenset({_S.SUBMITTED, _S.UNIT_CONFIRMED, _S.IN_EDIT, _S.PENDING_APPROVAL})
"""A text waits for a person of the unit or of the Center."""
_ACCEPTED = frozenset({_S.APPROVED, _S.SCHEDULED})
OUT = frozenset({_S.PUBLISHED, _S.CORRECTED})
"""Readers have the newest text, or will from its time on."""
_ENDED = frozenset({_S.WITHDRAWN, _S.REJECTED})
UNSENT = frozenset({_S.DRAFT, _S.RETURNED})
"""A text is with the person who writes it."""
EDITABLE = frozenset({_S.SUBMITTED, _S.UNIT_CONFIRMED, _S.IN_EDIT})
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
    **_moves(Kind.EDIT, EDITABLE, _S.IN_EDIT),
    **_moves(Kind.EDIT, {_S.PENDING_APPROVAL, _S.APPROVED}, _S.PENDING_APPROVAL),
    **_moves(Kind.PROPOSE, EDITABLE, _S.PENDING_APPROVAL),
    **_moves(Kind.APPROVE, {_S.SUBMITTED, _S.PENDING_APPROVAL}, _S.APPROVED),
    **_moves(Kind.SCHEDULE, {_S.APPROVED}, _S.SCHEDULED),
    **_moves(Kind.PUBLISH, _ANY - _ACCEPTED, None),
    **_moves(Kind.PUBLISH, _ACCEPTED, _S.PUBLISHED),
    **_moves(Kind.RETURN, UNDECIDED, _S.RETURNED),
    **_moves(Kind.REJECT, UNDECIDED | UNSENT, _S.REJECTED),
    **_moves(Kind.SETTLE, {_S.REJECTED}, None),
    **_moves(Kind.SUPERSEDE, _ANY - UNDECIDED - _ACCEPTED, None),
    **_moves(Kind.SUPERSEDE, UNDECIDED | _ACCEPTED, _S.REJECTED),
    **_moves(Kind.WITHDRAW, _ANY - {_S.WITHDRAWN}, _S.WITHDRAWN),
    **_moves(Kind.COMMENT, _ANY, None),
}
"""The status after an act, by the status before it; an act without a row is refused."""


def changing_act(status: Status | None) -> Kind:
    """The act that changes a text of *status*: an edit on its way to readers, else a save."""
    return Kind.EDIT if (status, Kind.EDIT) in MOVES else Kind.SAVE


PERSON = "person"
_BY_PERSON = frozenset({PERSON})
ACTORS: Mapping[Kind, frozenset[str]] = {
    **dict.fromkeys(Kind, _BY_PERSON),
    Kind.RECEIVE: frozenset({UNIT_SYSTEM}),
    Kind.REJECT: frozenset({PERSON, RULE}),
    Kind.SCHEDULE: frozenset({PERSON, RULE}),
    Kind.PUBLISH: frozenset({RULE}),
    Kind.SETTLE: frozenset({RULE}),
    Kind.SUPERSEDE: frozenset({RULE}),
    Kind.WITHDRAW: frozenset({PERSON, UNIT_SYSTEM, RULE}),
}
"""The kind of actor for each act: a unit's system, a rule of Loa, or a person of any role."""

BEGINS_REVISION = frozenset({Kind.RECEIVE, Kind.SAVE})
CARRIES_OUT = frozenset({Kind.PUBLISH, Kind.SUPERSEDE})
"""Acts that may concern an approved revision which a newer one has followed."""


def possible_acts(status: Status | None) -> Bilingual:
    """Acts that are open to a person on an item of *status*, in both languages."""
    kinds = [one for one in Kind if (status, one) in MOVES and PERSON in ACTORS[one]]
    names = [name_of(one) for one in kinds]
    return Bilingual(*(", ".join(words) for words in zip(*names, strict=True)))
