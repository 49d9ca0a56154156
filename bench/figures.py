"""Figures of the bench: a number with its spread, and whether it is where it should be."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any


@dataclass(frozen=True)
class Target:
    """Where a number should be: at least `value`, or at most, where less is better."""

    value: float
    at_most: bool = False

    def met(self, reached: float) -> bool:
        return reached <= self.value if self.at_most else reached >= self.value


@dataclass(frozen=True)
class Figure:
    """One line of the table. `unit`: x (a ratio), us, ms, s, MB, /s; no target: for comparison."""

    part: str
    name: str
    unit: str
    reached: float
    low: float
    high: float
    n: int
    target: Target | None = None
    missing: str = ""
    """Why it was not measured."""

    @classmethod
    def left_out(cls, part: str, name: str, why: str) -> "Figure":
        return cls(part, name, "", 0.0, 0.0, 0.0, 0, missing=why)

    @property
    def verdict(self) -> str:
        if self.missing:
            return "not measured"
        if self.target is None:
            return "no target"
        return "reached" if self.target.met(self.reached) else "MISSED"


@dataclass
class Findings:
    """Findings of one part: figures for the table, and every single run behind them."""

    figures: list[Figure] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        self.figures += other.figures
        self.runs += other.runs


def at_least(value: float) -> Target:
    return Target(value)


def at_most(value: float) -> Target:
    return Target(value, at_most=True)


def typical(
    part: str, name: str, unit: str, found: Sequence[float], target: Target | None = None
) -> Figure:
    """The median of *found*, with the lowest and the highest as spread."""
    return Figure(part, name, unit, median(found), min(found), max(found), len(found), target)


def percentile(
    part: str,
    name: str,
    unit: str,
    found: Sequence[float],
    percent: int,
    target: Target | None = None,
) -> Figure:
    """A percentile of *found*; the spread is that of all of them."""
    cuts = quantiles(found, n=100, method="inclusive") if len(found) > 1 else [found[0]] * 99
    what = f"{name}, p{percent}"
    return Figure(part, what, unit, cuts[percent - 1], min(found), max(found), len(found), target)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Repetition n beside repetition n: both ran one after the other."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
