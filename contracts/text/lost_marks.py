"""Texts whose Vietnamese letters were replaced on their way: `Th?ng`, `Th&ocirc;ng`, `Tho^ng`."""

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from contracts.text.legacy_encodings import is_syllable

_QUESTION = re.compile(r"[^\W\d_]\?[a-zà-ỹ]")
_ADDRESS = re.compile("[/=@]")
_QUESTIONS_MIN = 3
"""From so many such words on a text with Vietnamese letters counts as damaged, too."""
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#[0-9]{2,6}|#[xX][0-9A-Fa-f]{2,5});")
_VIQR_WORD = re.compile(r"[A-Za-z^(+'`?~.]+")
_VIQR_VOWEL = re.compile(r"[aeoAEO]\^|[ouOU]\+")
_VIQR_WORDS_MIN = 2
_SYLLABLE_MAX = 12
"""The letters and signs of a syllable in VIQR."""
_LOOKED_AT = 5000
"""The characters that are looked at, from the first question mark or entity in doubt."""
_VIQR_MARKS = {
    "^": "\u0302", "(": "\u0306", "+": "\u031b",
    "'": "\u0301", "`": "\u0300", "?": "\u0309", "~": "\u0303", ".": "\u0323",
}  # fmt: skip


class LostMarks(NamedTuple):
    """A sign of damage: the code of its text, a damaged word, and what it should read if known."""

    code: str
    word: str
    reading: str = ""


def find_lost_marks(text: str, *, is_markdown: bool) -> Iterator[LostMarks]:
    """Parts of *text* that look damaged. Markdown may hold entities."""
    if "?" in text and (word := _find_question_mark(text)):
        yield LostMarks("marks_lost", word)
    if "&" in text and not is_markdown and (entity := _find_entity(text)):
        yield LostMarks("html_entity", entity, html.unescape(entity))
    if ("^" in text or "+" in text) and (word := _find_viqr(text)):
        yield LostMarks("viqr", word, _from_viqr(word))


def _find_question_mark(text: str) -> str | None:
    """A word with a question mark inside, if there are enough; addresses are none."""
    first = _QUESTION.search(text)
    if not first:
        return None
    begin = text.rfind(" ", 0, first.start()) + 1
    near = [word for word in text[begin:][:_LOOKED_AT].split() if _QUESTION.search(word)]
    words = [word for word in near if not _ADDRESS.search(word)]
    needed = 1 if text.isascii() else _QUESTIONS_MIN
    return words[0] if len(words) >= needed else None


def _find_entity(text: str) -> str | None:
    first = _ENTITY.search(text)
    found = _ENTITY.findall(text[first.start() :][:_LOOKED_AT]) if first else ()
    return next((entity for entity in found if html.unescape(entity) != entity), None)


def _find_viqr(text: str) -> str | None:
    """A word in VIQR, if there are enough: letters with their marks as signs behind them."""
    found = [word for word in _VIQR_WORD.findall(text[:_LOOKED_AT]) if _VIQR_VOWEL.search(word)]
    words = [word for word in found if _is_viqr(word)]
    return words[0] if len({*words}) >= _VIQR_WORDS_MIN else None


def _is_viqr(word: str) -> bool:
    return 2 < len(word) <= _SYLLABLE_MAX and is_syllable(_from_viqr(word))


def _from_viqr(word: str) -> str:
    letters = word.rstrip("?.").replace("dd", "đ").replace("DD", "Đ").replace("Dd", "Đ")
    return unicodedata.normalize("NFC", "".join(_VIQR_MARKS.get(c, c) for c in letters))
