"""Whether two texts under one title on one day are one article.

Offices use a title twice a day ("Thông báo tuyển dụng"), and sites list an article under two
addresses. The first must never be taken for the second: a text would be lost, or stand under
another's name. So a title proves nothing until what is said, and when, agrees as well.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from zlib import crc32

from contracts import keys, text
from contracts.base.times import VIETNAM

LONG_TEXT_WORDS = 30
"""Words. What is shorter ("Chi tiết xem tệp đính kèm") may stand under any notice as it is."""
SHINGLE_WORDS = 3
"""Words in a row that are compared as one. A changed word changes three runs."""
MIN_OVERLAP = 0.8
"""The part of all runs that both texts have."""
SAMPLE_SIZE = 256
"""Runs that are kept of a text: all of a short one, chosen by their hash of a long one."""

_WORD = re.compile(r"[^\W_]+")


class Similarity(IntEnum):
    """How sure it is that two texts are one article."""

    OTHER = 0
    NEAR = 1
    """Enough to publish no second one, too little to write over the first one."""
    SAME = 2


@dataclass(frozen=True, slots=True)
class TextSignature:
    """What is kept of a text to compare it by: about a kilobyte."""

    words: str
    """A fingerprint of the words, without case, marks and spaces."""
    length: int
    figures: str
    """A fingerprint of what has a digit or a capital: numbers, names, places, abbreviations."""
    files: str
    """A fingerprint of the names of what is attached."""
    minute: datetime | None
    """When it came out; None where the site tells no time of day."""
    shingles: bytes


def text_signature(content: str, files: Iterable[str], at: datetime | None) -> TextSignature:
    """The gist of *said*, Markdown or plain."""
    words = _WORD.findall(text.squeeze(content))
    figures = {word for word in _WORD.findall(text.nfc(content)) if is_distinctive(word)}
    return TextSignature(
        keys.digest(*words),
        len(words),
        keys.digest(*sorted(figures)),
        keys.digest(*sorted(files)),
        published_minute(at),
        shingle_sample(words),
    )


def is_distinctive(word: str) -> bool:
    return word[0].isupper() or not word.isalpha()


def published_minute(at: datetime | None) -> datetime | None:
    """The minute; midnight, here or in UTC, is what a site writes that knows the day alone."""
    if at is None:
        return None
    found = at.astimezone(UTC).replace(second=0, microsecond=0)
    clocks = (found.time(), found.astimezone(VIETNAM).time())
    return None if any(clock.hour == clock.minute == 0 for clock in clocks) else found


def shingle_sample(words: Sequence[str]) -> bytes:
    """The smallest hashes of all runs, in order: what two texts share, their samples share."""
    ends = range(SHINGLE_WORDS, max(len(words), SHINGLE_WORDS) + 1)
    hashes = {crc32(" ".join(words[end - SHINGLE_WORDS : end]).encode()) for end in ends}
    return array("I", sorted(hashes)[:SAMPLE_SIZE]).tobytes()


def compare(one: TextSignature, other: TextSignature) -> Similarity:
    """What stands under one title on one day: one article, nearly surely, or two."""
    at_once = one.minute is not None and one.minute == other.minute
    if one.files != other.files:
        return Similarity.OTHER
    if one.words == other.words:
        return Similarity.SAME if at_once or one.length >= LONG_TEXT_WORDS else Similarity.OTHER
    alike = (
        at_once
        and one.figures == other.figures
        and overlap(one.shingles, other.shingles) >= MIN_OVERLAP
    )
    return Similarity.NEAR if alike else Similarity.OTHER


def overlap(one: bytes, other: bytes) -> float:
    """The part of all runs of two texts that both have (Jaccard), judged by their samples."""
    ours, theirs = set(array("I", one)), set(array("I", other))
    sample = sorted(ours | theirs)[:SAMPLE_SIZE]
    return sum(run in ours and run in theirs for run in sample) / len(sample)
