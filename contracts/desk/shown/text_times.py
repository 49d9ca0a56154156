"""The times that a text gives: from when on, and until when, readers have it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

NOT_BEFORE, EXPIRES_AT = "not_before", "expires_at"


def time_of(data: Mapping[str, Any], name: str) -> datetime | None:
    """A time that a text gives; None if it gives none, or one that can't be read."""
    value = data.get(name)
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
