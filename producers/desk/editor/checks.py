"""Checks beside a text: lengths, missing words for pictures, personal numbers, skipped headings.

Each finds a place and says what to do; none refuses a text. Those that ask for
no stored file are pure functions of the form's data.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from contracts.damaged_text import damage_warnings
from contracts.desk.uploads import UploadService, named_by_fields
from contracts.text.limits import DESCRIPTION_LIMIT, TITLE_LIMIT, TextLimit, shorten
from producers.desk.editor.conversion import editor_texts
from producers.desk.rendering import sentence_about

_READER = MarkdownIt("commonmark", {"html": False}).enable("table")
_SUBJECT_MAX = 78
"""Characters of a subject that mail programs show on a wide screen; a telephone shows half."""
_IDENTITY = re.compile(r"(?<!\d)(?<!\d[.,/-])\d{12}(?!\d|[.,/-]\d)")
_PHONE = re.compile(r"(?<!\d)(?<!\d[.,/-])(?:\+84|0)(?:[ .-]?\d){9}(?!\d|[/-]\d)")
_OF_ISSUE = frozenset({"title", "summary"})
_NUMBERED = ("title", "short_title", "summary", "body", "reason")
_UNCLEAR_LINKS = frozenset(
    {"tại đây", "đây", "ở đây", "xem thêm", "link", "bấm vào đây", "tại link"}
)
_EXCERPT = 60
_FINDINGS_MAX = 50


class Finding(NamedTuple):
    """A finding of a check: `code` names its text; `place` is an excerpt or a value."""

    code: str
    field: str
    place: str = ""

    @property
    def said(self) -> str:
        """The page's sentence about it, in Vietnamese."""
        return str(editor_texts()["check"][self.code].format(place=self.place))


@lru_cache(2)
def read_body(body: str) -> Sequence[Token]:
    """The Markdown of a body, kept for the checks that ask for it one after another."""
    return tuple(_READER.parse(body))


def check_text(data: Mapping[str, Any]) -> list[Finding]:
    """Everything the checks find in the data of a form, in the order of its fields."""
    found = [*_lengths(data), *_cover(data), *_numbers(data), *_body(_text(data, "body"))]
    return found[:_FINDINGS_MAX]


async def find_missing(uploads: UploadService, data: Mapping[str, Any]) -> list[Finding]:
    """The uploaded files that the data name and that are not kept."""
    return [
        Finding("upload_missing", name, address.path)
        for name, address in named_by_fields(data)
        if await uploads.size(address) is None
    ]


def damage_said(data: Mapping[str, Any]) -> list[str]:
    """Where the texts look damaged, in Vietnamese."""
    said = damage_warnings({"data": dict(data)})
    return [sentence_about(one.field, one.message_vi) for one in said]


def _text(data: Mapping[str, Any], name: str) -> str:
    return str(data.get(name) or "")


def _lengths(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Texts that a channel shortens; not those of an issue of a bulletin, which Loa writes."""
    found = _shortened(data)
    return (one for one in found if not (data.get("bulletin") and one.field in _OF_ISSUE))


def _shortened(data: Mapping[str, Any]) -> Iterator[Finding]:
    title, summary = _text(data, "title"), _text(data, "summary")
    short = "short_title" if _text(data, "short_title") else "title"
    channels = ("zalo", "email") if data.get("channels") is None else data["channels"]
    if "zalo" in channels:
        yield from _too_long("zalo_title", short, _text(data, short), TITLE_LIMIT)
        yield from _too_long("zalo_summary", "summary", summary, DESCRIPTION_LIMIT)
        if not summary:
            yield Finding("no_summary", "summary")
    if "email" in channels and len(title) > _SUBJECT_MAX:
        yield Finding("mail_subject", "title", title[:_SUBJECT_MAX])


def _too_long(code: str, field: str, text: str, limit: TextLimit) -> Iterator[Finding]:
    if not limit.allows(text):
        yield Finding(code, field, shorten(text, limit))


def _cover(data: Mapping[str, Any]) -> Iterator[Finding]:
    cover = data.get("cover")
    if isinstance(cover, Mapping) and cover.get("url") and not cover.get("alt"):
        yield Finding("cover_alt", "cover.alt", str(cover["url"]))


def _numbers(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Numbers that may be a person's: of an identity card, of a telephone."""
    for field in _NUMBERED:
        text = _text(data, field)
        yield from (
            Finding("identity", field, _around(text, one)) for one in _IDENTITY.finditer(text)
        )
        yield from (Finding("phone", field, _around(text, one)) for one in _PHONE.finditer(text))


def _around(text: str, found: re.Match[str]) -> str:
    """The match with some whole words before it."""
    start = max(0, found.start() - _EXCERPT // 2)
    before = text[start : found.start()]
    words = before.partition(" ")[2] if start and not text[start - 1].isspace() else before
    return " ".join((words + found[0]).split())


def _body(body: str) -> Iterator[Finding]:
    level = 1
    tokens = read_body(body)
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            new, words = int(token.tag[1]), tokens[place + 1].content
            if new == 1:
                yield Finding("heading_first", "body", words[:_EXCERPT])
            elif new > level + 1:
                yield Finding("heading_skip", "body", words[:_EXCERPT])
            level = new
        yield from _inside(token.children or [])


def _inside(tokens: list[Token]) -> Iterator[Finding]:
    """Pictures without words, and links whose words say nothing of where they lead."""
    for place, token in enumerate(tokens):
        if token.type == "image" and not token.content.strip():
            yield Finding("picture_alt", "body", str(token.attrs.get("src", "")))
        if token.type == "link_open":
            words = _link_words(tokens[place + 1 :])
            if words.casefold().strip(" .:") in _UNCLEAR_LINKS:
                yield Finding("link_words", "body", f"{words} ({token.attrs.get('href', '')})")


def _link_words(tokens: list[Token]) -> str:
    words = []
    for token in tokens:
        if token.type == "link_close":
            break
        words.append(token.content)
    return "".join(words)
