"""The answer of `loa trace`: where something is, per channel, and how it came there."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from contracts.delivery import ChannelName

State = Literal["received", "waiting", "scheduled", "released", "withdrawn", "refused"]


class Count(BaseModel):
    """One channel's rows: `expected` = the statuses + `missing`; copies in `maybe_duplicate`."""

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
    complete: bool = False


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
