"""An issue of a bulletin for print: a tagged PDF (PDF/UA-1), the same bytes for the same issue."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from channels.markdown_text import paragraphs
from consumers.typesetting import set_pdf
from contracts.bulletins import composition
from contracts.bulletins.issue import BulletinIssue
from contracts.catalog import load_texts

_TEMPLATE = Path(__file__).with_name("issue.typ")
_TEXTS = Path(__file__).with_name("print.vi.toml")


def render_pdf(issue: BulletinIssue, name: str, public_url: str = "", *, is_draft: bool) -> bytes:
    """The issue of the series *name*; titles lead to the items' pages at *public_url*, if given."""
    texts, day = load_texts(_TEXTS), issue.last_day
    number_line = str(texts["number_line"]).format(
        number=f"{issue.number:02d}",
        year=issue.year,
        first=f"{issue.first_day:%d/%m/%Y}",
        last=f"{day:%d/%m/%Y}",
    )
    content = {
        "title": composition.title_of(issue, name),
        "name": name,
        "issuer": texts["issuer"],
        "number_line": number_line,
        "date": [day.year, day.month, day.day],
        "watermark": texts["draft"] if is_draft else "",
        "introduction": paragraphs(issue.introduction),
        "sections": list(_sections(issue, public_url)),
        "ending": composition.ending_lines(issue),
    }
    return set_pdf(_TEMPLATE.read_bytes(), issue=json.dumps(content))


def _sections(issue: BulletinIssue, public_url: str) -> Iterator[dict[str, Any]]:
    """Yield the sections that have items, then the corrections and withdrawals."""
    for section in issue.sections:
        entries = [
            {
                "title": one.title,
                "text": one.text,
                "url": f"{public_url}/tin/{one.content_id}" if public_url else "",
            }
            for one in section.entries
        ]
        if entries:
            yield {"name": section.name, "entries": entries, "lines": []}
    if issue.amendments:
        lines = [composition.amendment_line(one) for one in issue.amendments]
        yield {"name": composition.amendments_heading(), "entries": [], "lines": lines}
