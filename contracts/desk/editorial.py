"""An item at the desk: what a person sees of it, and what that person orders."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from contracts.desk.index import ItemFilter
from contracts.desk.shown.internal_change import is_internal_change
from contracts.desk.shown.planned_time import is_moved
from contracts.desk.shown.readership import Readership
from contracts.desk.shown.status import PAST
from contracts.desk.shown.text_times import NOT_BEFORE
from contracts.editorial import UNSENT, ActionKind, Status
from contracts.editorial.action import GIVEN_UP, NOT_RELEASED
from contracts.errors import FieldError


class Order(NamedTuple):
    """An act that a person orders on the text that was shown.

    `act_id`: the same for a repeat of the order, as when a button is pressed twice. `hash`: of the
    text that was shown; for a withdrawal, of the one that it takes back. `data`: the new text's
    fields, where the act changes the text.
    """

    content_id: str
    kind: ActionKind
    act_id: str
    hash: str = ""
    data: Mapping[str, Any] | None = None
    note: str = ""
    code: str = ""
    place: int | None = None
    title: str = ""
    """For a withdrawal: what readers read in place of the item's title."""
    short_title: str = ""
    """The same on Zalo, in fewer words."""
    is_clean: bool = False
    """The person has checked that the text holds nothing secret and no personal data."""


class NewItem(NamedTuple):
    """A text that no item has yet. `act_id` as in `Order`.

    `content_id`: the item's, where the text decides it, as the number of a bulletin's issue does.
    """

    unit: str
    act_id: str
    data: Mapping[str, Any]
    content_id: str = ""


class ActLine(NamedTuple):
    """An act as a history shows it. `who`: the name of a person, of a unit, or of Loa."""

    at: datetime
    who: str
    role: str
    kind: ActionKind
    revision: int
    hash: str
    note: str = ""
    code: str = ""
    place: int | None = None
    agreed: tuple[str, ...] = ()
    """The names of those who had agreed before, where no line of their own says when."""
    rule: str = ""
    """The rule that approved what the unit's system sent."""
    begins: datetime | None = None
    """From when on readers have what was published, where that is later."""
    is_agreement: bool = False
    """The person agreed to the act, which another one had to do as well."""


@dataclass(frozen=True)
class ItemView:
    """An item as one person sees it.

    `status`: with the times of the text; `stored_status`: that of the last act.
    `readers`: what readers have now.
    `data`: the newest text; `out_data`: the text that readers have; `out_hash`: of the one that
    they have, or will have, and that a withdrawal takes back; `sent_data`: the newest text as its
    unit sent it. `possible`: what the person may do now. `barred`: why the person may not do
    what another may. `agreed`: who has approved it already, where it takes two; `has_agreed`: that
    the person has, and `may_agree` who else may. `is_checked_by_approval`: no editor has answered
    for the text, so that who approves it does.
    """

    content_id: str
    status: Status
    stored_status: Status
    revision: int
    unit: str
    hash: str
    data: Mapping[str, Any]
    is_correction: bool = False
    readers: Readership = field(default_factory=Readership)
    out: int = 0
    out_hash: str = ""
    out_data: Mapping[str, Any] | None = None
    sent_data: Mapping[str, Any] | None = None
    possible: frozenset[ActionKind] = frozenset()
    barred: Mapping[ActionKind, str] = field(default_factory=dict)
    history: tuple[ActLine, ...] = ()
    agreed: tuple[str, ...] = ()
    has_agreed: bool = False
    may_agree: tuple[str, ...] = ()
    is_checked_by_approval: bool = False
    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """All texts that the item has had, by their hashes."""

    @property
    def is_move(self) -> bool:
        """Whether the text is the one that is out or planned, at another time."""
        before = self.out_data or {}
        return bool(before) and is_moved(before, self.data)

    @property
    def is_internal(self) -> bool:
        """Whether the newest text changes the plan alone: readers keep what they have."""
        if self.revision == self.out:
            return any(one.code == NOT_RELEASED for one in self._acts_of_newest)
        return is_internal_change(self.out_data or {}, self.data)

    @property
    def _acts_of_newest(self) -> Iterable[ActLine]:
        return (one for one in self.history if one.revision == self.revision)

    @property
    def title(self) -> str:
        return str(self.data.get("title", ""))

    @property
    def is_given_up(self) -> bool:
        """Whether who wrote the text gave it up before it was sent."""
        decisions = [one for one in self.history if one.kind is ActionKind.REJECT]
        is_rejected = self.stored_status is Status.REJECTED
        return is_rejected and bool(decisions) and decisions[-1].code == GIVEN_UP

    @property
    def may_give_up(self) -> bool:
        """Whether the person may give the text up before it is sent."""
        return self.stored_status in UNSENT and ActionKind.REJECT in self.possible

    @property
    def is_editable(self) -> bool:
        return bool(self.possible & {ActionKind.SAVE, ActionKind.EDIT})

    @property
    def is_movable(self) -> bool:
        """Whether the person may change the time at which the text leaves."""
        is_planned = bool(self.data.get(NOT_BEFORE) or self.out)
        return self.is_editable and is_planned and self.status not in PAST

    @property
    def remarks(self) -> tuple[ActLine, ...]:
        """Remarks on the newest revision, oldest first."""
        return tuple(one for one in self._acts_of_newest if one.kind is ActionKind.COMMENT)


class PersonAtDesk(Protocol):
    """The desk as one person sees and uses it. Every method raises BusError."""

    async def view(self, content_id: str) -> ItemView:
        """Raises NotFound, and Forbidden for an item that the person may not read."""
        ...

    async def require_readable(self, content_id: str) -> None:
        """Raises Forbidden for an item that the person may not read; an unknown id passes."""
        ...

    async def refusals(self, item: ItemView) -> Mapping[ActionKind, Sequence[FieldError]]:
        """Fields that the newest text lacks for each act of the person on its way to readers.

        The same rules refuse the act. An act without an entry lacks nothing.
        """
        ...

    async def begin(self, new: NewItem) -> str:
        """Save a new item; returns its content_id.

        Raises Forbidden, Invalid, BegunBefore, Conflict.
        """
        ...

    async def perform(self, order: Order) -> bool:
        """Do an act; False if it waits for a second person.

        Raises NotFound, Forbidden, Conflict, Invalid.
        """
        ...

    @property
    def waiting(self) -> ItemFilter:
        """Items that wait for the person, most urgent first."""
        ...

    @property
    def unsent(self) -> ItemFilter:
        """The person's drafts and returned texts."""
        ...

    @property
    def own(self) -> ItemFilter:
        """Items that the person wrote, sent, checked or edited."""
        ...

    @property
    def readable(self) -> ItemFilter:
        """Items that the person may read."""
        ...

    def writable_units(self) -> Sequence[str]:
        """The units for which the person may write."""
        ...


class EditorialService(Protocol):
    """The items of the desk, for the people who are signed in."""

    def of(self, person: Any) -> PersonAtDesk: ...
