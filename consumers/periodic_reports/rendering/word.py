"""A report as a Word document, in the form of Decree 30/2020/NĐ-CP, annex I."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import docx
from docx.document import Document as WordFile
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_BREAK
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.shared import Cm, Emu, Length, Mm, Pt, RGBColor
from docx.styles.style import ParagraphStyle
from docx.table import Table as WordTable
from docx.table import _Cell, _Row
from docx.text.paragraph import Paragraph as WordParagraph

from consumers.periodic_reports.contents.document import (
    Block,
    Chart,
    Document,
    Heading,
    Masthead,
    Paragraph,
    Signature,
    Table,
)
from consumers.periodic_reports.rendering import word_parts
from consumers.periodic_reports.rendering.packages import without_times
from consumers.periodic_reports.rendering.pdf import render_picture

_FONT = "Times New Roman"
_TEXT, _SMALL, _TITLE, _NATION = Pt(13), Pt(11), Pt(14), Pt(12)
_LEFT, _CENTER, _RIGHT = (
    WD_ALIGN_PARAGRAPH.LEFT,
    WD_ALIGN_PARAGRAPH.CENTER,
    WD_ALIGN_PARAGRAPH.RIGHT,
)
_PAGE_WIDTH, _PAGE_HEIGHT = Mm(210), Mm(297)
_MARGIN_LEFT, _MARGIN = Mm(30), Mm(20)
_TEXT_WIDTH = Mm(160)
_ISSUER_WIDTH, _NATION_WIDTH = Mm(64), Mm(96)
_NARROW_TABLE = 6
"""More columns than these are set smaller."""


def render_word(document: Document) -> bytes:
    target = io.BytesIO()
    _WordReport(document, docx.Document()).write(target)
    return without_times(target.getvalue())


@dataclass(frozen=True)
class _Style:
    """The style of a paragraph in a cell."""

    size: Pt
    is_bold: bool = False
    is_italic: bool = False
    alignment: WD_ALIGN_PARAGRAPH = _CENTER


_PLAIN, _BOLD, _ITALIC = _Style(_TEXT), _Style(_TEXT, is_bold=True), _Style(_TEXT, is_italic=True)
_HEAD, _BOLD_HEAD = _Style(_NATION), _Style(_NATION, is_bold=True)
_TITLED, _BOLD_TITLE = _Style(_TITLE), _Style(_TITLE, is_bold=True)
_RECIPIENTS = _Style(_NATION, is_bold=True, is_italic=True, alignment=_LEFT)


@dataclass(frozen=True)
class _WordReport:
    document: Document
    file: WordFile

    def write(self, target: io.BytesIO) -> None:
        self.set_properties()
        self.set_page()
        self.set_styles()
        self.add_masthead(self.document.masthead)
        self.add_title(self.document.masthead)
        self.add_blocks(self.document.blocks)
        self.add_end()
        if self.document.annexes:
            self.file.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
            self.add_blocks(self.document.annexes)
        self.file.save(target)

    def set_properties(self) -> None:
        facts, made = self.file.core_properties, datetime(self.document.year, 1, 1, tzinfo=UTC)
        facts.title, facts.language = self.document.title, self.document.language
        facts.author = facts.last_modified_by = self.document.masthead.issuer
        facts.created = facts.modified = made
        facts.comments = ""

    def set_page(self) -> None:
        section = self.file.sections[0]
        section.page_width, section.page_height = _PAGE_WIDTH, _PAGE_HEIGHT
        section.top_margin = section.bottom_margin = section.right_margin = _MARGIN
        section.left_margin, section.header_distance = _MARGIN_LEFT, Mm(10)
        section.different_first_page_header_footer = True
        first, others = section.first_page_header.paragraphs[0], section.header.paragraphs[0]
        for paragraph in (first, others):
            _format(paragraph, _CENTER)
            paragraph._p.append(word_parts.watermark(self.document.watermark))
        others._p.append(word_parts.field("PAGE"))

    def set_styles(self) -> None:
        styles = self.file.styles
        _set_font(styles["Normal"], _TEXT)
        styles["Normal"].element.get_or_add_rPr().append(word_parts.language("vi-VN"))
        _set_spacing(styles["Normal"], before=0, after=6)
        for level in range(1, 4):
            style = styles[f"Heading {level}"]
            _set_font(style, _TEXT, is_bold=True, is_italic=level > 2)
            _set_spacing(style, before=12, after=6)
        _set_font(styles["Caption"], Pt(12), is_italic=True)
        _set_font(styles["Header"], _TEXT)

    def add_masthead(self, masthead: Masthead) -> None:
        table = self.add_grid(2, [_ISSUER_WIDTH, _NATION_WIDTH])
        left, right = table.rows[0].cells
        _write(left, masthead.parent.upper(), _HEAD)
        _write(left, masthead.issuer.upper(), _BOLD_HEAD)
        _add_line(left, _ISSUER_WIDTH, 0.4 * _width(masthead.issuer.upper(), _HEAD))
        _write(right, masthead.nation.upper(), _BOLD_HEAD)
        _write(right, masthead.motto, _BOLD)
        _add_line(right, _NATION_WIDTH, _width(masthead.motto, _PLAIN))
        left, right = table.add_row().cells
        _write(left, masthead.number, _PLAIN)
        _write(right, masthead.place_and_date, _ITALIC)

    def add_title(self, masthead: Masthead) -> None:
        grid = self.add_grid(1, [_TEXT_WIDTH])
        cell = grid.rows[0].cells[0]
        _write(cell, "", _PLAIN)
        _write(cell, masthead.kind.upper(), _BOLD_TITLE)
        _write(cell, masthead.subject, _BOLD_TITLE)
        _add_line(cell, _TEXT_WIDTH, 0.5 * _width(masthead.subject[:40], _TITLED))
        if masthead.addressee:
            _write(cell, masthead.addressee, _TITLED)

    def add_blocks(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self.writers[type(block)](block)

    @property
    def writers(self) -> dict[type[Block], Callable[..., None]]:
        return {
            Heading: self.add_heading,
            Paragraph: self.add_paragraph,
            Table: self.add_table,
            Chart: self.add_chart,
        }

    def add_heading(self, heading: Heading) -> None:
        self.file.add_heading(heading.text, heading.level)

    def add_paragraph(self, paragraph: Paragraph) -> None:
        added = self.file.add_paragraph()
        added.add_run(paragraph.text).italic = paragraph.is_prompt
        added.paragraph_format.first_line_indent = Cm(1.27)
        added.alignment = WD_ALIGN_PARAGRAPH.JUSTIFY

    def add_table(self, table: Table) -> None:
        self.add_caption(table.caption, keep_with_next=True)
        widths = _widths(table)
        grid = self.file.add_table(rows=0, cols=len(widths), style="Table Grid")
        grid.autofit = False
        word_parts.begin_at_margin(grid._tbl.tblPr)
        size = Pt(10) if len(widths) > _NARROW_TABLE else _SMALL
        head = grid.add_row()
        _mark_row(head, word_parts.repeated_head())
        for cell, name in zip(head.cells, table.columns, strict=True):
            _write(cell, name, _Style(size, is_bold=True))
        for row in table.rows:
            self.add_row(grid, [cell.text for cell in row], size, table.is_prose)
        _set_widths(grid, widths)
        self.add_notes(table)

    def add_row(self, grid: WordTable, texts: list[str], size: Pt, is_prose: bool) -> None:
        """A row that a page may end within: LibreOffice loses whole rows behind a repeated head."""
        row = grid.add_row()
        for number, (cell, text) in enumerate(zip(row.cells, texts, strict=True)):
            side = _LEFT if is_prose or number == 0 else _RIGHT
            _write(cell, text, _Style(size, alignment=side))

    def add_notes(self, table: Table) -> None:
        lines = "\n".join(f"{note}." for note in table.notes)
        text = f"{self.document.notes_word}{lines}" if lines else ""
        added = self.file.add_paragraph()
        run = added.add_run(text)
        run.italic, run.font.size = True, _SMALL

    def add_chart(self, chart: Chart) -> None:
        picture = self.file.add_picture(io.BytesIO(render_picture(chart)), width=_TEXT_WIDTH)
        picture._inline.docPr.set("descr", chart.description)
        self.file.paragraphs[-1].paragraph_format.keep_with_next = True
        self.add_caption(chart.caption)

    def add_caption(self, text: str, *, keep_with_next: bool = False) -> None:
        caption = self.file.add_paragraph(text, style="Caption")
        _format(caption, _CENTER)
        caption.paragraph_format.keep_with_next = keep_with_next

    def add_end(self) -> None:
        """Recipients on the left, signatures on the right."""
        count = 1 + len(self.document.signatures)
        grid = self.add_grid(count, [Emu(_TEXT_WIDTH // count)] * count)
        _mark_row(grid.rows[0], word_parts.whole_row())
        left, *rest = grid.rows[0].cells
        _write(left, self.document.recipients_title, _RECIPIENTS)
        for recipient in self.document.recipients:
            _write(left, recipient, _Style(_SMALL, alignment=_LEFT))
        for cell, signature in zip(rest, self.document.signatures, strict=True):
            _write_signature(cell, signature)

    def add_grid(self, columns: int, widths: Sequence[Length]) -> WordTable:
        """A table without borders, for parts side by side."""
        grid: WordTable = self.file.add_table(rows=1, cols=columns)
        grid.autofit = False
        _set_widths(grid, widths)
        return grid


def _mark_row(row: _Row, mark: BaseOxmlElement) -> None:
    properties: BaseOxmlElement = row._tr.get_or_add_trPr()
    properties.append(mark)


def _write_signature(cell: _Cell, signature: Signature) -> None:
    _write(cell, signature.authority.upper(), _BOLD)
    for _ in range(4):
        _write(cell, "", _PLAIN)
    _write(cell, signature.name, _BOLD)


def _widths(table: Table) -> list[Emu]:
    shares = table.widths()
    return [Emu(_TEXT_WIDTH * share // sum(shares)) for share in shares]


def _set_widths(grid: WordTable, widths: Sequence[Length]) -> None:
    for column, width in zip(grid._tbl.tblGrid.gridCol_lst, widths, strict=True):
        column.w = width
    for row in grid.rows:
        for cell, width in zip(row.cells, widths, strict=True):
            cell.width = width


def _write(cell: _Cell, text: str, style: _Style) -> None:
    """Add a paragraph to a cell, or fill its first one."""
    paragraph = cell.paragraphs[-1]
    if paragraph.runs or len(cell.paragraphs) > 1:
        paragraph = cell.add_paragraph()
    run = paragraph.add_run(text)
    run.bold, run.italic, run.font.size = style.is_bold, style.is_italic, style.size
    _format(paragraph, style.alignment)


def _add_line(cell: _Cell, room: Length, width: float) -> None:
    """A line in the middle of the cell, at most as wide as the *room*."""
    paragraph = cell.add_paragraph()
    _format(paragraph, _CENTER)
    paragraph.paragraph_format.line_spacing = Pt(6)
    indent = Emu(int((room - Mm(4) - min(width, room)) / 2))
    paragraph.paragraph_format.left_indent = paragraph.paragraph_format.right_indent = indent
    word_parts.draw_line_above(paragraph._p.get_or_add_pPr())


def _width(text: str, style: _Style) -> Length:
    return Pt(word_parts.width_pt(text, style.size.pt))


def _format(paragraph: WordParagraph, alignment: WD_ALIGN_PARAGRAPH) -> None:
    paragraph.alignment = alignment
    paragraph.paragraph_format.space_after = paragraph.paragraph_format.space_before = Pt(2)


def _set_font(
    style: ParagraphStyle, size: Pt, *, is_bold: bool = False, is_italic: bool = False
) -> None:
    font = style.font
    font.name, font.size, font.bold, font.italic = _FONT, size, is_bold, is_italic
    font.color.rgb = RGBColor(0, 0, 0)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in [*fonts.attrib]:
        if name.endswith("Theme"):  # a theme's font would win
            del fonts.attrib[name]
    for name in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
        fonts.set(qn(name), _FONT)


def _set_spacing(style: ParagraphStyle, before: int, after: int) -> None:
    style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(before), Pt(after)
