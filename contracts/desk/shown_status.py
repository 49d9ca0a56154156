"""The status that people are shown: that of the last act, as the text's own times change it.

A text is published in the log before its time comes, and stays so after it has ended. Until its
time comes it can be given another one.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from contracts.editorial import OUT, Status
from contracts.editorial.moves import name_of
from contracts.errors import Conflict, Invalid, field_error

_S = TypeVar("_S", bound=Status | None)
PAST = OUT | {Status.EXPIRED, Status.WITHDRAWN, Status.REJECTED}
"""Shown statuses of a text whose time has come, or never comes."""
_TIME = "not_before"


def time_of(data: Mapping[str, Any], name: str) -> datetime | None:
    """A time that a text gives; None if it gives none, or one that can't be read."""
    value = data.get(name)
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def shown_status(
    status: _S, begins: datetime | None, ends: datetime | None, now: datetime
) -> _S | Status:
    """The status at a moment of a text that begins and ends at these times."""
    if status not in OUT:
        return status
    if ends is not None and ends <= now:
        return Status.EXPIRED
    return Status.SCHEDULED if begins is not None and begins > now else status


def shown_status_of(status: Status, data: Mapping[str, Any], now: datetime) -> Status:
    """The status at a moment of the text with these fields."""
    return shown_status(status, time_of(data, "not_before"), time_of(data, "expires_at"), now)


def move_time(
    status: Status, data: Mapping[str, Any], not_before: str, now: datetime
) -> dict[str, Any]:
    """*data* with another time, in ISO 8601; empty: at once. *status*: as the log has it.

    Raises Conflict for a text whose time has come, Invalid for the time that it has.
    """
    shown = shown_status_of(status, data, now)
    if shown in PAST:
        raise Conflict(field_error(_TIME, "editorial_time_past", status=name_of(shown)))
    moved = {**data, _TIME: not_before}
    if time_of(moved, _TIME) == time_of(data, _TIME):
        raise Invalid(field_error(f"data.{_TIME}", "editorial_time_same"))
    return moved
