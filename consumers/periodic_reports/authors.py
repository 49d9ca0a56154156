"""The list of published items by author, for remuneration (Decree 224/2026/NĐ-CP, article 20).

Facts name no person, so the list comes from the records of items, and no report holds it.
"""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import xlsxwriter
from pydantic import ValidationError

from consumers.intake.items import Item, Position, visible_revisions
from consumers.periodic_reports.contents.texts import Texts
from consumers.periodic_reports.span import Span
from contracts import keys, subjects
from contracts.facts.kinds import day_of
from contracts.vocabulary import Vocabulary
from producers.bus import Bus

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_WIDTHS = (30, 34, 60, 24, 24, 14, 34, 24)


class AuthorRow(NamedTuple):
    """An item that was published in the span. `is_sender`: its text names no author."""

    author: str
    unit: str
    title: str
    content_id: str
    topic: str
    day: date
    is_sender: bool = False
    is_withdrawn: bool = False
    account: str = ""
    """The person's account id; empty for a name without an account."""


class _First(NamedTuple):
    """The first text of an item that readers had."""

    content_id: str
    number: int
    day: date
    is_withdrawn: bool


async def published_by_author(bus: Bus, span: Span, names: Mapping[str, str]) -> list[AuthorRow]:
    """The items whose first text readers had in *span*, by author. *names*: of accounts.

    A correction is no item of its own. Raises BusError.
    """
    found = {
        keys.publication_key(one.content_id, one.number): one
        async for one in _first_texts(bus)
        if span.first <= one.day <= span.last
    }
    stored = await bus.bucket(subjects.PUBLISHED.name).get_many(sorted(found))
    rows = (_row(found[key], value.data, names) for key, value in stored.items())
    return sorted(row for row in rows if row)


async def _first_texts(bus: Bus) -> AsyncIterator[_First]:
    async for key, value in bus.bucket(subjects.PUBLISHED.name).values():
        try:
            item = Item.model_validate_json(value.data) if "." not in key else None
        except ValidationError:  # `loa check` names it
            continue
        texts = visible_revisions(item, max(item.released, default=0)) if item else []
        if item and texts:
            day = day_of(item.visible_from(texts[0]))
            yield _First(key, texts[0], day, item.state == "withdrawn")


def _row(first: _First, data: bytes, names: Mapping[str, str]) -> AuthorRow | None:
    try:
        position = Position.model_validate_json(data)
    except ValidationError:
        return None
    person = position.author or position.submitter or ""
    return AuthorRow(
        names.get(person, person),
        position.unit,
        position.title,
        first.content_id,
        position.topic,
        first.day,
        is_sender=not position.author,
        is_withdrawn=first.is_withdrawn,
        account=person if person in names else "",
    )


@dataclass(frozen=True)
class AuthorList:
    """The list in the words of the report's texts, as a file."""

    rows: Sequence[AuthorRow]
    texts: Texts
    vocabulary: Vocabulary

    def csv(self) -> bytes:
        """Lines that spreadsheets read as UTF-8; no cell is taken for a formula."""
        lines = io.StringIO()
        csv.writer(lines, delimiter=";").writerows(
            [map(_safe_cell, line) for line in self._lines()]
        )
        return b"\xef\xbb\xbf" + lines.getvalue().encode()

    def workbook(self) -> bytes:
        """A sheet of items, and one with the number of items of each author."""
        target, words = io.BytesIO(), self.texts["authors"]
        options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        book = xlsxwriter.Workbook(target, options)
        head = book.add_format({"bold": True, "border": 1, "text_wrap": True})
        for name, lines in ((words["items"], self._lines()), (words["totals"], self._totals())):
            sheet = book.add_worksheet(name)
            for column, width in enumerate(_WIDTHS):
                sheet.set_column(column, column, width)
            for number, line in enumerate(lines):
                sheet.write_row(number, 0, line, head if number == 0 else None)
            sheet.freeze_panes(1, 0)
        book.close()
        return target.getvalue()

    def _lines(self) -> Iterator[Sequence[str]]:
        words = self.texts["authors"]
        yield [
            words[name]
            for name in ("author", "unit", "title", "id", "topic", "day", "note", "account")
        ]
        for row in self.rows:
            day, unit = f"{row.day:%d/%m/%Y}", self._unit(row)
            topic = self.vocabulary.topics.get(row.topic)
            named = (row.author or words["unknown"], unit, row.title, row.content_id)
            yield [*named, topic.name if topic else row.topic, day, self._note(row), row.account]

    def _totals(self) -> Iterator[Sequence[str | int]]:
        words = self.texts["authors"]
        yield [words[name] for name in ("author", "unit", "count", "account")]
        counts = Counter(
            (row.author or words["unknown"], self._unit(row), row.account) for row in self.rows
        )
        for (author, unit, account), count in sorted(counts.items()):
            yield [author, unit, count, account]

    def _unit(self, row: AuthorRow) -> str:
        unit = self.vocabulary.units.get(row.unit)
        return unit.name_at(row.day) if unit else row.unit

    def _note(self, row: AuthorRow) -> str:
        words = self.texts["authors"]
        notes: Iterable[tuple[bool, str]] = (
            (row.is_sender and bool(row.author), words["sender"]),
            (row.is_withdrawn, words["withdrawn"]),
        )
        return "; ".join(text for holds, text in notes if holds)


def _safe_cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
