"""Text that was damaged for the most part before it was sent: the one judgement of all doors.

Stored text is not judged: an earlier version may have taken it, and it has to stay readable.
"""

from typing import NamedTuple

from contracts.text.legacy_encodings import find_legacy
from contracts.text.misread_utf8 import find_misread


class Damage(NamedTuple):
    """The damage of a text, as a code of `messages.toml`, and what the text should read."""

    code: str
    encoding: str
    reading: str


def find_damage(text: str) -> Damage | None:
    """The damage for which a door refuses *text*; None for a sound or doubtful one."""
    if (misread := find_misread(text)) and misread.is_most:
        return Damage("misread_utf8", misread.encoding, misread.reading)
    if legacy := find_legacy(text):
        return Damage("legacy_encoding", legacy.encoding, legacy.reading)
    return None
