"""A report as a workbook: a sheet for each table, its figures as numbers, charts of its own."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from consumers.periodic_reports.document import Cell, Document, Table

_NAME_WIDTH, _WIDTH, _PROSE_WIDTH = 44, 16, 44
_FONT = {"font_name": "Times New Roman", "font_size": 12, "valign": "top"}
_A4 = 9


def render_workbook(document: Document) -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_formulas": False})
    facts = {"title": document.title, "author": document.masthead.issuer}
    book.set_properties({**facts, "created": datetime(document.year, 1, 1, tzinfo=UTC)})
    formats = _Formats.of(book)
    for table in document.tables():
        _write_table(book.add_worksheet(table.name), table, formats)
    book.close()
    return target.getvalue()


@dataclass(frozen=True)
class _Formats:
    title: Format
    head: Format
    text: Format
    missing: Format
    numbers: dict[int, Format]
    """By the number of decimals."""

    @classmethod
    def of(cls, book: xlsxwriter.Workbook) -> "_Formats":
        def add(**more: object) -> Format:
            return book.add_format({**_FONT, **more})

        framed = {"border": 1, "text_wrap": True}
        return cls(
            title=add(bold=True, font_size=13),
            head=add(bold=True, align="center", **framed),
            text=add(**framed),
            missing=add(italic=True, align="right", **framed),
            numbers={
                decimals: add(num_format=_number_format(decimals), **framed)
                for decimals in range(3)
            },
        )


def _number_format(decimals: int) -> str:
    return "#,##0" + ("." + "0" * decimals if decimals else "")


def _write_table(sheet: Worksheet, table: Table, formats: _Formats) -> None:
    last = len(table.columns) - 1
    sheet.set_column(0, 0, _NAME_WIDTH)
    sheet.set_column(1, last, _PROSE_WIDTH if table.is_prose else _WIDTH)
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)
    sheet.write_string(0, 0, table.caption, formats.title)
    for column, name in enumerate(table.columns):
        sheet.write_string(2, column, name, formats.head)
    for number, row in enumerate(table.rows, start=3):
        for column, cell in enumerate(row):
            _write_cell(sheet, number, column, cell, formats)
    sheet.repeat_rows(2)
    sheet.freeze_panes(3, 1)
    for number, note in enumerate(table.notes, start=4 + len(table.rows)):
        sheet.write_string(number, 0, note)


def _write_cell(sheet: Worksheet, row: int, column: int, cell: Cell, formats: _Formats) -> None:
    value = cell.figure.value if cell.figure else None
    if not cell.text:
        sheet.write_blank(row, column, None, formats.text)
    elif value is None:
        sheet.write_string(row, column, cell.text, formats.missing if cell.figure else formats.text)
    else:
        sheet.write_number(row, column, float(value), formats.numbers[_decimals(value)])


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return min(-exponent, 2) if isinstance(exponent, int) and exponent < 0 else 0
