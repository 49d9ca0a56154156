"""The callbacks of a unit as its page at the desk shows them, with the log of each."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class CallbackAttempt(NamedTuple):
    """One try to tell a fact. `channel`: of a delivery, else empty.

    `status`: of the answer; 0 without one, and `reason` is why.
    """

    at: datetime
    kind: str
    content_id: str
    channel: str
    status: int
    reason: str


class UnitCallback(NamedTuple):
    """An address that is called. `url` has no query; `state`: `on`, `down`, or why it is off.

    `waiting_at_least`: more facts than `waiting` may wait. `older`: the place behind `attempts`;
    empty where the log ends.
    """

    id: str
    url: str
    kinds: Sequence[str]
    state: str
    waiting: int
    waiting_at_least: bool
    failing_since: datetime | None
    arrived_at: datetime | None
    attempts: Sequence[CallbackAttempt]
    older: str = ""


class UnitCallbackService(Protocol):
    """The callbacks of units."""

    async def of_unit(self, unit: str, place: str = "") -> Sequence[UnitCallback]:
        """Each address with its newest attempts; that of *place* with those behind it.

        Raises BusError.
        """
        ...
