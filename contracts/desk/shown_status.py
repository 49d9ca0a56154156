"""The status that people are shown: that of the last act, as the text's own times change it.

A text is published in the log before its time comes, and stays so after it has ended.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from contracts.editorial import OUT, Status

_S = TypeVar("_S", bound=Status | None)


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
