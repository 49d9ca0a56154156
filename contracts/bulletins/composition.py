"""The text of an issue, which follows from its parts: title, summary and body as Markdown.

The doors refuse another body, so these bytes are a contract: `tests/golden` holds an example.
"""

import re
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

from contracts.bulletins.issue import (
    BulletinAmendment,
    BulletinEntry,
    BulletinIssue,
    BulletinSection,
)
from contracts.bulletins.series import Series
from contracts.catalog import load_texts

_TEXTS = Path(__file__).with_name("texts.toml")
_SUMMARY_MAX = 500
_MARKUP = re.compile(r"([\\`*_\[\]<>&#|~!])")
_NUMBER = re.compile(r"\d+")
_BLOCK_START = re.compile(r"^(\d+)([.)])|^([-+=:])")


def title_of(issue: BulletinIssue, name: str) -> str:
    """The title: the name of the series, the number and the days."""
    return _text(
        "title",
        name=name,
        number=f"{issue.number:02d}",
        year=issue.year,
        first=_day(issue.first_day),
        last=_day(issue.last_day),
    )


def fields_of(issue: BulletinIssue) -> dict[str, Any]:
    """The fields of an item's text that follow from the issue."""
    return {
        "summary": summary_of(issue),
        "body": body_of(issue),
        "bulletin": issue.model_dump(mode="json"),
    }


def new_text_of(issue: BulletinIssue, series: Series) -> dict[str, Any]:
    """The first text of the item that an issue is."""
    return {
        "topic": series.topic,
        "title": title_of(issue, series.name),
        "audiences": list(series.audiences),
        **fields_of(issue),
    }


def summary_of(issue: BulletinIssue) -> str:
    """The list of contents: every section with the number of its items."""
    parts = [_text("part", name=one.name, count=len(one.entries)) for one in _filled(issue)]
    if issue.amendments:
        parts.append(_text("part", name=amendments_heading(), count=len(issue.amendments)))
    listed = _text("contents", parts="; ".join(parts)) if parts else ""
    return listed if len(listed) <= _SUMMARY_MAX else listed[: _SUMMARY_MAX - 1].rstrip() + "…"


def body_of(issue: BulletinIssue, already_read: frozenset[str] = frozenset()) -> str:
    """The body as Markdown; links are relative to the page of an item.

    *already_read*: items that a reader had alone, which are a line each.
    """
    blocks = [issue.introduction] if issue.introduction else []
    for section in _filled(issue):
        blocks += [f"## {escaped(section.name)}", *_entry_blocks(section, already_read)]
    if issue.amendments:
        blocks += [f"## {amendments_heading()}", *map(_amendment_block, issue.amendments)]
    return "\n\n".join([*blocks, *_ending(issue)])


def correction_reason(withdrawn: int, corrected: int) -> str:
    """Why an issue is corrected, for the public: how many items it drops, and tells anew.

    No title: that of a withdrawn item may be why the item was withdrawn.
    """
    counts = {"dropped": withdrawn, "renewed": corrected}
    parts = [_text(name, count=count) for name, count in counts.items() if count]
    return _text("correction", parts=", ".join(parts or [_text("renewed_amendments")]))


def is_correction_reason(reason: str) -> bool:
    """Whether Loa wrote the reason of a correction, with any counts."""
    own = {correction_reason(*counts) for counts in product((0, 1), repeat=2)}
    return _NUMBER.sub("1", reason) in own


def marked_text(text: str, language: str) -> str:
    """Remark of an issue on an item in another language."""
    names = load_texts(_TEXTS)["languages"]
    return _text("in_language", language=names.get(language, language), text=text).strip()


def escaped(text: str) -> str:
    """A line of plain text as Markdown that shows just that text."""
    marked = _MARKUP.sub(r"\\\1", text)
    return _BLOCK_START.sub(lambda found: f"{found[1] or ''}\\{found[2] or found[3]}", marked)


def _filled(issue: BulletinIssue) -> list[BulletinSection]:
    return [section for section in issue.sections if section.entries]


def _entry_blocks(section: BulletinSection, already_read: frozenset[str]) -> Iterator[str]:
    for entry in section.entries:
        if entry.content_id in already_read:
            yield f"- {_link(entry)}"
            continue
        yield f"### {_link(entry)}"
        if entry.text:
            yield escaped(entry.text)


def _amendment_block(amendment: BulletinAmendment) -> str:
    return _amended(amendment, _link(amendment), escaped(amendment.reason))


def amendment_line(amendment: BulletinAmendment) -> str:
    """Change to an item since an issue named it, as plain text."""
    return _amended(amendment, amendment.title, amendment.reason)


def _amended(amendment: BulletinAmendment, title: str, reason: str) -> str:
    kind = f"{amendment.change}_because" if reason else amendment.change
    return _text(kind, title=title, reason=reason)


def amendments_heading() -> str:
    return _text("amendments")


def ending_lines(issue: BulletinIssue) -> list[str]:
    """Who compiled and who publishes it, as plain text."""
    compiled_by = _text("compiled_by", name=issue.compiled_by) if issue.compiled_by else ""
    return [line for line in (compiled_by, issue.masthead) if line]


def _link(one: BulletinEntry | BulletinAmendment) -> str:
    return f"[{escaped(one.title)}]({one.content_id})"


def _ending(issue: BulletinIssue) -> Iterator[str]:
    if issue.compiled_by or issue.masthead:
        yield "---"
    if issue.compiled_by:
        yield _text("compiled_by", name=escaped(issue.compiled_by))
    if issue.masthead:
        yield escaped(issue.masthead)


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _text(name: str, /, **values: object) -> str:
    return str(load_texts(_TEXTS)[name]).format(**values)
