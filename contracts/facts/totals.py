"""Add facts up, purely: every figure knows the facts behind it, and which days have no data."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple, TypeVar

from contracts.delivery import Lane, Status
from contracts.facts.kinds import (
    DayFact,
    DeliveryFact,
    Fact,
    FactKind,
    ReleaseFact,
)

F = TypeVar("F", bound=Fact)
G = TypeVar("G", bound=Hashable)
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """Days in Vietnam, the first and the last included."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def days(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            yield day
            day += _DAY


class Figure(NamedTuple):
    """A number of a report. `value`: None where no day of the span has data, which is never 0.

    `keys`: the facts that it is made of. `gaps`: the days of the span without data.
    """

    value: int | None
    keys: tuple[str, ...] = ()
    gaps: tuple[date, ...] = ()


@dataclass(frozen=True)
class FactSet:
    """The newest fact of each key. Raises nothing: what has no data is a figure without value."""

    facts: Mapping[str, Fact] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> "FactSet":
        """*facts* in the order in which they were stored."""
        return cls({fact.key: fact for fact in facts})

    def of_kind(self, kind: type[F], span: Span) -> list[F]:
        """The facts of *kind* that count in *span*, by their keys."""
        found = (fact for fact in self.facts.values() if isinstance(fact, kind))
        return sorted((one for one in found if one.day in span), key=lambda one: one.key)

    @cached_property
    def counted(self) -> Mapping[date, frozenset[FactKind]]:
        """The kinds that were counted to the end of each day."""
        days = (fact for fact in self.facts.values() if isinstance(fact, DayFact))
        return {fact.on: frozenset(fact.counted) for fact in days}

    def gaps(self, kind: FactKind, span: Span) -> tuple[date, ...]:
        """The days of *span* on which *kind* was not counted."""
        return tuple(day for day in span.days() if kind not in self.counted.get(day, frozenset()))

    def release_of(self, delivery: DeliveryFact) -> ReleaseFact | None:
        """The delivered publication; None for a digest, which has many."""
        key = f"{FactKind.RELEASE}.{delivery.content_id}.{delivery.revision}"
        found = self.facts.get(key)
        return found if isinstance(found, ReleaseFact) else None

    def figure(
        self, kind: type[F], span: Span, amount: Callable[[F], int | None] = lambda _: 1
    ) -> Figure:
        """The sum of *amount* over the facts of *kind* in *span*."""
        return self._figure(kind, span, self.of_kind(kind, span), amount)

    def figures(
        self,
        kind: type[F],
        span: Span,
        by: Callable[[F], G],
        amount: Callable[[F], int | None] = lambda _: 1,
    ) -> dict[G, Figure]:
        """The same for each group that *by* names; a group without facts is not there."""
        groups: dict[G, list[F]] = {}
        for fact in self.of_kind(kind, span):
            groups.setdefault(by(fact), []).append(fact)
        return {group: self._figure(kind, span, facts, amount) for group, facts in groups.items()}

    def _figure(
        self,
        kind: type[F],
        span: Span,
        facts: Iterable[F],
        amount: Callable[[F], int | None],
    ) -> Figure:
        """A fact without the amount is left out; without any, days that were counted make 0."""
        counted = [(fact.key, value) for fact in facts if (value := amount(fact)) is not None]
        gaps = self.gaps(kind.kind, span)
        is_known = bool(counted) or len(gaps) < (span.last - span.first).days + 1
        value = sum(value for _, value in counted) if is_known else None
        return Figure(value, tuple(key for key, _ in counted), gaps)


def rows(*statuses: Status) -> Callable[[DeliveryFact], int]:
    """The amount of a delivery: its rows with one of *statuses*, or all of them."""

    def amount(fact: DeliveryFact) -> int:
        return sum(map(fact.count, statuses)) if statuses else fact.expected

    return amount


class Speed(NamedTuple):
    """Of the deliveries whose times are known: rows delivered, and those within ten seconds."""

    delivered: int
    within_10_s: int


def speed_by_lane(facts: Iterable[DeliveryFact]) -> dict[Lane, Speed]:
    """How fast each lane is; a lane without known times is not there."""
    found: dict[Lane, Speed] = {}
    for fact in facts:
        if fact.within_10_s is None:
            continue
        before = found.get(fact.lane, Speed(0, 0))
        delivered = before.delivered + fact.count(Status.DELIVERED)
        found[fact.lane] = Speed(delivered, before.within_10_s + fact.within_10_s)
    return found
