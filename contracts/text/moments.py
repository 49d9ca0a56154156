"""Points in time as people read them, in Vietnam's time."""

from datetime import UTC, datetime, timedelta, timezone

VIETNAM = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")


def parse_moment(text: str) -> datetime:
    """Parse an ISO date or time; one without an offset is Vietnam's.

    Raises ValueError, also for a time that another zone has no date for.
    """
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=VIETNAM)
    try:
        moment.astimezone(UTC).astimezone(VIETNAM)
    except OverflowError as beyond:
        raise ValueError(text) from beyond
    return moment


def format_moment_in_sentence(at: datetime) -> str:
    """A point in time as Vietnamese readers write it."""
    return f"{at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"


def format_for_people(at: datetime) -> str:
    """A point in time as commands show it, in Vietnam: `2026-11-26 15:00:00+07`."""
    return f"{at.astimezone(VIETNAM):%Y-%m-%d %H:%M:%S}+07"
