"""The answer of `loa trace`: where something is, per channel, and how it came there."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from contracts.delivery import ChannelName

BACK = frozenset({"bounced", "complained"})
State = Literal["received", "waiting", "scheduled", "released", "withdrawn", "refused"]


class Count(BaseModel):
    """One channel's rows: `expected` = the statuses + `missing`; copies in `maybe_duplicate`.

    `bounced` came back although the relay had taken them, `complained`: readers called it spam.
    Both are facts beside the statuses, outside the sum, and named only where there are any.
    """

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

    @model_serializer(mode="wrap")
    def _facts_where_there_are_any(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = write(self)
        return {name: value for name, value in said.items() if value or name not in BACK}


class Moment(BaseModel):
    """Something that happened; `detail` is short and names nobody."""

    at: datetime
    event: str
    channel: ChannelName | None = None
    detail: str = ""


class Story(BaseModel):
    """The answer of `loa trace` and of an event's status URL."""

    content_id: str
    revision: int
    state: State
    channels: dict[ChannelName, Count]
    timeline: list[Moment]
