"""Working days of the public sector, from a file with source and version; no year is guessed."""

import tomllib
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from contracts.base.errors import UnknownYear

_FILE = Path(__file__).with_name("working_days.toml")
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
        """Read a file like `working_days.toml`. Raises ValueError, KeyError for a broken one."""
        read = tomllib.loads(toml_text)
        version = str(read.pop("version"))
        return cls(version, {int(name): _read_year(found) for name, found in read.items()})

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


def _read_year(found: dict[str, dict[str, str]]) -> Year:
    off, working = (_named_days(found.get(kind, {})) for kind in ("off", "working"))
    return Year(str(found["source"]), off, working)


def _named_days(found: dict[str, str]) -> dict[date, str]:
    return {date.fromisoformat(day): name for day, name in found.items()}


@cache
def default_working_days() -> WorkingDays:
    """The days that ship with Loa."""
    return WorkingDays.parse(_FILE.read_text("utf-8"))
