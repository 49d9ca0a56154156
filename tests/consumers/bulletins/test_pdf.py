"""The PDF of an issue: its tags, its texts, and the same bytes each time."""

import io
import unicodedata
from datetime import UTC, date, datetime

import pypdf
import pytest

from consumers.bulletins.pdf import render_pdf
from contracts.bulletins.issue import (
    BulletinAmendment,
    BulletinEntry,
    BulletinIssue,
    BulletinSection,
)
from tests.support.bulletin_history import SERIES, SERIES_ID

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


def read(issue: BulletinIssue, *, is_draft: bool = False) -> tuple[pypdf.PdfReader, str]:
    pdf = pypdf.PdfReader(io.BytesIO(render_pdf(issue, SERIES.name, is_draft=is_draft)))
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


def test_the_same_issue_has_the_same_bytes_and_a_draft_says_that_it_is_one():
    issue = an_issue(3)
    made = render_pdf(issue, SERIES.name, is_draft=False)
    assert made == render_pdf(issue, SERIES.name, is_draft=False)
    assert "DỰ THẢO" in read(issue, is_draft=True)[1]
    assert "DỰ THẢO" not in read(issue)[1]


def test_titles_lead_to_the_pages_of_the_items():
    pdf = pypdf.PdfReader(
        io.BytesIO(render_pdf(an_issue(2), SERIES.name, "https://tin.example", is_draft=False))
    )
    links = {
        note.get_object()["/A"]["/URI"] for page in pdf.pages for note in page.get("/Annots", ())
    }
    assert links == {"https://tin.example/tin/tin-0", "https://tin.example/tin/tin-1"}


@pytest.mark.parametrize("title", ["Tin 通知", "📌 ກຂ", "−–—…“”đĐ"])
def test_what_the_font_lacks_does_not_stop_the_print(title):
    entry = BulletinEntry(content_id="a", revision=1, title=title)
    pdf, _ = read(an_issue(sections=[{"id": "so", "name": "Mục", "entries": [entry]}]))
    assert len(pdf.pages) == 1 and pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
