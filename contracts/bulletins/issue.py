"""An issue of a bulletin: its number in the year, its days, and its items by section.

The issue is a part of the text of an item, whose content_id is made of the number. So one number is
one item for ever, and the hash that is approved covers each entry.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from contracts.base.fields import (
    AS_TEXT,
    TEXT_PATTERN,
    ContentId,
    Contract,
    Day,
    Id,
    Instant,
    Line150,
    Line300,
    OptionalLine,
    Revision,
)
from contracts.bulletins.series import Span

MAX_ENTRIES = 100
"""More items go into the next issue: what is approved has to be read, and a mail has a size."""
_MAX_NUMBER = 999
_INTRODUCTION_MAX = 4000

Number = Annotated[int, Field(strict=True, ge=1, le=_MAX_NUMBER)]
Year = Annotated[int, Field(strict=True, ge=2000, le=2200)]
Introduction = Annotated[
    str, StringConstraints(max_length=_INTRODUCTION_MAX), AS_TEXT, TEXT_PATTERN
]


class BulletinEntry(Contract):
    """An item in an issue: the revision that was read, its title, and a short text."""

    content_id: ContentId
    """The item, which has a page on the portal."""
    revision: Revision
    """The one that was read when the issue was made."""
    title: Line300
    """The title, which leads to the item."""
    text: OptionalLine = ""
    """Text of the issue below the item's title; the item itself is one click away."""


class BulletinSection(Contract):
    """A section with its items, in their order; readers do not see an empty one."""

    id: Id
    """Its name for the edits of an issue."""
    name: Line150
    """Its heading."""
    entries: tuple[BulletinEntry, ...] = ()
    """Its items, in the order in which they are read."""


class BulletinAmendment(Contract):
    """An item of an earlier issue whose text was corrected or withdrawn since."""

    content_id: ContentId
    """The item."""
    revision: Revision
    """The position that corrects or withdraws it."""
    title: Line300
    """Its present title."""
    change: Literal["corrected", "withdrawn"]
    """Kind of change to the item."""
    reason: OptionalLine = ""
    """Reason of the change, as the public reads it."""


class BulletinIssue(Contract):
    """An issue as it is approved. Every item is in it once."""

    series: Id
    """The bulletin's id."""
    year: Year
    """The year of its number: that of its last day."""
    number: Number
    """Counts the issues of the year, from 1."""
    first_day: Day
    """The first day that it covers."""
    last_day: Day
    """The last day that it covers."""
    gathered_until: Instant
    """Items that readers saw after this moment go into a later issue."""
    introduction: Introduction = ""
    """The text before the sections, as Markdown."""
    sections: tuple[BulletinSection, ...] = ()
    """Published items, by section."""
    amendments: tuple[BulletinAmendment, ...] = ()
    """Items of earlier issues that were corrected or withdrawn since."""
    masthead: OptionalLine = ""
    """Who publishes it; the last line."""
    compiled_by: Line150 | None = None
    """Who compiled it."""

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if not (self.first_day <= self.last_day and self.last_day.year == self.year):
            raise PydanticCustomError("bulletin_days", "other days", {"year": self.year})
        return self

    @model_validator(mode="after")
    def _check_items(self) -> Self:
        sections = [section.id for section in self.sections]
        for names in (self.content_ids, sections):
            if repeated := [name for name, count in Counter(names).items() if count > 1]:
                raise PydanticCustomError("repeated", "{value} twice", {"value": repeated[0]})
        if len(self.content_ids) > MAX_ENTRIES:
            raise PydanticCustomError("bulletin_too_long", "too long", {"limit": MAX_ENTRIES})
        return self

    @property
    def content_id(self) -> str:
        """The item that this issue is."""
        return issue_id(self.series, self.year, self.number)

    @property
    def order(self) -> tuple[int, int]:
        """The place of the issue among those of its series."""
        return self.year, self.number

    @property
    def span(self) -> Span:
        """The days that it covers."""
        return Span(self.first_day, self.last_day)

    @property
    def entries(self) -> tuple[BulletinEntry, ...]:
        """All entries in the order in which they are read."""
        return tuple(entry for section in self.sections for entry in section.entries)

    @property
    def content_ids(self) -> tuple[str, ...]:
        return tuple(id for id, _ in self.positions())

    @property
    def titles(self) -> dict[str, str]:
        """The title of each item, as the issue tells it."""
        told: tuple[BulletinEntry | BulletinAmendment, ...] = (*self.entries, *self.amendments)
        return {one.content_id: one.title for one in told}

    def positions(self) -> Iterator[tuple[str, int]]:
        """Each item with the revision that readers of the issue know."""
        yield from ((one.content_id, one.revision) for one in self.entries)
        yield from ((one.content_id, one.revision) for one in self.amendments)


class PublishedIssue(NamedTuple):
    """An issue that went out as an item; `is_out`: it was not withdrawn."""

    content_id: str
    issue: BulletinIssue
    is_out: bool = True


def issue_id(series: str, year: int, number: int) -> str:
    """The content_id of an issue."""
    return f"{series}-{year}-so-{number:02d}"


def is_issue_of(content_id: str, series: str, year: int | None = None) -> bool:
    """Whether an item's name is that of an issue of *series*, of any year or of one."""
    years = str(year) if year else r"\d{4}"
    return re.fullmatch(rf"{re.escape(series)}-{years}-so-\d{{2,}}", content_id) is not None
