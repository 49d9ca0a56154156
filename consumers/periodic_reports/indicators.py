"""Indicators: what a report states a figure of, and how it is worked out. `indicators.toml`."""

import tomllib
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from consumers.periodic_reports.tally import By

STATISTICS = ("complete_and_timely", "reach_and_use")
"""The tables of statistics by unit."""


class How(StrEnum):
    """How the figure of an indicator follows from the rows of its kinds."""

    SUM = "sum"
    LEVEL = "level"
    """The level at the end."""
    SHARE = "share"
    """The kinds, in percent of those in `of`."""
    MEDIAN = "median"
    P90 = "p90"
    PRESENCE = "presence"
    """The months with at least one, in percent of all months."""
    COVERAGE = "coverage"
    """The units with at least one, in percent of all units."""


class Indicator(BaseModel):
    """One indicator; its name and definition are texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    group: str
    how: How
    kinds: tuple[str, ...]
    of: tuple[str, ...] = ()
    by: frozenset[By] = frozenset()
    """The dimensions by which tables divide it."""
    not_on: frozenset[str] = frozenset()
    """Channels on which nothing of its kinds can happen: no 0, but no figure."""
    statistic: Literal["", "complete_and_timely", "reach_and_use"] = ""
    """The table by unit of Decree 224/2026/NĐ-CP, article 12, that has it."""

    @property
    def all_kinds(self) -> tuple[str, ...]:
        return self.kinds + self.of

    def is_divided_by(self, by: By) -> bool:
        """Whether a table divides it by *by*."""
        return by in self.by or (by is By.UNIT and bool(self.statistic))


@cache
def load_indicators() -> tuple[Indicator, ...]:
    """All indicators, in the order in which a report states them."""
    table = tomllib.loads(Path(__file__).with_name("indicators.toml").read_text("utf-8"))
    return tuple(Indicator(id=name, **entry) for name, entry in table.items())
