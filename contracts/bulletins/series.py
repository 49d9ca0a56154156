"""A series of bulletins: its name, its rhythm, its sections, and the topics that it gathers."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints

from contracts.base.fields import (
    NO_DUPLICATES,
    AudienceId,
    Contract,
    Id,
    Line150,
    OptionalLine,
    TopicId,
    UnitId,
)

Rhythm = Literal["weekly", "monthly", "quarterly"]
SeriesId = Annotated[Id, StringConstraints(max_length=48)]
"""The beginning of the content_id of every issue."""
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_MONTHS: Mapping[Rhythm, int] = {"monthly": 1, "quarterly": 3}


class Span(NamedTuple):
    """The days that an issue covers, both inclusive, by Vietnam's calendar."""

    first_day: date
    last_day: date

    def overlaps(self, other: "Span") -> bool:
        """Whether a day is in both."""
        return self.first_day <= other.last_day and other.first_day <= self.last_day


class SeriesSection(Contract):
    """A section of a series. An item goes where its topic is; without topics, people fill it."""

    name: Line150
    topics: Annotated[tuple[TopicId, ...], NO_DUPLICATES] = ()


class Series(Contract):
    """A series of bulletins. Its issues are items of *unit* under *topic*, which is its own."""

    name: Line150
    english: Line150
    unit: UnitId
    topic: TopicId
    rhythm: Rhythm = "weekly"
    audiences: Annotated[tuple[AudienceId, ...], NO_DUPLICATES] = ()
    masthead: OptionalLine = ""
    """Who publishes it; the last line of every issue."""
    sections: dict[Id, SeriesSection] = Field(min_length=1)

    @property
    def topics(self) -> frozenset[str]:
        """The topics whose items an issue gathers."""
        return frozenset(topic for one in self.sections.values() for topic in one.topics)

    def section_of(self, topic: str) -> str | None:
        """The first section for items of *topic*."""
        return next((id for id, one in self.sections.items() if topic in one.topics), None)

    def last_span(self, today: date) -> Span:
        """The newest span that has ended before *today*."""
        if self.rhythm == "weekly":
            monday = today - today.weekday() * _DAY
            return Span(monday - _WEEK, monday - _DAY)
        months = _MONTHS[self.rhythm]
        first = (today.month - 1) // months * months + 1
        last_day = today.replace(month=first, day=1) - _DAY
        return Span(last_day.replace(month=last_day.month - months + 1, day=1), last_day)
