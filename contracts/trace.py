"""Answer of `loa trace` and of an event's status URL: counts and timeline per channel."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from contracts.delivery import ChannelName
from contracts.errors import FieldError, FieldWarning
from contracts.text.descriptions import Described

EVENT_ID_PATTERN = "^[a-z2-7]{26}$"
TraceState = Literal["received", "waiting", "scheduled", "released", "withdrawn", "refused"]


class OmitEmptyModel(BaseModel):
    """Base model that omits the fields of `omitted_when_empty` when they are empty."""

    omitted_when_empty: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _omit_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = write(self)
        return {
            key: value
            for key, value in fields.items()
            if value or key not in self.omitted_when_empty
        }


class StatusCounts(OmitEmptyModel):
    """Rows of one channel: `expected` = the statuses + `missing`; `maybe_duplicate` counts copies.

    `bounced`: mails returned after the relay accepted them. `complained`: reported as spam.
    Both are outside the sum and omitted when zero.
    """

    omitted_when_empty = frozenset({"bounced", "complained"})

    expected: int = 0
    pending: int = 0
    sending: int = 0
    deferred: int = 0
    in_doubt: int = 0
    delivered: int = 0
    failed: int = 0
    suppressed: int = 0
    expired: int = 0
    withdrawn: int = 0
    superseded: int = 0
    maybe_sent: int = 0
    unknown: int = 0
    missing: int = 0
    maybe_duplicate: int = 0
    bounced: int = 0
    complained: int = 0
    complete: bool = False


class TimelineEntry(OmitEmptyModel):
    """One event in the timeline; `detail` is short and contains no personal data.

    `by`: the person who acted, for the ministry only. `errors`: why an event was refused, in both
    languages. `warnings`: what its answer said of it. `until`: when the waiting ends.
    """

    omitted_when_empty = frozenset({"by", "errors", "warnings", "until"})

    at: datetime
    event: str
    channel: ChannelName | None = None
    detail: str = ""
    by: str = ""
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[FieldWarning, ...] = ()
    until: datetime | None = None


class Trace(OmitEmptyModel):
    """The answer of `loa trace` and of an event's status URL.

    `earlier`: counts of older revisions that were planned, per channel.
    """

    omitted_when_empty = frozenset({"earlier"})

    content_id: str
    revision: int
    state: TraceState
    channels: dict[ChannelName, StatusCounts]
    timeline: list[TimelineEntry]
    earlier: dict[int, dict[ChannelName, StatusCounts]] = Field(default_factory=dict)


class ResponseBody(Described, BaseModel):
    """An answer; the docstrings of its fields are their descriptions in the document."""

    model_config = ConfigDict(frozen=True)


Warnings = Annotated[list[FieldWarning], Field(exclude_if=lambda warnings: not warnings)]
OnlyIfTrue = Annotated[bool, Field(exclude_if=lambda value: not value)]


class Happening(ResponseBody):
    """One entry of an item's history, without personal data."""

    at: str
    """When it happened."""
    event: str
    """Kind of step: received, approved, released, ..."""
    channel: str | None = None
    """The channel that it happened on."""
    detail: str = ""
    """More about it, in English."""
    errors: Annotated[list[FieldError], Field(exclude_if=lambda errors: not errors)] = []
    """Why something was refused or not sent, in English and Vietnamese; only there."""
    warnings: Warnings = []
    """As in the answer to the event; only there."""


class Status(ResponseBody):
    """Where the item of an event is; counts per channel as `loa trace` shows them."""

    content_id: str
    """The item."""
    revision: int | None
    """The newest revision that is out; null before one is."""
    state: str
    """received, waiting, scheduled, released, withdrawn or refused"""
    channels: dict[str, dict[str, Any]]
    """How many recipients have which outcome, for each channel."""
    timeline: list[Happening]
    """Steps so far, oldest first."""
    trial: OnlyIfTrue = False
    """true: a trial; `channels` counts its guests' mails, and there is no other channel."""
    previews: Annotated[dict[str, str], Field(exclude_if=lambda previews: not previews)] = {}
    """Of a trial: where each face of it is shown, with the same key."""
