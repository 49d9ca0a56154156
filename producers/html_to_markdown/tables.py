"""Tables: a grid of one-line cells under one header row."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from lxml.html import HtmlElement

from producers.html_to_markdown.clipboard import alignment
from producers.html_to_markdown.errors import TableTooLarge
from producers.html_to_markdown.inline import without_break
from producers.html_to_markdown.losses import Loss, Losses

COLUMNS_MAX, CELLS_MAX = 50, 5000
_BLOCK_MARK = re.compile(r"^(?:[-*+] |#+ |> ?)+|^```.*")
_DELIMITER_ROW = re.compile(r"[| :-]+")
_BARE_PIPE = re.compile(r"(?<!\\)\|")
_DELIMITERS = {"left": ":--", "right": "--:", "center": ":-:"}
WriteBlocks = Callable[[HtmlElement], list[str]]


@dataclass(slots=True)
class _Grid:
    """The rows of a table, merged cells spread over the places that they cover."""

    rows: list[dict[int, str]] = field(default_factory=list)
    below: defaultdict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    """By row: the texts that cells of rows above it put there."""
    alignments: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    cells: int = 0

    def open_row(self) -> None:
        self.rows.append(self.below.pop(len(self.rows), {}))

    def place(self, text: str, size: tuple[int, int], alignment: str | None) -> None:
        """Put a cell of *size*, columns and rows, at the next free place. Raises TableTooLarge."""
        row, (width, height) = self.rows[-1], size
        column = next(number for number in range(COLUMNS_MAX + 1) if number not in row)
        self.cells += width * height
        if column + width > COLUMNS_MAX or self.cells > CELLS_MAX:
            raise TableTooLarge
        for at in range(column, column + width):
            row[at] = text if at == column else ""
            for down in range(1, height):
                self.below[len(self.rows) - 1 + down][at] = row[at]
        if alignment:
            self.alignments[column][alignment] += 1

    def filled(self) -> list[list[str]]:
        """The rows that have words, all as wide as the widest."""
        width = max((max(row, default=-1) + 1 for row in self.rows), default=0)
        rows = ([row.get(column, "") for column in range(width)] for row in self.rows)
        return [row for row in rows if any(row)]


def write_table(node: HtmlElement, write_blocks: WriteBlocks, losses: Losses) -> list[str]:
    """A table as Markdown. A table of one cell is a frame around its blocks."""
    rows = [_cells(row) for row in _rows(node)]
    if [len(row) for row in rows] == [1]:
        return write_blocks(rows[0][0])
    grid = _Grid()
    for row in rows:
        grid.open_row()
        for cell in row:
            size = _span(cell, "colspan"), _span(cell, "rowspan", len(rows) - len(grid.rows) + 1)
            losses[Loss.MERGED_CELL] += size != (1, 1)
            grid.place(_one_line(cell, write_blocks(cell), losses), size, alignment(cell))
    return _lines(grid)


def _rows(table: HtmlElement) -> Iterator[HtmlElement]:
    """The rows of *table*, without those of tables in its cells."""
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in child if row.tag == "tr")


def _cells(row: HtmlElement) -> list[HtmlElement]:
    return [cell for cell in row if cell.tag in ("td", "th")]


def _span(cell: HtmlElement, name: str, most: int = COLUMNS_MAX) -> int:
    """How many columns or rows a cell covers, within the table."""
    number = cell.get(name) or ""
    return min(max(1, int(number)), most) if number.isdecimal() and len(number) < 9 else 1


def _one_line(cell: HtmlElement, blocks: Sequence[str], losses: Losses) -> str:
    """The blocks of a cell in one line, apart by semicolons."""
    losses[Loss.CELL_PARAGRAPHS] += len(blocks) > 1
    losses[Loss.CELL_LIST] += sum(1 for _ in cell.iter("ul", "ol"))
    losses[Loss.NESTED_TABLE] += sum(1 for _ in cell.iter("table"))
    lines = [without_break(line).strip() for block in blocks for line in block.split("\n")]
    words = [
        _row_words(line) if line.startswith("| ") else _BLOCK_MARK.sub("", line) for line in lines
    ]
    return _BARE_PIPE.sub(r"\\|", "; ".join(filter(None, words)))


def _row_words(row: str) -> str:
    """The words of a row of a table within a cell."""
    return (
        "" if _DELIMITER_ROW.fullmatch(row) else _BARE_PIPE.sub(",", row[2:-2]).replace(" ,", ",")
    )


def _lines(grid: _Grid) -> list[str]:
    rows = grid.filled()
    if not rows:
        return []
    delimiters = [_delimiter(grid.alignments[column], len(rows)) for column in range(len(rows[0]))]
    return ["\n".join(f"| {' | '.join(row)} |" for row in (rows[0], delimiters, *rows[1:]))]


def _delimiter(alignments: Counter[str], rows: int) -> str:
    """The alignment that more than half of a column's cells have."""
    for side, count in alignments.most_common(1):
        if count * 2 > rows:
            return _DELIMITERS.get(side, "---")
    return "---"
