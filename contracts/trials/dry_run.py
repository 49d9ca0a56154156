"""The outlook of an event that the door would take: what follows, and whom it would reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from contracts.errors import FieldError
from contracts.events import CheckedEvent

Release = Literal["automatic", "desk", "rule"]
"""At once, by a person, or by a rule that may ask for a person."""


@dataclass(frozen=True)
class Outlook:
    """The outlook of one event. `refusals`: of intake, after the door has taken the event."""

    revision: int | None
    refusals: Sequence[FieldError] = ()
    release: Release | None = None
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    previews: Mapping[str, str] = field(default_factory=dict)


class DryRuns(Protocol):
    """Says what would become of an event, and stores nothing. Raises BusError, Unavailable."""

    async def with_readers(self) -> Self:
        """The same with the readers as they are counted now, for the events of one request."""
        ...

    async def of_event(self, checked: CheckedEvent, mode: str, *, previews: bool) -> Outlook:
        """The outlook of a new event in earnest, of a unit with this release mode."""
        ...

    async def of_trial(self, checked: CheckedEvent, *, previews: bool) -> Outlook:
        """The outlook of a new trial."""
        ...
