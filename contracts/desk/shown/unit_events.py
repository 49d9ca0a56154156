"""The events and trials of a unit as its page at the desk shows them, and how many came."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from contracts.errors import FieldError
from contracts.events import KindName
from contracts.trace import TraceState
from contracts.trials.faces import TrialFace


class UnitEvent(NamedTuple):
    """An event that Loa has stored. *letter*: the dead letter that it became; 0 for none.

    *event_id*, *content_id* and *revision* are empty where the message could not be read.
    """

    at: datetime
    kind: KindName
    event_id: str
    content_id: str
    revision: int | None
    state: TraceState
    errors: Sequence[FieldError] = ()
    letter: int = 0
    place: int = 0
    """Of what was sent in earnest its sequence in CONTENT, of a trial that of its last change."""
    faces: Sequence[str] = ()
    """Of a trial: the names of what each channel would show of it."""


class UnitEventPage(NamedTuple):
    """Events, newest first. `next_before`: where older ones go on; 0 at the end."""

    events: Sequence[UnitEvent]
    next_before: int = 0


class UnitUse(NamedTuple):
    """How many events of a unit came in the last minute, and since midnight in Vietnam."""

    minute: int
    today: int


class UnitEventPages(Protocol):
    """The events of 30 days by pages, for the unit itself. Every method raises BusError."""

    async def page(self, unit: str, before: int, limit: int) -> UnitEventPage:
        """At most *limit* events whose place is lower than *before*, if that is given."""
        ...

    async def days(self, unit: str) -> Mapping[date, int]:
        """How many events came on each day in Vietnam, the newest first."""
        ...


class UnitEventService(Protocol):
    """The events of units. Every method raises BusError."""

    async def recent(self, unit: str, before: int = 0) -> UnitEventPage:
        """A page of the events of the last 30 days, of those before a place if it is given."""
        ...

    async def use(self, unit: str) -> UnitUse: ...


class UnitTrialService(Protocol):
    """The trials of units. Every method raises BusError."""

    async def recent(self, unit: str) -> Sequence[UnitEvent]:
        """The trials that are kept, newest first; a page of them at most."""
        ...

    async def guests(self, unit: str) -> Sequence[str]:
        """The masked addresses of those who get a unit's trials."""
        ...

    async def face(self, unit: str, event_id: str, name: str) -> TrialFace | None:
        """A face of a trial; None for one that is not there."""
        ...
