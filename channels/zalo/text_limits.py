"""Cutting text to Zalo's limits, cleanly.

Nobody knows in which unit Zalo counts (its documented bounds were refused when met exactly), so a
text must fit in every one that has been suspected: UTF-16 units, and those of the escaped text.
"""

import unicodedata
from dataclasses import dataclass
from html import escape

from contracts.text import nfc

ELLIPSIS = "…"
TRIMMED_AT_CUT = " ,;:.…-–—(\"'“‘/"
WORD_CUT_MIN = 0.6
"""A cut goes back to the last space only when at least this share of the text is left."""
JOINER = "\u200d"
FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""Two of these make a flag."""
ATTACHING_RANGES = (("\U0001f3fb", "\U0001f3ff"), ("\U000e0020", "\U000e007f"))
"""From, to: colours a face, spells the flag of a part of a country."""


@dataclass(frozen=True, slots=True)
class TextLimit:
    """How long a text may be: as it is, and when Zalo counts it escaped."""

    plain: int
    escaped: int

    def allows(self, text: str) -> bool:
        return utf16_units(text) <= self.plain and utf16_units(escape(text)) <= self.escaped


TITLE_LIMIT = TextLimit(140, 149)
DESCRIPTION_LIMIT = TextLimit(250, 299)
AUTHOR_LIMIT = TextLimit(50, 50)


def utf16_units(text: str) -> int:
    """UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def shorten(text: str, limit: TextLimit) -> str:
    """*text* as one line in NFC; when it is too long it ends after a whole word, with `…`."""
    line = " ".join(nfc(text).split())
    if limit.allows(line):
        return line
    return line[: cut_position(line, limit)].rstrip(TRIMMED_AT_CUT) + ELLIPSIS


def cut_position(line: str, limit: TextLimit) -> int:
    """Where to cut: the furthest place that fits, moved back to where a word or letter ends."""
    low, high = 0, min(len(line), limit.plain)
    while low < high:
        middle = (low + high + 1) // 2
        fits = limit.allows(line[:middle] + ELLIPSIS)
        low, high = (middle, high) if fits else (low, middle - 1)
    space = line.rfind(" ", 0, low + 1)
    return space if space >= low * WORD_CUT_MIN else character_boundary(line, low)


def character_boundary(line: str, place: int) -> int:
    """Not between a letter and its marks, nor inside an emoji made of several."""
    while 0 < place < len(line) and splits_character(line, place):
        place -= 1
    return place


def splits_character(line: str, place: int) -> bool:
    """Whether a cut at *place* would tear what is seen as one sign."""
    before, after = line[place - 1], line[place]
    return attaches_to_previous(after) or before == JOINER or splits_flag(line[:place], after)


def splits_flag(before: str, after: str) -> bool:
    letters = len(before) - len(before.rstrip(FLAG_LETTERS))
    return after in FLAG_LETTERS and letters % 2 == 1


def attaches_to_previous(character: str) -> bool:
    """Whether *character* belongs to the one before it."""
    coloured = any(first <= character <= last for first, last in ATTACHING_RANGES)
    return coloured or character == JOINER or unicodedata.category(character).startswith("M")
