"""A report as a workbook: a sheet for each table, its figures as numbers, charts of its own."""

import io
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from math import ceil
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from consumers.periodic_reports.contents.document import (
    Block,
    Cell,
    Chart,
    Document,
    Heading,
    Paragraph,
    Table,
)

_NAME_WIDTH, _WIDTH, _PROSE_WIDTH = 44, 16, 44
_FONT = {"font_name": "Times New Roman", "font_size": 12, "valign": "top"}
_LINE_PT = 16
_A4, _HEAD_ROW, _SHEET_NAME = 9, 2, 31


def render_workbook(document: Document) -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_formulas": False})
    facts = {"title": document.title, "author": document.masthead.issuer}
    book.set_properties({**facts, "created": datetime(document.year, 1, 1, tzinfo=UTC)})
    cells = (cell for table in document.tables() for row in table.rows for cell in row)
    formats = _Formats.of(book, {cell.mark for cell in cells})
    for block, following in pairwise((*document.blocks, *document.annexes, None)):
        if isinstance(block, Table):
            sheet = book.add_worksheet(block.name)
            _TableSheet(sheet, formats).write(block)
            if isinstance(following, Chart):
                below = _HEAD_ROW + 3 + len(block.rows) + len(block.notes)
                sheet.insert_chart(below, 0, _chart(book, block, following))
    _write_sources(book, document.annexes, formats)
    book.close()
    return target.getvalue()


@dataclass(frozen=True)
class _Formats:
    title: Format
    head: Format
    text: Format
    note: Format
    missing: Format
    numbers: dict[tuple[int, str], Format]
    """By the number of decimals, and the mark behind the number."""

    @classmethod
    def of(cls, book: xlsxwriter.Workbook, marks: Set[str]) -> "_Formats":
        def add(**more: object) -> Format:
            return book.add_format({**_FONT, **more})

        framed = {"border": 1, "text_wrap": True}
        return cls(
            title=add(bold=True, font_size=13),
            head=add(bold=True, align="center", **framed),
            text=add(**framed),
            note=add(italic=True, text_wrap=True),
            missing=add(italic=True, align="right", **framed),
            numbers={
                (decimals, mark): add(num_format=_number_format(decimals, mark), **framed)
                for mark in sorted(marks)
                for decimals in range(3)
            },
        )


def _number_format(decimals: int, mark: str) -> str:
    """A mark is shown, and is no part of the number."""
    quoted = mark.replace('"', "")
    return "#,##0" + ("." + "0" * decimals if decimals else "") + (f'"{quoted}"' if quoted else "")


@dataclass(frozen=True)
class _TableSheet:
    """A sheet for one table."""

    sheet: Worksheet
    formats: _Formats

    def write(self, table: Table) -> None:
        self.set_page(table)
        self.sheet.write_string(0, 0, table.caption, self.formats.title)
        for column, name in enumerate(table.columns):
            self.sheet.write_string(_HEAD_ROW, column, name, self.formats.head)
        for number, row in enumerate(table.rows, start=_HEAD_ROW + 1):
            for column, cell in enumerate(row):
                self.write_cell(number, column, cell)
        for number, note in enumerate(table.notes, start=4 + len(table.rows)):
            self.write_note(number, note, len(table.columns) - 1)

    def set_page(self, table: Table) -> None:
        """Columns as wide as their contents, on pages that each begin with the table's head."""
        width = _PROSE_WIDTH if table.is_prose else _WIDTH
        self.sheet.set_column(0, 0, _NAME_WIDTH)
        self.sheet.set_column(1, len(table.columns) - 1, width)
        self.sheet.set_landscape()
        self.sheet.set_paper(_A4)
        self.sheet.fit_to_pages(1, 0)
        self.sheet.repeat_rows(_HEAD_ROW)
        self.sheet.freeze_panes(_HEAD_ROW + 1, 1)

    def write_cell(self, row: int, column: int, cell: Cell) -> None:
        value = cell.figure.value if cell.figure else None
        if not cell.text:
            self.sheet.write_blank(row, column, None, self.formats.text)
        elif value is None:
            form = self.formats.missing if cell.figure else self.formats.text
            self.sheet.write_string(row, column, cell.text, form)
        else:
            form = self.formats.numbers[_decimals(value), cell.mark]
            self.sheet.write_number(row, column, float(value), form)

    def write_note(self, row: int, note: str, last: int) -> None:
        """A note as wide as its table: one long line would shrink the whole sheet in print."""
        room = _NAME_WIDTH + last * _WIDTH
        self.sheet.set_row(row, _LINE_PT * ceil(len(note) / room))
        self.sheet.merge_range(row, 0, row, last, "", self.formats.note)
        self.sheet.write_string(row, 0, note, self.formats.note)


def _chart(book: xlsxwriter.Workbook, table: Table, chart: Chart) -> Any:
    """A chart of the table's own cells, in grey."""
    first, last = _HEAD_ROW + 1, _HEAD_ROW + len(table.rows)
    column = table.columns.index(chart.series)
    made = book.add_chart({"type": "column"})
    made.add_series(
        {
            "name": [table.name, _HEAD_ROW, column],
            "categories": [table.name, first, 0, last, 0],
            "values": [table.name, first, column, last, column],
            "fill": {"color": "#404040"},
        }
    )
    made.set_title({"name": chart.caption, "name_font": {"size": 12}})
    made.set_legend({"none": True})
    return made


def _write_sources(book: xlsxwriter.Workbook, annexes: Sequence[Block], formats: _Formats) -> None:
    """A sheet of what the annexes say in words."""
    texts = [block.text for block in annexes if isinstance(block, Paragraph)]
    headings = [block.text for block in annexes if isinstance(block, Heading)]
    sheet = book.add_worksheet(headings[-1][:_SHEET_NAME])
    sheet.set_column(0, 0, 2 * _PROSE_WIDTH)
    for number, text in enumerate(texts):
        sheet.write_string(number, 0, text, formats.text)


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return min(-exponent, 2) if isinstance(exponent, int) and exponent < 0 else 0
