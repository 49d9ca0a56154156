"""Indicators: what a report states a figure of, and how it is worked out. `indicators.toml`."""

import tomllib
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from consumers.periodic_reports.tally import By


class How(StrEnum):
    """How the figure of an indicator follows from the rows of its kinds."""

    SUM = "sum"
    LEVEL = "level"
    """The level at the end."""
    SHARE = "share"
    """The kinds, in percent of those in `of`."""
    MEDIAN = "median"
    P90 = "p90"


class Indicator(BaseModel):
    """One indicator; its name and definition are texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    group: str
    how: How
    kinds: tuple[str, ...]
    of: tuple[str, ...] = ()
    by: frozenset[By] = frozenset()
    """What tables divide it by."""

    @property
    def all_kinds(self) -> tuple[str, ...]:
        return self.kinds + self.of


@cache
def load_indicators() -> tuple[Indicator, ...]:
    """All indicators, in the order in which a report states them."""
    table = tomllib.loads(Path(__file__).with_name("indicators.toml").read_text("utf-8"))
    return tuple(Indicator(id=name, **entry) for name, entry in table.items())
