"""The PDF of an issue: its tags, its texts, and the same bytes each time."""

import io
import time
import unicodedata
from datetime import UTC, date, datetime

import pypdf
import pytest

from consumers.bulletins.pdf import IssuePrinter
from consumers.bulletins.print_texts import load_print_texts
from contracts.bulletins import composition
from contracts.bulletins.issue import (
    BulletinAmendment,
    BulletinEntry,
    BulletinIssue,
    BulletinSection,
)
from contracts.errors import Invalid, Unreadable
from tests.support.bulletin_history import SERIES, SERIES_ID, a_released_item, propose

MOST_S = 3.0
TITLE = "Thủ tục số {} #set page(width: 1pt) *đậm* [x] \\ $y$"
AMENDED = BulletinAmendment(
    content_id="cu", revision=2, title="Tin cũ", change="corrected", reason="Ghi sai ngày."
)


def an_issue(entries: int = 60, **changes) -> BulletinIssue:
    """An issue with as many items as a long one has, and every part that an issue may have."""
    ids = list(SERIES.sections)
    sections = [
        BulletinSection(
            id=id,
            name=SERIES.sections[id].name,
            entries=tuple(
                BulletinEntry(
                    content_id=f"tin-{n}", revision=1, title=TITLE.format(n), text="Nội dung. " * 20
                )
                for n in range(place, entries, len(ids))
            ),
        )
        for place, id in enumerate(ids)
    ]
    parts = {
        "series": SERIES_ID, "year": 2026, "number": 48,
        "first_day": date(2026, 11, 23), "last_day": date(2026, 11, 29),
        "gathered_until": datetime(2026, 11, 29, 17, tzinfo=UTC),
        "introduction": "Tuần qua **có** nhiều tin.", "sections": tuple(sections),
        "amendments": (AMENDED,), "masthead": SERIES.masthead, "compiled_by": "Lê An",
    }  # fmt: skip
    return BulletinIssue.model_validate(parts | changes)


def read(
    issue: BulletinIssue, printer: IssuePrinter | None = None, *, is_draft: bool = False
) -> tuple[pypdf.PdfReader, str]:
    pdf = pypdf.PdfReader(
        io.BytesIO((printer or IssuePrinter()).pdf(issue, SERIES.name, is_draft=is_draft))
    )
    return pdf, " ".join(" ".join(page.extract_text() for page in pdf.pages).split())


def test_a_long_issue_is_tagged_and_has_every_text_as_it_is():
    pdf, text = read(an_issue())
    root = pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and root["/Lang"].startswith("vi")
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data()
    said = ["Số 48/2026 (từ ngày 23/11/2026 đến ngày 29/11/2026)", "Tuần qua có nhiều tin."]
    said += [TITLE.format(number) for number in range(60)]
    said += ["Tin cũ: tin đã đăng ở số trước nay đã được đính chính. Ghi sai ngày."]
    said += ["Biên soạn: Lê An", SERIES.masthead]
    assert [one for one in said if one not in text] == []
    assert unicodedata.is_normalized("NFC", text)
    assert pdf.metadata.title.startswith(SERIES.name)


def test_an_issue_of_60_items_and_its_pdf_take_less_than_3_seconds_of_processor_time():
    """They take 0.1 s on an idle machine."""
    items = [
        a_released_item(f"tin-{number}", title=TITLE.format(number), text="Nội dung. " * 20)
        for number in range(60)
    ]
    began = time.process_time()
    issue = propose(*items)
    assert len(composition.new_text_of(issue, SERIES)["bulletin"]["sections"]) > 1
    made, _ = read(issue)
    assert time.process_time() - began < MOST_S
    assert len(issue.entries) == 60 and len(made.pages) > 1


def test_the_same_issue_has_the_same_bytes_and_a_draft_says_that_it_is_one():
    issue = an_issue(3)
    made, again = (IssuePrinter().pdf(issue, SERIES.name, is_draft=False) for _ in range(2))
    assert made == again
    assert "DỰ THẢO" in read(issue, is_draft=True)[1]
    assert "DỰ THẢO" not in read(issue)[1]


def test_titles_lead_to_the_pages_of_the_items():
    pdf, _ = read(an_issue(2), IssuePrinter("https://tin.example"))
    links = {
        note.get_object()["/A"]["/URI"] for page in pdf.pages for note in page.get("/Annots", ())
    }
    assert links == {"https://tin.example/tin/tin-0", "https://tin.example/tin/tin-1"}


def test_an_operators_texts_replace_those_that_ship(tmp_path):
    own = tmp_path / "bulletin.toml"
    own.write_text("issuer = 'Vụ Cải cách hành chính'\nnumber_line = 'Kỳ {number} năm {year}'\n")
    _, text = read(an_issue(2), IssuePrinter(texts=load_print_texts(own)), is_draft=True)
    assert all(one in text for one in ("Vụ Cải cách hành chính", "Kỳ 48 năm 2026", "DỰ THẢO"))
    assert load_print_texts(tmp_path / "none.toml") == load_print_texts()


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ("isuer = 'Vụ'", "isuer"),
        ("draft = 3", "draft"),
        ("issuer = ''", "issuer"),
        ("number_line = 'Số {so}'", "number_line"),
        ("number_line = 'Số {}'", "number_line"),
        ("number_line = 'Số {number'", "number_line"),
        ("number_line = 'Số {number:d}'", "number_line"),
        ("number_line = 'Số {number.real.x}'", "number_line"),
    ],
)
def test_an_entry_that_cannot_be_printed_is_refused_by_its_name(tmp_path, entry, field):
    own = tmp_path / "bulletin.toml"
    own.write_text(entry)
    with pytest.raises(Invalid) as refused:
        load_print_texts(own)
    assert [one.field for one in refused.value.errors] == [f"bulletin.toml.{field}"]


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "bulletin.toml").write_text("=")
    with pytest.raises(Unreadable) as refused:
        load_print_texts(tmp_path / "bulletin.toml")
    assert [one.field for one in refused.value.errors] == ["bulletin.toml"]


@pytest.mark.parametrize("title", ["Tin 通知", "📌 ກຂ", "−–—…“”đĐ"])
def test_what_the_font_lacks_does_not_stop_the_print(title):
    entry = BulletinEntry(content_id="a", revision=1, title=title)
    pdf, _ = read(an_issue(sections=[{"id": "so", "name": "Mục", "entries": [entry]}]))
    assert len(pdf.pages) == 1 and pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
