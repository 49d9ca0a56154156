"""What an answer shows of an item: a few lines around the words, with the words marked."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from channels.portal.search.words import even, unmarked

LENGTH, BEFORE = 260, 70
MORE = "…"


class Piece(NamedTuple):
    """Some of the text; `hit`: it is one of the words that were looked for."""

    text: str
    hit: bool


def excerpt(text: str, words: Sequence[str], *, loosely: bool) -> list[Piece]:
    """Where *text* has the words in a row, or else the first of them; its beginning if nowhere.

    *words* are `even`; one without marks is found with any marks, as all are when *loosely*.
    """
    first = _first(text, words, loosely=loosely)
    start = text.rfind(" ", 0, max(first - BEFORE, 0)) + 1 if first > BEFORE else 0
    end = len(text)
    if start + LENGTH < end:
        end = text.rfind(" ", start + 1, start + LENGTH)
        end = start + LENGTH if end < 0 else end
    pieces = marked(text[start:end], words, loosely=loosely)
    before = [Piece(f"{MORE} ", False)] if start else []
    return [*before, *pieces, *([Piece(f" {MORE}", False)] if end < len(text) else [])]


def marked(text: str, words: Sequence[str], *, loosely: bool) -> list[Piece]:
    """The whole *text* in pieces."""
    spans = _joined(text, sorted(_spans(text, words, loosely=loosely)))
    pieces, at = [], 0
    for start, end in spans:
        if start > at:
            pieces.append(Piece(text[at:start], False))
        pieces.append(Piece(text[start:end], True))
        at = end
    if at < len(text):
        pieces.append(Piece(text[at:], False))
    return pieces


def _joined(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Words with nothing but a space between them are marked as one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and text[joined[-1][1] : start].isspace():
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _first(text: str, words: Sequence[str], *, loosely: bool) -> int:
    """Where to begin reading; 0 where there is nothing to find."""
    evened = even(text)
    wanted = [unmarked(word) for word in words] if loosely else words
    exact = any(word != unmarked(word) for word in wanted)
    phrase = r"[\W_]+".join(map(re.escape, wanted))
    found = _whole(phrase).search(evened if exact else unmarked(evened)) if phrase else None
    if found:
        return found.start()
    return min((start for start, _ in _spans(text, words, loosely=loosely)), default=0)


def _spans(text: str, words: Sequence[str], *, loosely: bool) -> list[tuple[int, int]]:
    evened = even(text)
    wanted = {unmarked(word) if loosely else word for word in words}
    loose = {word for word in wanted if word == unmarked(word)}
    spans: set[tuple[int, int]] = set()
    for some, within in ((loose, unmarked(evened)), (wanted - loose, evened)):
        if some:
            pattern = _whole("|".join(map(re.escape, sorted(some))))
            spans |= {found.span() for found in pattern.finditer(within)}
    return list(spans)


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?<![^\\W_])(?:{pattern})(?![^\\W_])")
