"""Old Vietnamese encodings read as Latin-1 or Windows-1252: recognised by what they would read.

TCVN3, VNI and VPS. A text counts as one only if every word with marks becomes a Vietnamese
syllable and some were none before, or if it is full of their letters. A door refuses it with that
reading and never converts it; stored text is not judged.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from contracts.text import nfc, stacked_marks

_MAX_LENGTH = 2000
"""The characters of a text that are looked at."""
_BEYOND_LATIN_1 = re.compile("[\u0100-\u02ff\u0370-\u1fff]")
_BEYOND_CP1252 = re.compile(
    "[\u0100-\u0151\u0154-\u015f\u0162-\u0177\u0179-\u017c\u017f-\u0191\u0193-\u02c5\u02c7-\u02db"
    "\u02dd-\u02ff\u0370-\u1fff]"
)
_LETTERS_OF_TCVN3 = (
    r"[a-z][\u00a8\u00aa\u00ac\u00b5-\u00b9\u00bc-\u00be\u00d7\u00f7ÆÇÊÈÉËÌÎÏÑÒÕÓÔÖÝØÜÞþ]"
    r"|[\u00a7\u00ae][A-Za-z\u00b5-\u00feª]"  # Đ and đ, before a letter of theirs
    r"|\u00ad[\u00acêëìíî]"  # ươ with its marks: a soft hyphen never precedes such a letter
)
_LETTERS = re.compile(f"{_LETTERS_OF_TCVN3}|[aeouy][äåïøûüëö]")
"""Letters of TCVN3 and VNI: a single one may be a foreign name's."""
_DENSE = 5
"""One of so many words has such letters where a text is in an old encoding."""
_ASCII_SIGNS = r"!-/:-@\[-`{-~"
_WORD = re.compile(f"[^\\s{_ASCII_SIGNS}\u2010-\u2027]+")
_VPS_WORD = re.compile(f"[^ \t\n\r\u00a0{_ASCII_SIGNS}\u2018\u2019]+")
"""Signs of Windows-1252, and control characters, are letters in VPS."""

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

_VPS = (
    "ÀẢÃẤẦẨọỗĂếềểệẮẰẲẾ‘’ỀỂỄỐỒỔỖýỷỵỚỜỞ\u00a0ắằẳẵặỠớÙờởỡŨỨợỪổỬỲỸÍÌộỈĨÓửữÒỎÕự"
    "ầÁÂấẩẫậđẻÉÊẹỉễịỹƯỦồốÔỏơÈừứÚũưÝẺßàáâãảạăçèéêẽìíîĩẴĐòóôõöƠụùúủüỶẼỳ"
)
"""The letters of the bytes from 0x80 on."""
_VPS_CAPITALS = dict(
    zip(
        b"\2\3\4\5\6\x10\x11\x12\x13\x14\x15\x19\x1c\x1d",
        "ẠẬẶẸỆỊỌỘỢỤỰỴẪỮ",
        strict=True,
    )
)
_VPS_LETTERS = _VPS_CAPITALS | {
    ord(sign): letter
    for byte, letter in enumerate(_VPS, 0x80)
    for sign in {chr(byte), bytes([byte]).decode("cp1252", "replace")} - {"\ufffd"}
}
_ODD = (
    r"\x02-\x1d\x80-\x9f\u0152\u0192\u2020\u2021\u2030\u2039\u20ac\u2122"
    r"\u00a2-\u00a9\u00ac-\u00b6\u00b9\u00bc-\u00be"
)
_VPS_SIGN = re.compile(f"[A-Za-z][{_ODD}]|[{_ODD}][A-Za-z]|[a-z][\u00c0-\u00de]|\u00c7[a-z]")
"""Pattern that no language writes in a word: a sign, or a capital behind a small letter."""
_FREQUENT = (
    "án ảnh báo bảo bão biểu bộ bổ cả các cải cán cấp chế chỉ chính chủ chức có công của cục cứu"
    " cư dân dạng dẫn dịch dự dụng đã đại đăng đầu đề để đến đi đích điện định đối đồng đơn động"
    " được giấy gửi hành hạn hệ hiện hiểm học hội hồ hướng kết khẩn kế không kỳ là làm lễ lịch"
    " lũ luật lượng lương lý mới một mục năm ngày nghị nghỉ người nhà nhân nhận những nhiệm nội"
    " nước nộp phát phí phố phòng phủ phục qua quả quan quản quy quyền quyết quốc sách sắp số sở sơ"
    " sự sửa tạo tại tập tế tết thành thể thi thông thời thủ thực thư thuộc tiếp tiền tin tỉnh tổ"
    " tổng trách trên trình trực trong trường trưởng tuyển từ tục vào văn và về vị việc viên vụ với"
    " xã xây xét yêu ý"
)
_COMMON = frozenset(_FREQUENT.split())
"""Syllables of official texts, which tell two possible readings apart."""

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
    """Reading of *text* in an old encoding; None where it makes sense as it is."""
    if text.isascii() or stacked_marks(text) is not None:
        return None
    composed = nfc(text)
    hits = len(_LETTERS.findall(composed))
    is_dense = hits >= 3 and hits * _DENSE >= len(composed.split())
    return (_best_reading(composed) if is_dense else None) or _likeliest_reading(composed)


def _likeliest_reading(text: str) -> LegacyText | None:
    if _BEYOND_CP1252.search(text):  # foreign to all
        return None
    readings = [
        LegacyText(encoding.name, encoding.decode(text))
        for encoding in _ENCODINGS
        if encoding.may_be_in(text) and _is_written_in(encoding, text)
    ]
    return max(readings, key=_likelihood, default=None)


def _best_reading(text: str) -> LegacyText | None:
    """Reading of *text*, which has letters of TCVN3 or VNI; None if most words become none."""
    marked = [word for word in _WORD.findall(text[:_MAX_LENGTH]) if not word.isascii()]
    counts = {one: sum(map(is_syllable, map(one.decode, marked))) for one in _ENCODINGS[:2]}
    best = max(counts, key=counts.__getitem__)
    is_read = counts[best] * 2 >= len(marked)
    return LegacyText(best.name, best.decode(text)) if is_read else None


def _is_written_in(encoding: "_Encoding", text: str) -> bool:
    """Whether all words with marks become syllables, and enough of them were none before."""
    words = encoding.words(text)
    marked = [word for word in words if not word.isascii()]
    plain = [word for word in words if word.isascii() and word.isalpha()]
    if sum(map(is_syllable, plain)) * 2 < len(plain):
        return False
    if not all(is_syllable(encoding.decode(word)) for word in marked):
        return False
    strange = sum(not is_syllable(word) for word in marked)
    return strange > 0 and strange + len(marked) > 3


def _likelihood(reading: LegacyText) -> int:
    """The number of frequent syllables, less that of words with a capital behind a small letter."""
    words = _WORD.findall(reading.reading[:_MAX_LENGTH])
    odd = sum(not (word.isupper() or word[1:].islower() or len(word) == 1) for word in words)
    return sum(word.lower() in _COMMON for word in words) - odd


def is_syllable(word: str) -> bool:
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


def _from_vps(text: str) -> str:
    return text.translate(_VPS_LETTERS)


class _Encoding(NamedTuple):
    """An old encoding: its words, letters that it never has, and a sign that it always has."""

    name: str
    decode: Callable[[str], str]
    word: re.Pattern[str] = _WORD
    foreign: re.Pattern[str] = _BEYOND_LATIN_1
    sign: re.Pattern[str] = re.compile("")

    def may_be_in(self, text: str) -> bool:
        """Whether *text* has the sign of the encoding, and no letter that is foreign to it."""
        return not self.foreign.search(text) and bool(self.sign.search(text))

    def words(self, text: str) -> list[str]:
        return self.word.findall(text[:_MAX_LENGTH])


_ENCODINGS = (
    _Encoding("TCVN3", _from_tcvn3),
    _Encoding("VNI", _from_vni),
    _Encoding("VPS", _from_vps, _VPS_WORD, _BEYOND_CP1252, _VPS_SIGN),
)
