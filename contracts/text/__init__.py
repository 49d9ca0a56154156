"""Vietnamese text as Loa keeps it: NFC, visible, safe in a header, a feed or a page."""

import re
import unicodedata

from pydantic_core import PydanticCustomError

BIDI = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069"
"""Characters that reorder displayed text (used to fake links and names)."""

CONTROL = "\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff"
"""Control characters and noncharacters; tab, line feed and carriage return have other rules."""

BREAK = "\\t\\n\\r\\u2028\\u2029"
REFUSED = f"{CONTROL}{BIDI}\\ufffd\\u00d0"
"""Characters that no text may contain, as a class for JSON Schema and Python."""

_REFUSED = (
    ("surrogate", re.compile(r"[\ud800-\udfff]")),
    ("control_character", re.compile(f"[{CONTROL}]")),
    ("bidi_character", re.compile(f"[{BIDI}]")),
    ("replacement_character", re.compile(r"\ufffd")),
    ("eth_for_d_with_stroke", re.compile(r"\u00d0")),
)
MARKS_MAX = 16
_MAYBE_MARKS = re.compile(f"[^\0-\u02ff]{{{MARKS_MAX + 1},}}")
"""A run in which all characters may be marks: the first one of Unicode is U+0300."""

_BREAK = re.compile(f"[{BREAK}]")
_INVISIBLE = re.compile(r"[\u00ad\u180e\u200b-\u200d\u2060\ufeff]")
_INVISIBLE_IN_TEXT = re.compile(r"[\u00ad\u180e\u200b\u2060\ufeff]")
_SPACES = re.compile(r"\s+")
_LINE_END = re.compile(r"\r\n|[\r\u2028\u2029]")


def nfc(text: str) -> str:
    """The composed form, in which `ộ` is one character on every machine."""
    return unicodedata.normalize("NFC", text)


def line(text: str) -> str:
    """One line in stored form: NFC, spaces squeezed, invisible characters dropped.

    Raises PydanticCustomError for refused characters (its type is a code of `messages.toml`).
    """
    _refuse(text)
    _refuse_match("line_break", _BREAK, text)
    squeezed = _SPACES.sub(" ", _INVISIBLE.sub("", nfc(text))).strip()
    if _holds_encoded_word(squeezed):
        raise PydanticCustomError("encoded_word", "an encoded word of a mail header")
    return nfc(squeezed)


def paragraphs(text: str) -> str:
    """Text of several lines in stored form: NFC, line ends as LF, no blank ends.

    Inner spaces stay, because Markdown uses them. Raises like `line`.
    """
    _refuse(text)
    clean = nfc(_INVISIBLE_IN_TEXT.sub("", _LINE_END.sub("\n", text)))
    return clean.strip("\n").rstrip()


def squeeze(text: str) -> str:
    """The form for comparing texts: NFC, single spaces, nothing invisible, case folded."""
    return nfc(_SPACES.sub(" ", _INVISIBLE.sub("", text)).strip().casefold())


def slug(text: str) -> str:
    """A name as an id: no marks, đ as d, lower case, `-` between words."""
    letters = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    return re.sub("[^a-z0-9]+", "-", plain.lower()).strip("-")


def name_key(name: str) -> str:
    """The form for comparing people's names: letters and digits alone, without marks and case.

    `Nguyen Van A` and `NGUYỄN  Văn Á` have the same key: to be taken for one person is the safe
    mistake.
    """
    folded = unicodedata.normalize("NFKC", name).casefold().replace("đ", "d")
    return "".join(c for c in unicodedata.normalize("NFKD", folded) if c.isalnum())


def is_same_name(one: str, other: str) -> bool:
    """Whether two names, or two ids, have the same key; a name without letters equals none."""
    key = name_key(one)
    return bool(key) and key == name_key(other)


def stacked_marks(text: str) -> int | None:
    """Position of a letter with more combining marks than any language needs, or None.

    Composing such a text takes time quadratic in its length.
    """
    if not _MAYBE_MARKS.search(text):
        return None
    marks = "".join(c for c in set(text) if unicodedata.combining(c))
    match = re.search(f"[{re.escape(marks)}]{{{MARKS_MAX + 1},}}", text) if marks else None
    return match.start() if match else None


def _holds_encoded_word(text: str) -> bool:
    begins, ends = text.find("=?"), text.rfind("?=")
    return 0 <= begins <= ends - 2


def _refuse(text: str) -> None:
    if stacked_marks(text) is not None:
        raise PydanticCustomError("stacked_marks", "too many marks", {"limit": MARKS_MAX})
    for code, pattern in _REFUSED:
        _refuse_match(code, pattern, text)


def _refuse_match(code: str, pattern: re.Pattern[str], text: str) -> None:
    if match := pattern.search(text):
        where = {"character": f"U+{ord(match[0]):04X}", "position": match.start() + 1}
        raise PydanticCustomError(code, "{character} at {position}", where)
