"""Old Vietnamese encodings (TCVN3, VNI) read as Latin-1: recognised by what they would read.

A text counts as one only if every word with marks becomes a Vietnamese syllable and some were
none before. It is refused with that reading and never converted.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

_MAX_LENGTH = 2000
"""The characters of a text that are looked at."""
_BEYOND_LATIN_1 = re.compile("[\u0100-\u02ff\u0370-\u1fff]")
_WORD = re.compile("[^\\s!-/:-@\\[-`{-~\u2010-\u2027]+")

_TCVN3 = str.maketrans(
    "µ¶·¸¹¨»¼½¾Æ©ÇÈÉÊË®ÌÎÏÐÑªÒÓÔÕÖ×ØÜÝÞßáâãä«åæçèé¬êëìíîïñòóô\u00adõö÷øùúûüýþ¡¢£¤¥¦§àÀÁÂÃÄÅ",
    "àảãáạăằẳẵắặâầẩẫấậđèẻẽéẹêềểễếệìỉĩíịòỏõóọôồổỗốộơờởỡớợùủũúụưừửữứựỳỷỹýỵĂÂÊÔƠƯĐ\0\0\0\0\0\0\0",
)
"""Letters without a place in TCVN3 become no letter."""
_VNI_LETTERS = {"ô": "ơ", "ö": "ư", "ñ": "đ", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ"}
_ACUTE, _GRAVE, _HOOK, _TILDE, _DOT = "\u0301", "\u0300", "\u0309", "\u0303", "\u0323"
_HAT, _BREVE = "\u0302", "\u0306"
_VNI_MARKS = {
    "ù": _ACUTE, "ø": _GRAVE, "û": _HOOK, "õ": _TILDE, "ï": _DOT,
    "â": _HAT, "á": _HAT + _ACUTE, "à": _HAT + _GRAVE, "å": _HAT + _HOOK, "ã": _HAT + _TILDE,
    "ä": _HAT + _DOT, "ê": _BREVE, "é": _BREVE + _ACUTE, "è": _BREVE + _GRAVE,
    "ú": _BREVE + _HOOK, "ü": _BREVE + _TILDE, "ë": _BREVE + _DOT,
}  # fmt: skip
_VNI_PAIR = re.compile(f"([aeouyAEOUYôöÔÖ])([{''.join(_VNI_MARKS)}])", re.IGNORECASE)

_ONSET = "(?:ngh?|nh|gh|gi|kh|ph|th|tr|ch|qu|[bcdđghklmnprstvx])?"
_OPEN = (
    "a|ai|am|an|ang|anh|ao|au|ay|ăm|ăn|ăng|âm|ân|âng|âu|ây|e|em|en|eng|eo|ê|êm|ên|ênh|êu|i|ia|im|in"
    "|inh|iu|iêm|iên|iêng|iêu|o|oi|om|on|ong|oong|oa|oai|oam|oan|oang|oanh|oao|oay|oăm|oăn|oăng|oe"
    "|oen|oeo|ô|ôi|ôm|ôn|ông|ơ|ơi|ơm|ơn|u|ua|ui|um|un|ung|uân|uâng|uây|uê|uênh|uơ|uôi|uôm|uôn|uông"
    "|uy|uya|uyên|uynh|uyu|ư|ưa|ưi|ưm|ưn|ưng|ưu|ươi|ươm|ươn|ương|ươu|y|yêm|yên|yêng|yêu"
)
_STOPPED = (
    "ac|ach|ap|at|ăc|ăp|ăt|âc|âp|ât|ec|ep|et|êch|êp|êt|ich|ip|it|iêc|iêp|iêt|oc|op|ot|oac|oach|oap"
    "|oat|oăc|oăt|oet|ôc|ôp|ôt|ơp|ơt|uc|up|ut|uât|uêch|uôc|uôt|uych|uyêt|uyt|ưc|ưt|ươc|ươp|ươt|yêt"
)
_TONES = f"[{_ACUTE}{_GRAVE}{_HOOK}{_TILDE}{_DOT}]"
_SYLLABLE = re.compile(f"{_ONSET}(?:(?:{_OPEN}){_TONES}?|(?:{_STOPPED})[{_ACUTE}{_DOT}])")


class LegacyText(NamedTuple):
    """A text in an old encoding: the encoding's name, and what it would read."""

    encoding: str
    reading: str


def find_legacy(text: str) -> LegacyText | None:
    """What *text* (NFC) would read in an old encoding; None where it makes sense as it is."""
    if text.isascii() or _BEYOND_LATIN_1.search(text):
        return None
    words = _WORD.findall(text[:_MAX_LENGTH])
    for encoding, decode in _DECODERS.items():
        if _is_written_in(decode, words):
            return LegacyText(encoding, decode(text))
    return None


def best_reading(text: str) -> LegacyText:
    """What *text*, which is known to be in an old encoding, most likely reads."""
    words = _WORD.findall(text[:_MAX_LENGTH])
    readable = {
        encoding: sum(map(_is_syllable, map(decode, words)))
        for encoding, decode in _DECODERS.items()
    }
    encoding = max(readable, key=lambda name: readable[name])
    return LegacyText(encoding, _DECODERS[encoding](text))


def _is_written_in(decode: Callable[[str], str], words: list[str]) -> bool:
    """Whether all words with marks become syllables, and enough of them were none before."""
    marked = [word for word in words if not word.isascii()]
    plain = [word for word in words if word.isascii() and word.isalpha()]
    if sum(map(_is_syllable, plain)) * 2 < len(plain):
        return False
    if not all(_is_syllable(decode(word)) for word in marked):
        return False
    strange = sum(not _is_syllable(word) for word in marked)
    return strange > 0 and strange + len(marked) > 3


def _is_syllable(word: str) -> bool:
    """Whether *word* can be a Vietnamese syllable."""
    parts = unicodedata.normalize("NFD", word.lower())
    tones = "".join(re.findall(_TONES, parts))
    toneless = unicodedata.normalize("NFC", re.sub(_TONES, "", parts))
    return _SYLLABLE.fullmatch(toneless + tones) is not None


def _from_tcvn3(text: str) -> str:
    return text.translate(_TCVN3)


def _from_vni(text: str) -> str:
    paired = _VNI_PAIR.sub(lambda pair: pair[1] + _vni_mark(pair[2]), text)
    letters = "".join(_vni_letter(letter) for letter in paired)
    return unicodedata.normalize("NFC", letters)


def _vni_mark(letter: str) -> str:
    return _VNI_MARKS[letter.lower()]


def _vni_letter(letter: str) -> str:
    plain = _VNI_LETTERS.get(letter.lower(), letter)
    return plain.upper() if letter.isupper() else plain


_DECODERS: dict[str, Callable[[str], str]] = {"TCVN3": _from_tcvn3, "VNI": _from_vni}
