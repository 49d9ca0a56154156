"""Working days of the public sector, from a file with source and version; no year is guessed."""

import tomllib
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.base.errors import UnknownYear
from contracts.errors import Invalid, Unreadable, explain, field_error

WORKING_DAYS_FILE = "working_days.toml"
"""Its name beside this module; a file of this name in the data folder replaces it."""
_FILE = Path(__file__).with_name(WORKING_DAYS_FILE)
_SATURDAY = 5
_DAY = timedelta(days=1)


class Year(NamedTuple):
    """Days off and working weekend days of a year, with their names, and who announced them."""

    source: str
    off: dict[date, str]
    working: dict[date, str]


@dataclass(frozen=True)
class WorkingDays:
    """The known years. Weekends are off, except days on which a swapped day is worked."""

    version: str
    years: dict[int, Year] = field(default_factory=dict)

    @classmethod
    def parse(cls, toml_text: str) -> "WorkingDays":
        """Read a file like `working_days.toml`. Raises Unreadable or Invalid, naming the entry."""
        try:
            read = tomllib.loads(toml_text)
            version = _VERSION.validate_python({"version": read.pop("version", None)}).version
            years = _YEARS.validate_python(read)
        except tomllib.TOMLDecodeError as error:
            raise Unreadable(field_error(WORKING_DAYS_FILE, "not_toml", detail=error)) from error
        except ValidationError as error:
            raise Invalid(*explain(error, WORKING_DAYS_FILE)) from error
        for number, entry in years.items():
            _check_year(number, entry)
        return cls(version, {number: Year(**dict(entry)) for number, entry in years.items()})

    def is_working(self, day: date) -> bool:
        """Whether offices work on *day*. Raises UnknownYear."""
        year = self._year(day)
        is_weekday = day.weekday() < _SATURDAY
        return day in year.working or (is_weekday and day not in year.off)

    def after(self, day: date, count: int) -> date:
        """The *count*-th working day after *day*. Raises UnknownYear."""
        while count:
            day += _DAY
            count -= self.is_working(day)
        return day

    def name_of(self, day: date) -> str:
        """The name of a day off or a worked weekend day, else empty. Raises UnknownYear."""
        year = self._year(day)
        return year.off.get(day) or year.working.get(day, "")

    def _year(self, day: date) -> Year:
        if found := self.years.get(day.year):
            return found
        raise UnknownYear(day.year)


class _Version(BaseModel):
    version: str


class _YearEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    off: dict[date, str] = {}
    working: dict[date, str] = {}


_VERSION = TypeAdapter(_Version)
_YEARS = TypeAdapter(dict[Annotated[int, Field(ge=2000, le=2999)], _YearEntry])


def _check_year(number: int, entry: _YearEntry) -> None:
    """Raises Invalid for a day of another year, and for a working day that is one anyway."""
    for kind, days in (("off", entry.off), ("working", entry.working)):
        for day in days:
            place = f"{WORKING_DAYS_FILE}.{number}.{kind}.{day}"
            if day.year != number:
                raise Invalid(field_error(place, "day_of_other_year", value=number))
            if kind == "working" and day.weekday() < _SATURDAY:
                raise Invalid(field_error(place, "no_weekend"))


@cache
def default_working_days() -> WorkingDays:
    """The days that ship with Loa."""
    return WorkingDays.parse(_FILE.read_text("utf-8"))
