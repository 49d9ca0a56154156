"""Similarity of two texts with the same title on the same day.

Offices use a title twice a day ("Thông báo tuyển dụng"), and sites list an article under two
addresses. Confusing the two cases would lose or overwrite an article, so text and time must
agree as well as the title.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from zlib import crc32

from contracts import keys, text
from contracts.text.moments import VIETNAM

_LONG_TEXT_WORDS = 30
"""Length in words; a shorter text ("Chi tiết xem tệp đính kèm") may appear under any notice."""
_SHINGLE_WORDS = 3
"""Words per shingle. One changed word changes three shingles."""
_MIN_OVERLAP = 0.8
"""Minimum part of shingles that both texts have."""
SAMPLE_SIZE = 256
"""Shingles stored per text: all of a short one, those with the smallest hashes of a long one."""

_WORD = re.compile(r"[^\W_]+")


class Similarity(IntEnum):
    """Certainty that two texts are one article."""

    OTHER = 0
    NEAR = 1
    """Similar enough not to publish a second item, too different to correct the first."""
    SAME = 2


@dataclass(frozen=True, slots=True)
class TextSignature:
    """Data for comparing a text, about a kilobyte."""

    words: str
    """Hash of the words, without case, marks and spaces."""
    length: int
    figures: str
    """Hash of words with a digit or capital: numbers, names, places, abbreviations."""
    files: str
    """Hash of the attachments' names."""
    minute: datetime | None
    """Publication minute; None if the site gives no time of day."""
    shingles: bytes


def text_signature(content: str, files: Iterable[str], at: datetime | None) -> TextSignature:
    """The signature of *content*, Markdown or plain text."""
    words = _WORD.findall(text.squeeze(content))
    written = _WORD.findall(text.nfc(content))
    figures = {word for word in written if word[0].isupper() or not word.isalpha()}
    return TextSignature(
        keys.digest(*words),
        len(words),
        keys.digest(*sorted(figures)),
        keys.digest(*sorted(files)),
        _published_minute(at),
        _shingle_sample(words),
    )


def _published_minute(at: datetime | None) -> datetime | None:
    """The minute; None for midnight in Vietnam or UTC, which means "no time of day"."""
    if at is None:
        return None
    minute = at.astimezone(UTC).replace(second=0, microsecond=0)
    clocks = (minute.time(), minute.astimezone(VIETNAM).time())
    return None if any(clock.hour == clock.minute == 0 for clock in clocks) else minute


def _shingle_sample(words: Sequence[str]) -> bytes:
    """The smallest shingle hashes, sorted; samples of two texts share their common shingles."""
    ends = range(_SHINGLE_WORDS, max(len(words), _SHINGLE_WORDS) + 1)
    hashes = {crc32(" ".join(words[end - _SHINGLE_WORDS : end]).encode()) for end in ends}
    return array("I", sorted(hashes)[:SAMPLE_SIZE]).tobytes()


def compare(signature: TextSignature, other: TextSignature) -> Similarity:
    """Compare two texts with the same title and day."""
    at_once = signature.minute is not None and signature.minute == other.minute
    if signature.files != other.files:
        return Similarity.OTHER
    if signature.words == other.words:
        is_same = at_once or signature.length >= _LONG_TEXT_WORDS
        return Similarity.SAME if is_same else Similarity.OTHER
    alike = (
        at_once
        and signature.figures == other.figures
        and overlap(signature.shingles, other.shingles) >= _MIN_OVERLAP
    )
    return Similarity.NEAR if alike else Similarity.OTHER


def overlap(sample_bytes: bytes, other: bytes) -> float:
    """Jaccard similarity of two texts, estimated from their samples."""
    ours, theirs = set(array("I", sample_bytes)), set(array("I", other))
    sample = sorted(ours | theirs)[:SAMPLE_SIZE]
    return sum(run in ours and run in theirs for run in sample) / len(sample)
