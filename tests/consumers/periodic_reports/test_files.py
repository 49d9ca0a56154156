"""The files of a report: tagged PDF, Word document in the form of the decree, workbook."""

import io
import unicodedata
import zipfile
from dataclasses import replace
from itertools import pairwise

import openpyxl
import pypdf
import pytest
from docx import Document as open_word
from docx.oxml.ns import qn

from consumers.periodic_reports.contents.composition import compose
from consumers.periodic_reports.contents.document import Document, Paragraph
from consumers.periodic_reports.rendering.files import render_files
from consumers.periodic_reports.rendering.pdf import render_pdf
from tests.support.pdf_layout import texts
from tests.support.report_data import write_year

MM = 36_000
PHRASES = (
    "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
    "Độc lập - Tự do - Hạnh phúc",
    "Vụ Cải cách hành chính",
    "chưa có số liệu",
)


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> Document:
    return compose(write_year(tmp_path_factory.mktemp("year") / "set", 60))


@pytest.fixture(scope="module")
def files(document) -> dict[str, bytes]:
    return {name.rpartition(".")[2]: body for name, body in render_files(document)}


def test_the_pdf_is_tagged_and_its_text_can_be_taken_out(files, document):
    pdf = pypdf.PdfReader(io.BytesIO(files["pdf"]))
    root = pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].startswith("vi")
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data()
    tags = [*_tags(root["/StructTreeRoot"])]
    charts = tags.count("/Figure")
    assert (tags.count("/Table"), charts) == (len(document.tables()), 1)
    assert {"/H1", "/H2", "/TH", "/TD", "/THead", "/Caption"} <= set(tags)
    text = "\n".join(page.extract_text() for page in pdf.pages)
    flat = " ".join(text.split())
    assert [phrase for phrase in PHRASES if phrase not in flat] == []
    assert unicodedata.is_normalized("NFC", text)


def _tags(element):
    element = element.get_object() if hasattr(element, "get_object") else element
    if isinstance(element, list):
        for one in element:
            yield from _tags(one)
    elif isinstance(element, dict):
        if "/S" in element:
            yield element["/S"]
        yield from _tags(element.get("/K", []))


def test_the_pdf_has_fonts_of_its_own_and_a4_pages(files):
    pdf = pypdf.PdfReader(io.BytesIO(files["pdf"]))
    names = set()
    for page in pdf.pages:
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
        for font in page["/Resources"].get("/Font", {}).values():
            names.add(font.get_object()["/BaseFont"].partition("+")[2])
    assert all(name.startswith("LiberationSerif") for name in names)


def test_paragraphs_of_the_pdf_are_six_points_further_apart_than_its_lines(document):
    two = (Paragraph("Dòng này dài. " * 20), Paragraph("Đoạn sau. " * 30))
    pdf = render_pdf(replace(document, blocks=two, annexes=()))
    lines = [one for one in texts(pypdf.PdfReader(io.BytesIO(pdf))) if one.size_pt == 13]
    first, second = (
        next(one.y for one in lines if one.text.startswith(words)) for words in ("Dòng", "Đoạn sau")
    )
    body = sorted({one.y for one in lines})
    inside = [y for y in body if first <= y <= second]
    steps = [(later - one) * 72 / 25.4 for one, later in pairwise(inside)]
    assert len(steps) > 2
    assert 13 <= steps[0] <= 1.5 * 1.2 * 13
    assert steps[-1] - steps[0] == pytest.approx(6, abs=0.5)


def test_the_word_document_has_the_form_of_the_decree(files):
    word = open_word(io.BytesIO(files["docx"]))
    section = word.sections[0]
    sides = (section.top_margin, section.bottom_margin, section.left_margin, section.right_margin)
    assert [round(side / MM) for side in sides] == [20, 20, 30, 20]
    assert [round(section.page_width / MM), round(section.page_height / MM)] == [210, 297]
    assert section.different_first_page_header_footer
    header = section.header._element
    assert [one.get(qn("w:instr")) for one in header.iter(qn("w:fldSimple"))] == ["PAGE"]
    first = section.first_page_header._element
    assert not list(first.iter(qn("w:fldSimple")))
    for part in (header, first):
        assert 'string="DỰ THẢO"' in part.xml
    fonts = {word.styles[name].font.name for name in ("Normal", "Heading 1", "Caption")}
    assert fonts == {"Times New Roman"}
    right = word.tables[0].rows[0].cells[1].paragraphs
    nation, motto = right[0].runs[0], right[1].runs[0]
    assert (nation.text, nation.bold, nation.font.size.pt) == (PHRASES[0], True, 12)
    assert (motto.text, motto.bold, motto.font.size.pt) == (PHRASES[1], True, 13)


def test_the_word_document_leaves_number_and_day_empty_and_names_no_time(files):
    word = open_word(io.BytesIO(files["docx"]))
    number, day = (cell.text for cell in word.tables[0].rows[1].cells)
    assert not any(letter.isdigit() for letter in number + day)
    assert {one.date_time[0] for one in _parts(files["docx"])} == {1980}


def test_every_table_repeats_its_head_and_every_picture_is_described(files, document):
    word = open_word(io.BytesIO(files["docx"]))
    heads = list(word.element.body.iter(qn("w:tblHeader")))
    assert len(heads) == len(document.tables())
    described = [one.get("descr") for one in word.element.body.iter(qn("wp:docPr"))]
    assert described
    assert all(described)


def test_notes_of_the_workbook_are_as_wide_as_their_tables(files, document):
    book = openpyxl.load_workbook(io.BytesIO(files["xlsx"]))
    for table in document.tables():
        merged = {str(one).partition(":")[0]: one for one in book[table.name].merged_cells.ranges}
        notes = [cell for cell in book[table.name]["A"] if cell.value in table.notes]
        assert len(notes) == len(table.notes)
        assert all(merged[cell.coordinate].size["columns"] == len(table.columns) for cell in notes)


def test_the_workbook_has_every_figure_as_a_number(files, document):
    book = openpyxl.load_workbook(io.BytesIO(files["xlsx"]))
    assert book.sheetnames[:-1] == [table.name for table in document.tables()]
    assert document.annexes[-1].text in [cell.value for cell in book.worksheets[-1]["A"]]
    charts = [len(sheet._charts) for sheet in book.worksheets]
    assert charts == [0, 1, *([0] * (len(charts) - 2))]
    for table in document.tables():
        sheet = book[table.name]
        for row, cells in enumerate(table.rows, start=4):
            for column, cell in enumerate(cells, start=1):
                found = sheet.cell(row, column).value
                value = cell.figure.value if cell.figure else None
                expected = (cell.text or None) if value is None else float(value)
                assert (table.name, row, column, found) == (table.name, row, column, expected)


def _parts(package: bytes) -> list[zipfile.ZipInfo]:
    return zipfile.ZipFile(io.BytesIO(package)).infolist()
