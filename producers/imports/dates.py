"""Reading the dates that sites write, in whatever form and zone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from contracts.vietnam import VIETNAM

AHEAD = timedelta(minutes=10)
"""How far another clock may be ahead of ours."""
FORESEEN = timedelta(days=31)
"""What is dated further ahead is a mistake; nobody would notice that it waits."""
OFFSET = timedelta(hours=7)
YEARS = range(1971, 2201)
FAR = timedelta(hours=23)

_TIME = r"(?P<h{0}>\d{{1,2}}):(?P<m{0}>\d\d)(?::(?P<s{0}>\d\d))?\s*(?P<half{0}>SA|CH|AM|PM)?"
_SLASHED = re.compile(
    rf"\s*(?:{_TIME.format(1)}[\s,]+)?(?P<day>\d{{1,2}})[/-](?P<month>\d{{1,2}})[/-](?P<year>\d{{4}})"
    rf"(?:[\s,]+{_TIME.format(2)})?(?:\s*\|.*|\s*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was published. `at` is None where nobody can say, and never ahead of now.

    `days` are the calendar days that the written date may mean: as it was written, and in Vietnam.
    `ahead` is the date where it is still to come.
    """

    at: datetime | None = None
    days: frozenset[str] = frozenset()
    ahead: datetime | None = None


def moment(written: str, now: datetime) -> Moment:
    """What a site's date says. A date without a zone is in Vietnam's time.

    One that lies ahead of us was most likely local time with the letters GMT behind it; if not even
    that helps, the site has put a date to come on it, or has made a mistake.
    """
    said = read(written)
    if said is None:
        return Moment()
    days = frozenset({f"{said:%Y-%m-%d}", f"{said.astimezone(VIETNAM):%Y-%m-%d}"})
    latest = now + AHEAD
    if latest < said <= latest + OFFSET and said.utcoffset() == timedelta():
        said -= OFFSET
    coming = latest < said <= now + FORESEEN
    return Moment(min(said, now).astimezone(UTC), days, said.astimezone(UTC) if coming else None)


def read(written: str) -> datetime | None:
    """The date as it is written, with its zone; None for what is none."""
    for found in forms(written[:100]):
        if found and found.year in YEARS:
            return found if found.tzinfo else found.replace(tzinfo=VIETNAM)
    return None


def forms(written: str) -> Iterator[datetime | None]:
    """*written* in each form that can be read."""
    for form in (slashed, iso, letter):
        try:
            yield form(written)
        except (ValueError, OverflowError):
            continue


def slashed(written: str) -> datetime | None:
    """`26/11/2026 5:18:00 CH`, `17:18 10/06/2020 | ...`; with AM or PM the month comes first."""
    found = _SLASHED.fullmatch(written)
    if not found:
        return None
    n = "1" if found["h1"] else "2"
    half = (found[f"half{n}"] or "").upper()
    day, month = int(found["day"]), int(found["month"])
    if (half in ("AM", "PM") and day <= 12) or month > 12:
        day, month = month, day
    hour = int(found[f"h{n}"] or 0)
    if half:
        hour = hour % 12 + (12 if half in ("CH", "PM") else 0)
    return datetime(  # noqa: DTZ001 -- `read` gives it its zone
        int(found["year"]), month, day, hour, int(found[f"m{n}"] or 0), int(found[f"s{n}"] or 0)
    )


def iso(written: str) -> datetime:
    return near(datetime.fromisoformat(written.strip()))


def letter(written: str) -> datetime | None:
    """As mails have it: `Thu, 26 Nov 2026 17:18:00 +0700`."""
    parts = parsedate_tz(written)
    if not parts:
        return None
    year, month, day, hour, minute, second, *_, offset = parts
    zone = None if offset is None else timezone(timedelta(seconds=offset))
    return near(datetime(year, month, day, hour, minute, second, tzinfo=zone))


def near(said: datetime) -> datetime:
    """Raises ValueError for a zone that is on no map."""
    if abs(said.utcoffset() or timedelta()) > FAR:
        raise ValueError("no such zone")
    return said
