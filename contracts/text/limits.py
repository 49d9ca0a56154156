"""Shortening of texts to Zalo's limits, for its channel and for warnings at the doors.

Zalo documents no unit, and refuses texts that meet its documented limits exactly. A text must
therefore fit in UTF-16 units, both as it is and HTML-escaped.
"""

import unicodedata
from dataclasses import dataclass
from html import escape

from contracts.text import nfc

ELLIPSIS = "…"
TRIMMED_AT_CUT = " ,;:.…-–—(\"'“‘/"
WORD_CUT_MIN = 0.6
"""A cut moves back to the last space only if at least this share of the text remains."""
_JOINER = "\u200d"
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""Regional indicators: two of them make a flag."""
_ATTACHING_RANGES = (("\U0001f3fb", "\U0001f3ff"), ("\U000e0020", "\U000e007f"))
"""Ranges that attach to the character before: skin tones, and tags that spell a flag."""


@dataclass(frozen=True, slots=True)
class TextLimit:
    """Maximum length of a text: as it is, and HTML-escaped."""

    plain: int
    escaped: int

    def allows(self, text: str) -> bool:
        return utf16_units(text) <= self.plain and utf16_units(escape(text)) <= self.escaped


TITLE_LIMIT = TextLimit(140, 149)
DESCRIPTION_LIMIT = TextLimit(250, 299)
AUTHOR_LIMIT = TextLimit(50, 50)


def utf16_units(text: str) -> int:
    """Number of UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def shorten(text: str, limit: TextLimit) -> str:
    """*text* as one line in NFC; a shortened text ends after a whole word, with `…`."""
    line = " ".join(nfc(text).split())
    if limit.allows(line):
        return line
    return line[: _cut_position(line, limit)].rstrip(TRIMMED_AT_CUT) + ELLIPSIS


def _cut_position(line: str, limit: TextLimit) -> int:
    """The position to cut at: the furthest fit, moved back to the end of a word or character."""
    low, high = 0, min(len(line), limit.plain)
    while low < high:
        middle = (low + high + 1) // 2
        fits = limit.allows(line[:middle] + ELLIPSIS)
        low, high = (middle, high) if fits else (low, middle - 1)
    space = line.rfind(" ", 0, low + 1)
    return space if space >= low * WORD_CUT_MIN else _character_boundary(line, low)


def _character_boundary(line: str, place: int) -> int:
    """The nearest position that splits no letter from its marks and no emoji sequence."""
    while 0 < place < len(line) and _splits_character(line, place):
        place -= 1
    return place


def _splits_character(line: str, place: int) -> bool:
    """Whether a cut at *place* would split one visible character."""
    before, after = line[:place], line[place]
    flag_letters = len(before) - len(before.rstrip(_FLAG_LETTERS))
    splits_flag = after in _FLAG_LETTERS and flag_letters % 2 == 1
    return _attaches_to_previous(after) or before.endswith(_JOINER) or splits_flag


def _attaches_to_previous(character: str) -> bool:
    """Whether *character* attaches to the one before."""
    coloured = any(first <= character <= last for first, last in _ATTACHING_RANGES)
    return coloured or character == _JOINER or unicodedata.category(character).startswith("M")
