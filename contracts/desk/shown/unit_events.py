"""The events of a unit as its page at the desk shows them, and how many came."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from contracts.errors import FieldError
from contracts.events import KindName
from contracts.trace import TraceState


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


class UnitUse(NamedTuple):
    """How many events of a unit came in the last minute, and since midnight in Vietnam."""

    minute: int
    today: int


class UnitEventService(Protocol):
    """The events of units. Every method raises BusError."""

    async def recent(self, unit: str) -> Sequence[UnitEvent]:
        """The events of the last 30 days, newest first; a page of them at most."""
        ...

    async def use(self, unit: str) -> UnitUse: ...
