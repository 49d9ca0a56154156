"""An issue of a bulletin for print: a tagged PDF (PDF/UA-1), the same bytes for the same issue."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.markdown_text import paragraphs
from consumers.bulletins.print_texts import PrintTexts, load_print_texts
from consumers.typesetting import set_pdf
from contracts.bulletins import composition
from contracts.bulletins.issue import BulletinIssue

_TEMPLATE = Path(__file__).with_name("issue.typ")


@dataclass(frozen=True)
class IssuePrinter:
    """Sets issues; titles lead to the items' pages at *public_url*, if given."""

    public_url: str = ""
    texts: PrintTexts = field(default_factory=load_print_texts)

    def pdf(self, issue: BulletinIssue, name: str, *, is_draft: bool) -> bytes:
        """The issue of the series *name*."""
        content = {
            "title": composition.title_of(issue, name),
            "name": name,
            "issuer": self.texts.issuer,
            "number_line": self._number_line(issue),
            "date": [issue.last_day.year, issue.last_day.month, issue.last_day.day],
            "watermark": self.texts.draft if is_draft else "",
            "introduction": paragraphs(issue.introduction),
            "sections": list(_sections(issue, self.public_url)),
            "ending": composition.ending_lines(issue),
        }
        return set_pdf(_TEMPLATE.read_bytes(), issue=json.dumps(content))

    def _number_line(self, issue: BulletinIssue) -> str:
        return self.texts.number_line.format(
            number=f"{issue.number:02d}",
            year=issue.year,
            first=f"{issue.first_day:%d/%m/%Y}",
            last=f"{issue.last_day:%d/%m/%Y}",
        )


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
