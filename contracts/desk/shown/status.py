"""The status of an item as people are shown it at a moment.

A text is published in the log before its time comes, and stays so after it has ended.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from contracts.desk.shown.text_times import EXPIRES_AT, NOT_BEFORE, time_of
from contracts.editorial import OUT, Status

_S = TypeVar("_S", bound=Status | None)
PAST = OUT | {Status.EXPIRED, Status.WITHDRAWN, Status.REJECTED}
"""Shown statuses of a text whose time has come, or never comes."""


def shown_status(
    status: _S, begins: datetime | None, ends: datetime | None, now: datetime
) -> _S | Status:
    """The status at a moment of a text that begins and ends at these times."""
    if status is Status.SCHEDULED and (begins is None or begins <= now):
        return Status.APPROVED  # it leaves at once, and waits for no time
    if status not in OUT:
        return status
    if ends is not None and ends <= now:
        return Status.EXPIRED
    return Status.SCHEDULED if begins is not None and begins > now else status


def shown_status_of(status: Status, data: Mapping[str, Any], now: datetime) -> Status:
    """The status at a moment of the text with these fields."""
    return shown_status(status, time_of(data, NOT_BEFORE), time_of(data, EXPIRES_AT), now)
