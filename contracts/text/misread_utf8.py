"""UTF-8 that a program took for Windows-1252 or Latin-1: `ThÃ´ng bÃ¡o` for `Thông báo`.

A word counts as misread if its bytes, put together again, make a Vietnamese syllable, and no
language writes it so: `«lá»…` and `CẤP XÃ”` are words before closing signs.
"""

import re
import unicodedata
from typing import NamedTuple

from contracts.text.legacy_encodings import is_syllable

_CP1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
"""The signs of the bytes 0x80 to 0x9f; Latin-1 has control characters there."""
_BYTES = {sign: sign.encode("cp1252") for sign in _CP1252}
_CP1252_SIGN = re.compile(f"[{_CP1252}]|^[^\x80-\x9f]*$")
"""Character that Latin-1 lacks, or a text without control characters of Latin-1."""
_NEXT = f"[\x80-\xbf{_CP1252}]"
"""A byte of UTF-8 that continues a character."""
_PIECE = re.compile(f"[Â-Æ]{_NEXT}|Ì[€‚ƒ†‰›£§\x80-\x89\x9b]|á[º»]{_NEXT}|â[€‚„\x80\x82\x84]{_NEXT}")
"""A misread letter, mark or sign."""
_LEADS = ("á»", "áº", "Ã", "Ä", "Æ", "Ì", "â€", "â\x80")
"""How misread letters and quotation marks begin; to look for them takes less time."""
_WORD = re.compile(rf"(?:{_PIECE.pattern}|[^\W\d_])+")
"""Letters and such pieces; a sign that belongs to none of them ends a word."""
_LETTERS = re.compile(r"[^\W\d_]+")
_ENDS = "…‚„‹›‘’“”•–—\xa0«»°·²³¹"
"""Signs that correct texts write before or behind a word."""
_ODD_LETTERS = re.compile("[a-zß-ÿ][Â-Æ]|[ªºƒ]")
_FOREIGN = re.compile("[a-z]Ã[\xa1-\xbf]|[A-Z]Ã[\xa2\xa7-\xaa\xae\xb4][a-z]|â€[œ™\x9c\x99]")
"""Pieces that no language writes: letters of French, and quotation marks."""
_LAYERS = 3
"""How many times one after another a text may have been misread."""
_LOOKED_AT = 5000
"""The characters that are looked at, from shortly before the first such piece."""
_SHOWN_BEFORE, _SHOWN_MAX = 60, 1000


class MisreadText(NamedTuple):
    """Misread words in a text: the first one, and what the text should read.

    `is_most`: half of its words with marks are such, and a tenth of all.
    """

    encoding: str
    word: str
    reading: str
    is_most: bool


def find_misread(text: str) -> MisreadText | None:
    """The misread words of *text*; None where it makes sense as it is."""
    if text.isascii() or not any(lead in text for lead in _LEADS):
        return None
    first = _PIECE.search(text)
    return _judge(text[max(0, first.start() - _SHOWN_BEFORE) :][:_LOOKED_AT]) if first else None


def _judge(text: str) -> MisreadText | None:
    marked = [word for word in _WORD.findall(text) if not word.isascii()]
    odd = [word for word in marked if _PIECE.search(word)]
    misread = [word for word in odd if _is_misread(word)]
    if not misread:
        return None
    sound = len(marked) - len(odd)
    is_most = len(misread) >= max((sound + len(misread)) / 2, len(text.split()) / 10)
    encoding = "Windows-1252" if _CP1252_SIGN.search(text) else "ISO-8859-1"
    return MisreadText(encoding, misread[0], _put_together(text[:_SHOWN_MAX]), is_most)


def _is_misread(word: str) -> bool:
    bare = word.strip(_ENDS)
    if bare.isalpha() and not _ODD_LETTERS.search(bare):
        return False
    new = {*_LETTERS.findall(_put_together(word))} - {*_LETTERS.findall(word)}
    return bool(_FOREIGN.search(word)) or any(map(_is_marked_syllable, new))


def _is_marked_syllable(word: str) -> bool:
    is_cased = word.isupper() or word[1:] == word[1:].lower()
    return is_cased and not word.isascii() and is_syllable(word)


def _put_together(text: str) -> str:
    """*text* with its misread characters as they were meant."""
    for _ in range(_LAYERS):
        before, text = text, _PIECE.sub(_as_written, text)
        if before == text:
            break
    return unicodedata.normalize("NFC", text)


def _as_written(piece: re.Match[str]) -> str:
    raw = b"".join(_BYTES.get(sign) or sign.encode("latin-1") for sign in piece[0])
    return raw.decode("utf-8", "ignore") or piece[0]
