"""The outlook of an event that the door would take: what follows, and whom it would reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Field

from contracts.errors import FieldError, FieldWarning
from contracts.events import CheckedEvent
from contracts.trace import EVENT_ID_PATTERN, OnlyIfTrue, ResponseBody

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


class Quota(ResponseBody):
    """A unit's quota of events, as the process that answers counts it."""

    per_minute: int
    """The events that it may send in the long run."""
    at_once: int
    """The events that it may send at once."""
    left: int
    """The events that it may send now."""


class ExpectedEvent(ResponseBody):
    """The expected outcome of one event."""

    event_id: Annotated[str, Field(pattern=EVENT_ID_PATTERN)]
    """Loa's name of the event."""
    content_id: str
    """The item that the event is about."""
    revision: int | None
    """The position that it would get in its item."""
    is_known: bool
    """Whether the same event was accepted before: a repeat changes nothing."""
    refusals: list[FieldError]
    """Why it would be refused after its acceptance, by the item's history; empty: it would not."""
    warnings: list[FieldWarning]
    """Differences between the sent text and the one that readers would see."""
    release: Release | None
    """automatic, desk (a person), or rule (a rule may ask for a person); null if there is none."""
    lane: str | None
    """The lane that it asks for; null for a withdrawal."""
    channels: dict[str, dict[str, Any]]
    """How many it would reach, for each channel of the item."""
    previews: dict[str, str]
    """Each face as its channel would show it, by name of a file; for a single event alone."""


class DryRun(ResponseBody):
    """The expected outcome of all events; nothing is stored."""

    dry_run: Literal[True]
    """true: nothing was stored."""
    events: list[ExpectedEvent]
    """One for each event, in their order."""
    quota: Quota
    """The unit's quota; this request counts like any other."""
    trial: OnlyIfTrue = False
    """true: asked with a key for trials; only there."""
