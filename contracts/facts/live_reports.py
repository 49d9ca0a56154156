"""The figures of reports as the desk shows them, with the items behind each one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple, Protocol

from contracts.desk.person import Person


class ReportScope(NamedTuple):
    """Whose figures a person may see: those of any of the units and topics; none named: of all."""

    units: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


class ReportWanted(NamedTuple):
    """The days, both included, and the scopes of the person, of which one is enough."""

    first: date
    last: date
    scopes: tuple[ReportScope, ...]

    @property
    def is_of_all(self) -> bool:
        """Whether the person may see the figures of the whole ministry."""
        return any(not (one.units or one.topics) for one in self.scopes)


class ItemsWanted(NamedTuple):
    """Some items and days, both included, and the indicators whose figures are wanted."""

    first: date
    last: date
    content_ids: tuple[str, ...]
    indicators: tuple[str, ...]


class ItemFigures(NamedTuple):
    """Figures of some items, by indicator, as they are read; `notes`: what lacks data, and why."""

    texts: Mapping[str, str]
    notes: Sequence[str] = ()


class FigureAt(NamedTuple):
    """Which figure: the indicator, what it is divided by, and the part, as in addresses."""

    indicator: str
    by: str = "total"
    part: str = ""


class ReportCell(NamedTuple):
    """A figure as it is read, and its `value` for spreadsheets, empty without one.

    `at`: its place, where items or days are behind it. `is_marked`: it lacks days of its span.
    """

    text: str
    value: str = ""
    at: FigureAt | None = None
    is_marked: bool = False


class ReportRow(NamedTuple):
    """A part, or an indicator with its measure, and its figures."""

    name: str
    cells: Sequence[ReportCell]


@dataclass(frozen=True)
class ReportTable:
    """A table; `head` is the column of the rows' names. `notes`: what lacks data, and why.

    A table by parts of which no figure is known has no rows.
    """

    id: str
    title: str
    head: str
    columns: Sequence[str]
    rows: Sequence[ReportRow]
    notes: Sequence[str] = ()
    lead: str = ""


@dataclass(frozen=True)
class LiveReport:
    """All tables of a span. Not `is_current`: newer facts are still being read."""

    tables: Sequence[ReportTable]
    coverage: str = ""
    """Which days of the span have figures; empty where all have."""
    counted_at: datetime | None = None
    """When the newest fact that is counted was stored; None for none."""
    is_current: bool = True


class BreakdownRow(NamedTuple):
    """The part of a figure that is one item's, or one day's without an item.

    `part`: how often; `of`: of how many, for a share; `time`: the duration, as it is read.
    """

    content_id: str
    unit: str
    day: date | None
    channel: str = ""
    detail: str = ""
    part: str = ""
    of: str = ""
    time: str = ""


@dataclass(frozen=True)
class FigureBreakdown:
    """A figure, its definition, and a page of its parts."""

    name: str
    part: str
    text: str
    measure: str
    definition: str
    rows: Sequence[BreakdownRow]
    has_more: bool = False
    is_current: bool = True
    """Not: newer facts are still being read, and the rows may be newer than the figure."""


AuthorFormat = Literal["xlsx", "csv"]


class AuthorLists(Protocol):
    """The list of published items by author, for remuneration. It names people."""

    async def export(self, person: Person, days: tuple[date, date], format: AuthorFormat) -> bytes:
        """The items of these days, both included. Raises Forbidden."""
        ...


class Reports(Protocol):
    """Reports of live facts. Raises Unavailable while the copy of the facts can't be read."""

    async def view(self, wanted: ReportWanted) -> LiveReport: ...

    async def breakdown(self, wanted: ReportWanted, at: FigureAt, page: int) -> FigureBreakdown:
        """A page, from 0, of the parts of a figure. Raises NotFound for an unknown figure."""
        ...

    async def of_items(self, wanted: ItemsWanted) -> ItemFigures: ...

    async def csv(self, wanted: ReportWanted) -> bytes:
        """All tables as one file."""
        ...
