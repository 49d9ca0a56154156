"""Reports opened by LibreOffice: pages in the form of Decree 30/2020/NĐ-CP, sums that add up.

Those of a year, and of a campaign.

`LOA_TEST_PICTURES=docs/images/bao-cao` keeps pictures of pages (needs pdftoppm of poppler-utils).
"""

import io
import os
import subprocess
import unicodedata
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

import openpyxl
import pypdf
import pytest
from PIL import Image, ImageFont

from consumers.campaigns.report import CampaignReport
from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.contents.composition import compose
from consumers.periodic_reports.contents.document import Document
from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.figures import Figure, Figures
from consumers.periodic_reports.rendering.files import render_files
from consumers.periodic_reports.rendering.word import render_word
from consumers.periodic_reports.rows import Gap, Row
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import Tally
from contracts.base.working_days import default_working_days
from contracts.campaigns.progress import progress_of
from contracts.campaigns.reported import ReportedCampaign
from contracts.vocabulary import DEFAULT
from design.fonts import FONT_FOLDER
from tests.support import requirements
from tests.support.browser import PICTURES
from tests.support.campaigns import CAMPAIGN, a_joined_item, a_plan
from tests.support.pdf_layout import Shape, Text, shapes, texts
from tests.support.report_data import YEAR, write_year

FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>"""
PAGE = (210, 297)
LEFT, RIGHT, TOP, BOTTOM = (30, 35), (15, 20), (20, 25), (20, 25)
"""The decree's margins in mm, each from and to."""
NEAR, WATERMARK = 0.5, 0.85
ASCENT = 0.89
"""How much of the font's size is above the baseline."""


class Form(NamedTuple):
    """Form of a line by the decree's annex I: sizes from and to, upright or italic, bold."""

    sizes: tuple[float, float]
    bold: bool = False
    italic: bool = False


FORMS: Mapping[str, Form] = {
    "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM": Form((12, 13), bold=True),
    "Độc lập - Tự do - Hạnh phúc": Form((13, 14), bold=True),
    "BỘ NỘI VỤ": Form((12, 13)),
    "TRUNG TÂM CÔNG NGHỆ": Form((12, 13), bold=True),
    "Số:": Form((13, 13)),
    "Hà Nội, ngày": Form((13, 14), italic=True),
    "BÁO CÁO": Form((13, 14), bold=True),
    "GIÁM ĐỐC": Form((13, 14), bold=True),
    "Nơi nhận:": Form((12, 12), bold=True, italic=True),
    "- Lưu: VT, CNTT.": Form((11, 11)),
}


YEARS: Mapping[str, Form] = FORMS | {
    "Kết quả thông tin, tuyên truyền": Form((13, 14), bold=True),
    "Căn cứ Nghị định số 224/2026/NĐ-CP": Form((13, 14)),
    "I. Tình hình, kết quả thực hiện": Form((13, 14), bold=True),
}
CAMPAIGNS: Mapping[str, Form] = FORMS | {
    "Kết quả thực hiện chuyên đề": Form((13, 14), bold=True),
    "I. Chuyên đề và kế hoạch": Form((13, 14), bold=True),
    "Mục đích: Giải thích chế độ": Form((13, 14)),
}


class Opened(NamedTuple):
    """Result of LibreOffice for a report's Word document, and its workbook if it has one."""

    document: Document
    word: pypdf.PdfReader
    forms: Mapping[str, Form]
    paragraph: str
    """How a paragraph of several lines begins, on the first page."""
    rows: int
    """More rows than these are in its tables."""
    book: openpyxl.Workbook | None = None


@pytest.fixture(scope="module", params=["year", "campaign"])
def opened(request, tmp_path_factory) -> Opened:
    requirements.office()
    folder = tmp_path_factory.mktemp("report")
    return OPENERS[request.param](folder)


def open_campaign(folder: Path) -> Opened:
    document = campaign_report()
    (folder / "chuyen-de.docx").write_bytes(render_word(document))
    word = pypdf.PdfReader(io.BytesIO(convert(folder / "chuyen-de.docx", "pdf")))
    return Opened(document, word, CAMPAIGNS, "Mục đích", 60)


def campaign_report() -> Document:
    """A report whose tables go on over pages, and that lacks some figures."""
    entries = [
        {"number": number, "title": f"Hỏi đáp về tiền lương, phần {number}", "day": "2026-12-04"}
        for number in range(1, 61)
    ]
    purpose = "Giải thích chế độ tiền lương mới cho công chức, viên chức. " * 5
    plan = a_plan(entries=entries, partners=["vu-phap-che"], purpose=purpose.strip())
    items = [a_joined_item(f"tin-{number}", number, "2026-12-03") for number in range(1, 31)]
    items.append(a_joined_item("them", None, "2027-02-02"))
    today, is_working = date(2027, 2, 10), default_working_days().is_working
    progress = progress_of(plan, items, today, is_working)
    campaign = ReportedCampaign(
        *(CAMPAIGN, "Chế độ tiền lương mới", "van-phong-bo", plan), progress, today
    )
    span = Span(*campaign.counted_days)
    kinds = ("deliveries.expected", "deliveries.delivered")
    tally = Tally.of(Row(span.first, kind, 1000, channel="email") for kind in kinds)
    gap = Gap(kind="opinions", first=span.first, last=span.last, reason="not_recorded")
    names = {id: unit.name for id, unit in DEFAULT.units.items()}
    figures = Figures(span, tally, [gap]), Figures(span, tally)
    return CampaignReport(campaign, *figures, load_texts(Path("none")), names).document()


def open_year(folder: Path) -> Opened:
    sources = HeaderSources(load_texts(Path("none")), DEFAULT)
    names = sources.header("2026", YEAR, None).names
    document = compose(write_year(folder / "set", 60, names=names))
    for name, body in render_files(document):
        (folder / name).write_bytes(body)
    word = convert(folder / "bao-cao.docx", "pdf")
    if pictures := os.environ.get(PICTURES):
        keep_pictures(folder, Path(pictures))
    book = openpyxl.load_workbook(io.BytesIO(convert(folder / "bao-cao.xlsx", "xlsx")))
    word_pages = pypdf.PdfReader(io.BytesIO(word))
    return Opened(document, word_pages, YEARS, "Căn cứ", 150, book)


OPENERS = {"year": open_year, "campaign": open_campaign}


def keep_pictures(folder: Path, pictures: Path) -> None:
    """The first pages of the Word document, and of the PDF, in grey."""
    for name, file in (("word", folder / "office/bao-cao.pdf"), ("pdf", folder / "bao-cao.pdf")):
        pages = ["pdftoppm", "-gray", "-r", "80", "-l", "3", "-png", file, folder / name]
        subprocess.run(pages, check=True)
        for number, page in enumerate(sorted(folder.glob(f"{name}-*.png")), start=1):
            Image.open(page).save(pictures / f"{name}-{number}.webp", quality=60)


def convert(file: Path, form: str) -> bytes:
    """Convert *file* by LibreOffice, with the fonts that ship in place of Times New Roman."""
    office = file.parent / "office"
    office.mkdir(exist_ok=True)
    fonts = office / "fonts.conf"
    fonts.write_text(FONTS.format(fonts=FONT_FOLDER, cache=office / "cache"))
    profile = f"-env:UserInstallation={(office / 'profile').as_uri()}"
    command = ["soffice", profile, "--headless", "--convert-to", form, "--outdir", office, file]
    environ = os.environ | {"FONTCONFIG_FILE": str(fonts), "HOME": str(office)}
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=500)
    return (office / file.with_suffix(f".{form}").name).read_bytes()


@pytest.fixture(scope="module")
def lines(opened) -> list[Text]:
    return texts(opened.word)


def test_every_line_of_the_form_has_the_size_and_the_weight_of_the_decree(opened, lines):
    for beginning, form in opened.forms.items():
        line = find(lines, beginning)
        found = (form.sizes[0] <= line.size_pt <= form.sizes[1], line.is_bold, line.is_italic)
        assert found == (True, form.bold, form.italic), line


def find(lines: list[Text], beginning: str) -> Text:
    return next(line for line in lines if line.text.startswith(beginning))


def test_all_letters_are_of_the_one_font_and_black(opened, lines):
    """Liberation Serif, which has the widths of Times New Roman."""
    assert {line.font.partition("+")[2].partition("-")[0] for line in lines} == {"LiberationSerif"}
    assert len(lines) > 2 * opened.rows
    for page in opened.word.pages:
        assert {round(shape.grey, 2) for shape in shapes(page)} <= {0.0, WATERMARK}


def test_pages_are_a4_with_the_margins_of_the_decree(opened, lines):
    for page in opened.word.pages:
        sides = [float(side) * 25.4 / 72 for side in page.mediabox[2:]]
        assert sides == pytest.approx(PAGE, abs=NEAR)
    body = [line for line in lines if not is_page_number(line)]
    assert LEFT[0] - NEAR <= min(line.x for line in body) <= LEFT[1]
    tops = [line.y - ASCENT * line.size_pt * 25.4 / 72 for line in body]
    assert TOP[0] - NEAR <= min(tops) <= TOP[1]
    assert BOTTOM[0] - NEAR <= PAGE[1] - max(line.y for line in body)
    borders = [shape for page in opened.word.pages[1:] for shape in rules(page)]
    assert min(one.left for one in borders) == pytest.approx(LEFT[0], abs=NEAR)
    assert max(one.right for one in borders) == pytest.approx(PAGE[0] - RIGHT[1], abs=NEAR)


def rules(page: pypdf.PageObject) -> list[Shape]:
    """The black lines of a page."""
    return [shape for shape in shapes(page) if not shape.grey]


def is_page_number(line: Text) -> bool:
    return line.text == str(line.page) and line.y < TOP[0]


def test_each_page_but_the_first_has_its_number_in_the_middle_of_the_upper_margin(opened, lines):
    numbers = {line.page: line for line in lines if is_page_number(line)}
    assert set(numbers) == set(range(2, len(opened.word.pages) + 1))
    middle = (LEFT[0] + PAGE[0] - RIGHT[1]) / 2
    for number in numbers.values():
        assert (13 <= number.size_pt <= 14, number.is_bold) == (True, False)
        assert abs(number.x - middle) < 3


def test_nation_and_motto_stand_on_the_right_each_in_one_line(opened, lines):
    nation, motto = (find(lines, text) for text in [*FORMS][:2])
    assert (nation.text, motto.text) == tuple([*FORMS][:2])
    assert PAGE[0] / 2 - 15 < nation.x < motto.x
    assert motto.y - nation.y < 10
    issuer = find(lines, "TRUNG TÂM")
    assert issuer.x < nation.x - 50


def test_lines_under_motto_and_issuer_have_their_lengths(opened, lines):
    """Under the motto as long as it, under the issuer from a third to a half."""
    motto, number = find(lines, "Độc lập"), find(lines, "Số:")
    under = [one for one in rules(opened.word.pages[0]) if motto.y < one.top < number.y]
    under_issuer, under_motto = (pick(under, key=lambda one: one.left) for pick in (min, max))
    assert under_motto.left == pytest.approx(motto.x, abs=1)
    assert under_motto.width == pytest.approx(width(motto.text, 13), abs=1)
    assert 1 / 3 <= under_issuer.width / width("TRUNG TÂM CÔNG NGHỆ THÔNG TIN", 12) <= 1 / 2


def width(text: str, size_pt: float) -> float:
    """How wide *text* is in bold, in mm."""
    font = ImageFont.truetype(str(FONT_FOLDER / "LiberationSerif-Bold.ttf"), 100)
    return font.getlength(text) * size_pt / 100 * 25.4 / 72


def test_paragraphs_are_indented_and_fill_the_width(opened, lines):
    first = find(lines, opened.paragraph)
    following = next(line for line in lines if line.page == 1 and line.y > first.y)
    assert first.x - following.x == pytest.approx(12.7, abs=NEAR)
    assert first.size_pt * 1.0 <= (following.y - first.y) * 72 / 25.4 <= first.size_pt * 1.8


def test_a_pale_watermark_lies_under_the_text_in_the_middle_of_each_page(opened):
    middle = ((LEFT[0] + PAGE[0] - RIGHT[1]) / 2, PAGE[1] / 2)
    for page in opened.word.pages:
        first, *others = [shape for shape in shapes(page) if shape.grey]
        assert first.number < min((one.number for one in rules(page)), default=10**6)
        parts = [first, *others]
        left, right = min(one.left for one in parts), max(one.right for one in parts)
        top, bottom = min(one.top for one in parts), max(one.bottom for one in parts)
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(middle, abs=6)
        assert right - left > 80


def test_no_row_of_a_table_is_lost_where_a_page_ends(opened, lines):
    """A row may begin on one page and end on the next: then its first cell is whole by column."""
    first_cells = [line for line in lines if line.x < LEFT[1]]
    drawn = ["".join("".join(line.text for line in one).split()) for one in (lines, first_cells)]
    names = [row[0].text for table in opened.document.tables() for row in table.rows]
    lost = [one for one in names if not any("".join(one.split()) in text for text in drawn)]
    assert lost == []
    assert len(names) > opened.rows


def test_the_text_of_the_word_document_comes_out_with_its_diacritics(opened):
    text = " ".join(" ".join(page.extract_text() for page in opened.word.pages).split())
    assert unicodedata.is_normalized("NFC", text)
    for phrase in (*[*FORMS][:2], "Vụ Pháp chế", "chưa có số liệu"):
        assert phrase in text
    assert opened.word.trailer["/Root"]["/MarkInfo"]["/Marked"]


@pytest.mark.parametrize("opened", ["year"], indirect=True)
def test_the_workbook_holds_the_figures_of_the_report_and_they_add_up(opened):
    tables = {table.name: table for table in opened.document.tables()}
    assert opened.book
    for name, table in tables.items():
        for row, cells in zip(opened.book[name].iter_rows(min_row=4), table.rows, strict=False):
            for cell, wanted in zip(row, cells, strict=True):
                value = wanted.figure.value if isinstance(wanted.figure, Figure) else None
                assert cell.value == (float(value) if value is not None else wanted.text or None)
    months = [row[2].value for row in opened.book["Kết quả theo tháng"].iter_rows(min_row=4)]
    assert sum(one for one in months if isinstance(one, (int, float))) == 60
