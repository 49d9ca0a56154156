"""Change of the time at which a text leaves, of a text that readers do not have yet."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contracts.desk.shown_status import shown_status_of, time_of
from contracts.editorial import OUT, Status
from contracts.editorial.moves import name_of
from contracts.errors import Conflict, Invalid, field_error

PAST = OUT | {Status.EXPIRED, Status.WITHDRAWN, Status.REJECTED}
"""Shown statuses of a text whose time has come, or never comes."""
_TIME = "not_before"


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
