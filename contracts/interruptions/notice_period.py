"""The period between the announcement of an interruption and its begin: seven working days.

The day of the announcement does not count (Civil Code 2015, Article 147), nor does the day of the
begin: seven whole working days lie between the two.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Protocol

from contracts.base.errors import UnknownYear
from contracts.base.working_days import WORKING_DAYS_FILE, WorkingDays
from contracts.errors import FieldError, Invalid, field_error
from contracts.interruptions.known import KnownInterruption
from contracts.interruptions.publicity import Announces, find_hidden
from contracts.text.moments import VIETNAM

_NOTICE_DAYS = 7
_DAY = timedelta(days=1)
_BEGIN = "data.interruption.begins_at"


class _Announces(Announces, Protocol):
    """The fields of a text that count for the period."""

    @property
    def not_before(self) -> datetime | None: ...


class Notice(StrEnum):
    """How an interruption was announced."""

    IN_TIME = "in_time"
    FORCE_MAJEURE = "force_majeure"
    """Late, with the reason that the law accepts."""
    LATE = "late"


def is_in_time(announced: datetime, begins: datetime, days: WorkingDays) -> bool:
    """Whether the notice period lies between. Raises UnknownYear if that can't be told."""
    between = _working_days(_day(announced), _day(begins), days)
    return sum(1 for _ in islice(between, _NOTICE_DAYS)) == _NOTICE_DAYS


def earliest_begin(announced: datetime, days: WorkingDays) -> date:
    """The first day on which an interruption may begin. Raises UnknownYear."""
    return days.after(_day(announced), _NOTICE_DAYS) + _DAY


def judge(
    begins: datetime, announced: datetime, days: WorkingDays, *, is_force_majeure: bool
) -> Notice:
    """How an interruption is announced by a text that readers have from *announced* on.

    Raises UnknownYear.
    """
    if is_in_time(announced, begins, days):
        return Notice.IN_TIME
    return Notice.FORCE_MAJEURE if is_force_majeure else Notice.LATE


def check_announced(
    said: _Announces, released: datetime, days: WorkingDays, known: KnownInterruption | None = None
) -> None:
    """Check that a text that is released at *released* announces its interruption lawfully.

    To the public, and in time.

    *known*: what readers know already; a change within it needs no new period. Raises Invalid.
    """
    errors = find_hidden(said)
    if untimely := _find_untimely(said, released, days, known):
        errors.append(untimely)
    if errors:
        raise Invalid(*errors)


def _find_untimely(
    said: _Announces, released: datetime, days: WorkingDays, known: KnownInterruption | None
) -> FieldError | None:
    interruption = said.interruption
    if interruption is None:
        return None
    announced = max(released, said.not_before or released)
    if interruption.resumed_at and interruption.resumed_at > announced:
        return field_error("data.interruption.resumed_at", "interruption_resumed_ahead")
    if interruption.force_majeure or (known and known.covers(interruption, announced)):
        return None
    return find_lateness(interruption.begins_at, announced, days)


def find_lateness(begins: datetime, announced: datetime, days: WorkingDays) -> FieldError | None:
    """The error of a begin that comes too soon; it names the earliest day."""
    try:
        if is_in_time(announced, begins, days):
            return None
        earliest = earliest_begin(announced, days)
    except UnknownYear as unknown:
        words = {"year": unknown.year, "file": WORKING_DAYS_FILE}
        return field_error(_BEGIN, "interruption_year", limit=_NOTICE_DAYS, **words)
    announced_on = f"{_day(announced):%d/%m/%Y}"
    words = {"announced": announced_on, "value": f"{earliest:%d/%m/%Y}"}
    return field_error(_BEGIN, "interruption_too_soon", limit=_NOTICE_DAYS, **words)


def _day(at: datetime) -> date:
    return at.astimezone(VIETNAM).date()


def _working_days(after: date, before: date, days: WorkingDays) -> Iterator[date]:
    """The working days strictly between two days, in order."""
    for number in range(1, (before - after).days):
        day = after + number * _DAY
        if days.is_working(day):
            yield day
