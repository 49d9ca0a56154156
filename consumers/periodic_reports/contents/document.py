"""A report as its renderers take it: masthead, blocks, annexes; all texts are ready to print."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from consumers.periodic_reports.figures import Figure

_NAME_WIDTH, _FIGURE_WIDTH = 28, 8
"""The most that a name takes in a line, and the least that a figure takes, in letters."""


def _word(texts: Iterable[str]) -> int:
    """The longest word, with room at both sides."""
    return max(_FIGURE_WIDTH, *(len(word) + 1 for text in texts for word in text.split()))


@dataclass(frozen=True)
class Heading:
    """A heading; levels 1 to 3."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. `is_prompt`: what a person replaces before the report is signed."""

    text: str
    is_prompt: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell: its text for people, and its figure, if it is one, for spreadsheets.

    `mark` ends the text of a figure that lacks days of its span.
    """

    text: str
    figure: Figure | None = None
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first column names its rows, the others are figures unless `is_prose`."""

    name: str
    """The name of its sheet in the workbook, at most 31 characters."""
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    is_prose: bool = False

    def widths(self) -> list[int]:
        """How wide the columns are beside one another: no word of a figure is cut."""
        if self.is_prose:
            return [1] * len(self.columns)
        columns = zip(
            self.columns, *((cell.text for cell in row) for row in self.rows), strict=True
        )
        first, *others = map(list, columns)
        name = max(map(len, first))
        return [max(_word(first), min(name, _NAME_WIDTH)), *(_word(texts) for texts in others)]


@dataclass(frozen=True)
class Chart:
    """Bars, one a label; None is a gap. `description` says in words what it shows."""

    caption: str
    description: str
    series: str
    """The name of the column that has the values, in the table before the chart."""
    labels: tuple[str, ...]
    values: tuple[Decimal | None, ...]
    value_texts: tuple[str, ...]


Block = Heading | Paragraph | Table | Chart


@dataclass(frozen=True)
class Masthead:
    """The head of the first page."""

    parent: str
    issuer: str
    nation: str
    motto: str
    number: str
    place_and_date: str
    kind: str
    subject: str
    addressee: str


@dataclass(frozen=True)
class Signature:
    """A block for a signature; a blank name is signed by hand."""

    authority: str
    name: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report. `watermark` lies under every page of the draft."""

    title: str
    language: Literal["vi"]
    masthead: Masthead
    blocks: Sequence[Block]
    annexes: Sequence[Block]
    signatures: tuple[Signature, ...]
    recipients_title: str
    recipients: tuple[str, ...]
    watermark: str
    notes_word: str
    year: int
    """The year of the files' dates."""

    def tables(self) -> list[Table]:
        return [block for block in (*self.blocks, *self.annexes) if isinstance(block, Table)]
