"""Answer of `loa trace` and of an event's status URL: counts and timeline per channel."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from contracts.delivery import ChannelName
from contracts.errors import FieldError

TraceState = Literal["received", "waiting", "scheduled", "released", "withdrawn", "refused"]


class OmitEmptyModel(BaseModel):
    """Leaves its `rare` fields out where they say nothing."""

    omitted_when_empty: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _omit_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = write(self)
        return {
            name: value
            for name, value in said.items()
            if value or name not in self.omitted_when_empty
        }


class StatusCounts(OmitEmptyModel):
    """One channel's rows: `expected` = the statuses + `missing`; copies in `maybe_duplicate`.

    `bounced` came back although the relay had taken them, `complained`: readers called it spam.
    Both are facts beside the statuses, outside the sum, and named only where there are any.
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
    """Something that happened; `detail` is short and names nobody.

    `by`: who did it, where the ministry itself asks; units are not told. `errors`: why something
    was refused, in both languages. `until`: when that which waits may go on.
    """

    omitted_when_empty = frozenset({"by", "errors", "until"})

    at: datetime
    event: str
    channel: ChannelName | None = None
    detail: str = ""
    by: str = ""
    errors: tuple[FieldError, ...] = ()
    until: datetime | None = None


class Trace(OmitEmptyModel):
    """The answer of `loa trace` and of an event's status URL.

    `earlier`: what became of each older revision that was planned, on each channel.
    """

    omitted_when_empty = frozenset({"earlier"})

    content_id: str
    revision: int
    state: TraceState
    channels: dict[ChannelName, StatusCounts]
    timeline: list[TimelineEntry]
    earlier: dict[int, dict[ChannelName, StatusCounts]] = Field(default_factory=dict)
