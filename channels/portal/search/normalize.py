"""What words are compared by: one case, one way to place a tone, and, where asked, no marks at all.

`even` and `bare` keep the length of a text in NFC: a place in what they return is one in the text.
"""

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")

_TONES = "\u0300\u0301\u0303\u0309\u0323"


def _composed(letter: str, tone: str) -> str:
    return unicodedata.normalize("NFC", letter + tone)


_TONE_PLACES = {
    _composed(first, tone) + second: first + _composed(second, tone)
    for first, second in (("o", "a"), ("o", "e"), ("u", "y"))
    for tone in _TONES
}
_OLD_TONE_PLACE = re.compile("|".join(_TONE_PLACES))
_SHORT_I = str.maketrans(
    {"y": "i"} | {_composed("y", tone): _composed("i", tone) for tone in _TONES}
)
_LONG_I = re.compile(r"(?<![^\W_])(?:[hklmstv]|qu)[yỳýỹỷỵ](?![^\W_])")


class _Marks(dict[int, str]):
    """Each letter without its marks; đ is a letter of its own, and counts as a d here."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        parts = unicodedata.normalize("NFD", letter)
        plain = parts[0] if all(map(unicodedata.combining, parts[1:])) else letter
        self[code] = "d" if letter == "đ" else plain
        return self[code]


_UNMARKED = _Marks()


def normalize_spelling(text: str) -> str:
    """In lower case, with `hòa` as `hoà` and `kỹ` as `kĩ`: the two spellings of one word."""
    moved = _OLD_TONE_PLACE.sub(lambda found: _TONE_PLACES[found[0]], _lower(text))
    return _LONG_I.sub(lambda found: found[0].translate(_SHORT_I), moved)


def normalize_unmarked(text: str) -> str:
    """`even`, and without marks: what somebody types who has no Vietnamese keyboard."""
    return normalize_spelling(text).translate(_UNMARKED)


def strip_marks(normalized: str) -> str:
    """`bare` of what `even` returned."""
    return normalized.translate(_UNMARKED)


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)
