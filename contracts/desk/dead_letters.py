"""Dead letters as the desk shows them, and the service that lists and ends them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from contracts.desk.person import Person
from contracts.errors import FieldError

FieldKind = Literal["line", "text", "number", "list", "json"]


class LetterFilter(NamedTuple):
    """Which letters; *field*: that is wrong; *before*: only letters with a lower number."""

    unit: str = ""
    field: str = ""
    since: datetime | None = None
    ended: bool = False
    before: int = 0


class LetterDecision(NamedTuple):
    """A decision about a letter. *by*: the person's name; *is_done*: known to be finished."""

    state: str
    at: datetime
    by: str
    reason: str = ""
    sent_to: str = ""
    is_done: bool = True


class ListedLetter(NamedTuple):
    """A letter without its message. *ended*: the decision that ended it."""

    id: int
    at: datetime
    last: datetime
    times: int
    stage: str
    unit: str
    content_id: str
    event_id: str
    errors: Sequence[FieldError]
    ended: LetterDecision | None = None


class LetterPage(NamedTuple):
    """One page of a list, newest first. *next_before*: where the next page begins, 0 at the end.

    *units* and *fields*: those of all open letters that the person may see, with their numbers.
    """

    letters: Sequence[ListedLetter]
    next_before: int
    units: Mapping[str, int]
    fields: Mapping[str, int]


class EventField(NamedTuple):
    """A field of an event in a form. *name*: as errors name it, for example `data.title`."""

    name: str
    kind: FieldKind
    value: str


class TraceLine(NamedTuple):
    """An event in the timeline of an item, in words of Vietnamese."""

    at: datetime
    what: str
    channel: str
    detail: str


@dataclass(frozen=True)
class ShownLetter:
    """A letter with its message, and what the person may do to it.

    *fields*: of its event; empty for a message that is no JSON object. *left_out*: parts that were
    never stored, because they may hold a contact. *whole*: the message as text. *trace*: what
    became of its item, for a person who may see items of the unit.
    """

    letter: ListedLetter
    decisions: Sequence[LetterDecision]
    left_out: Sequence[str]
    fields: Sequence[EventField]
    whole: str
    trace: Sequence[TraceLine]
    may_edit: bool
    may_replay: bool
    may_discard: bool


@dataclass(frozen=True)
class CorrectedLetter:
    """A corrected event that is valid and not sent yet; *difference*: its changed lines."""

    letter: ListedLetter
    difference: Sequence[str]


class DeadLetterService(Protocol):
    """Dead letters at the desk. Every method raises BusError.

    Of a letter: Invalid for an unknown one, Forbidden for one that the person may not see.
    """

    async def page(self, person: Person, wanted: LetterFilter) -> LetterPage: ...
    async def show(self, person: Person, id: int) -> ShownLetter: ...
    async def check(self, person: Person, id: int, fields: Mapping[str, str]) -> CorrectedLetter:
        """Event that *fields* would send. Raises ContractError for one that is still broken."""
        ...

    async def edit(self, person: Person, id: int, fields: Mapping[str, str], reason: str) -> None:
        """Send the corrected event in the original's place. Raises as `check`."""
        ...

    async def replay(self, person: Person, id: int, reason: str) -> None:
        """Send the original again. Raises ContractError for a letter that can't be."""
        ...

    async def discard(self, person: Person, id: int, reason: str) -> None:
        """Give a letter up. Raises Invalid without a reason."""
        ...
