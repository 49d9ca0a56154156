"""Parse publication dates in the formats that sites use."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from contracts.text.moments import VIETNAM

_CLOCK_TOLERANCE = timedelta(minutes=10)
"""Tolerance for other clocks."""
MAX_AHEAD = timedelta(days=31)
"""Dates further ahead are mistakes and are ignored."""
_VIETNAM_OFFSET = timedelta(hours=7)
_VALID_YEARS = range(1971, 2201)
_MAX_UTC_OFFSET = timedelta(hours=23)

_TIME = r"(?P<h{0}>\d{{1,2}}):(?P<m{0}>\d\d)(?::(?P<s{0}>\d\d))?\s*(?P<half{0}>SA|CH|AM|PM)?"
_SLASHED = re.compile(
    rf"\s*(?:{_TIME.format(1)}[\s,]+)?(?P<day>\d{{1,2}})[/-](?P<month>\d{{1,2}})[/-](?P<year>\d{{4}})"
    rf"(?:[\s,]+{_TIME.format(2)})?(?:\s*\|.*|\s*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PublishedDate:
    """A publication date. `at` is None if unknown, and never in the future.

    `days`: the calendar days the written date may mean, as written and in Vietnam. `ahead`: a
    future date.
    """

    at: datetime | None = None
    days: frozenset[str] = frozenset()
    ahead: datetime | None = None


def parse_published(written: str, now: datetime) -> PublishedDate:
    """Parse a site's date. A date without a zone is in Vietnam's time.

    A future GMT time is most likely local time labelled GMT; if it is still in the future after
    that correction, it is a scheduled date or a mistake.
    """
    published = _parse_date(written)
    if published is None:
        return PublishedDate()
    days = frozenset({f"{published:%Y-%m-%d}", f"{published.astimezone(VIETNAM):%Y-%m-%d}"})
    latest = now + _CLOCK_TOLERANCE
    if latest < published <= latest + _VIETNAM_OFFSET and published.utcoffset() == timedelta():
        published -= _VIETNAM_OFFSET
    coming = latest < published <= now + MAX_AHEAD
    return PublishedDate(
        min(published, now).astimezone(UTC), days, published.astimezone(UTC) if coming else None
    )


def _parse_date(written: str) -> datetime | None:
    """The date with its zone; None for unreadable text."""
    for moment in _try_formats(written[:100]):
        if moment and moment.year in _VALID_YEARS:
            return moment if moment.tzinfo else moment.replace(tzinfo=VIETNAM)
    return None


def _try_formats(written: str) -> Iterator[datetime | None]:
    for form in (_parse_slashed, _parse_iso, _parse_mail_date):
        try:
            yield form(written)
        except (ValueError, OverflowError):
            continue


def _parse_slashed(written: str) -> datetime | None:
    """`26/11/2026 5:18:00 CH`, `17:18 10/06/2020 | ...`; with AM or PM the month comes first."""
    match = _SLASHED.fullmatch(written)
    if not match:
        return None
    n = "1" if match["h1"] else "2"
    half = (match[f"half{n}"] or "").upper()
    day, month = int(match["day"]), int(match["month"])
    if (half in ("AM", "PM") and day <= 12) or month > 12:
        day, month = month, day
    hour = int(match[f"h{n}"] or 0)
    if half:
        hour = hour % 12 + (12 if half in ("CH", "PM") else 0)
    return datetime(  # noqa: DTZ001 -- `read` gives it its zone
        int(match["year"]), month, day, hour, int(match[f"m{n}"] or 0), int(match[f"s{n}"] or 0)
    )


def _parse_iso(written: str) -> datetime:
    return _check_offset(datetime.fromisoformat(written.strip()))


def _parse_mail_date(written: str) -> datetime | None:
    """Parse the format of mail headers: `Thu, 26 Nov 2026 17:18:00 +0700`."""
    parts = parsedate_tz(written)
    if not parts:
        return None
    year, month, day, hour, minute, second, *_, offset = parts
    zone = None if offset is None else timezone(timedelta(seconds=offset))
    return _check_offset(datetime(year, month, day, hour, minute, second, tzinfo=zone))


def _check_offset(moment: datetime) -> datetime:
    """Return the date. Raises ValueError for an impossible UTC offset."""
    if abs(moment.utcoffset() or timedelta()) > _MAX_UTC_OFFSET:
        raise ValueError("no such zone")
    return moment
