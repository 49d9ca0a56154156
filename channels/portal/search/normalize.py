"""Normalization of words for search: lower case, one spelling, optionally without marks.

Both functions keep the length of a text in NFC, so that positions in their result are positions in
the text.
"""

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")

_TONES = "\u0300\u0301\u0303\u0309\u0323"


def _toned(letter: str, tone: str) -> str:
    return unicodedata.normalize("NFC", letter + tone)


_TONE_PLACES = {
    _toned(first, tone) + second: first + _toned(second, tone)
    for first, second in (("o", "a"), ("o", "e"), ("u", "y"))
    for tone in _TONES
}
_OLD_TONE_PLACE = re.compile("|".join(_TONE_PLACES))
_SHORT_I = str.maketrans({"y": "i"} | {_toned("y", tone): _toned("i", tone) for tone in _TONES})
_LONG_I = re.compile(r"(?<![^\W_])(?:[hklmstv]|qu)[yỳýỹỷỵ](?![^\W_])")


class _Marks(dict[int, str]):
    """Letters without marks; đ, a letter of its own, becomes d."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        parts = unicodedata.normalize("NFD", letter)
        plain = parts[0] if all(map(unicodedata.combining, parts[1:])) else letter
        self[code] = "d" if letter == "đ" else plain
        return self[code]


_UNMARKED = _Marks()


def normalize_spelling(text: str) -> str:
    """Lower case with one spelling per word, such as `hoà` for `hòa` and `kĩ` for `kỹ`."""
    moved = _OLD_TONE_PLACE.sub(lambda match: _TONE_PLACES[match[0]], _lower(text))
    return _LONG_I.sub(lambda match: match[0].translate(_SHORT_I), moved)


def strip_marks(normalized: str) -> str:
    return normalized.translate(_UNMARKED)


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)
