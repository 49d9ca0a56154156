"""Another time for a text that readers do not have yet."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contracts.desk.shown.status import PAST, shown_status_of
from contracts.desk.shown.text_times import NOT_BEFORE, time_of
from contracts.editorial import Status
from contracts.editorial.moves import name_of
from contracts.errors import Conflict, Invalid, field_error

_OF_REVISION = frozenset({NOT_BEFORE, "revision", "corrects_revision", "reason"})


def is_moved(before: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether a text is another one at another time, and no more."""
    is_at_another = data.get(NOT_BEFORE) != before.get(NOT_BEFORE)
    return is_at_another and _untimed(data) == _untimed(before)


def _untimed(data: Mapping[str, Any]) -> dict[str, Any]:
    """The filled fields of a text, without its time and what tells revisions apart."""
    filled = {name: value for name, value in data.items() if value not in (None, "", [], {})}
    return {name: value for name, value in filled.items() if name not in _OF_REVISION}


def move_time(
    status: Status, data: Mapping[str, Any], not_before: str, now: datetime
) -> dict[str, Any]:
    """*data* with another time, in ISO 8601; empty: at once. *status*: as the log has it.

    Raises Conflict for a text whose time has come, Invalid for the time that it has.
    """
    shown = shown_status_of(status, data, now)
    if shown in PAST:
        raise Conflict(field_error(NOT_BEFORE, "editorial_time_past", status=name_of(shown)))
    moved = {**data, NOT_BEFORE: not_before}
    if time_of(moved, NOT_BEFORE) == time_of(data, NOT_BEFORE):
        raise Invalid(field_error(f"data.{NOT_BEFORE}", "editorial_time_same"))
    return moved
