"""What an answer shows of an item: a few lines around the words, with the words marked."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from channels.portal.search.normalize import normalize_spelling, strip_marks

SNIPPET_LENGTH, CONTEXT_BEFORE = 260, 70
ELLIPSIS = "…"


class SnippetPiece(NamedTuple):
    """Some of the text; `hit`: it is one of the words that were looked for."""

    text: str
    hit: bool


def make_snippet(text: str, words: Sequence[str], *, ignore_marks: bool) -> list[SnippetPiece]:
    """Where *text* has the words in a row, or else the first of them; its beginning if nowhere.

    *words* are `even`; one without marks is found with any marks, as all are when *loosely*.
    """
    first = _first_match(text, words, ignore_marks=ignore_marks)
    start = text.rfind(" ", 0, max(first - CONTEXT_BEFORE, 0)) + 1 if first > CONTEXT_BEFORE else 0
    end = len(text)
    if start + SNIPPET_LENGTH < end:
        end = text.rfind(" ", start + 1, start + SNIPPET_LENGTH)
        end = start + SNIPPET_LENGTH if end < 0 else end
    pieces = highlight(text[start:end], words, ignore_marks=ignore_marks)
    before = [SnippetPiece(f"{ELLIPSIS} ", False)] if start else []
    return [*before, *pieces, *([SnippetPiece(f" {ELLIPSIS}", False)] if end < len(text) else [])]


def highlight(text: str, words: Sequence[str], *, ignore_marks: bool) -> list[SnippetPiece]:
    """The whole *text* in pieces."""
    spans = _merge_adjacent(text, sorted(_match_spans(text, words, ignore_marks=ignore_marks)))
    pieces, at = [], 0
    for start, end in spans:
        if start > at:
            pieces.append(SnippetPiece(text[at:start], False))
        pieces.append(SnippetPiece(text[start:end], True))
        at = end
    if at < len(text):
        pieces.append(SnippetPiece(text[at:], False))
    return pieces


def _merge_adjacent(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Words with nothing but a space between them are marked as one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and text[joined[-1][1] : start].isspace():
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _first_match(text: str, words: Sequence[str], *, ignore_marks: bool) -> int:
    """Where to begin reading; 0 where there is nothing to find."""
    evened = normalize_spelling(text)
    wanted = [strip_marks(word) for word in words] if ignore_marks else words
    exact = any(word != strip_marks(word) for word in wanted)
    phrase = r"[\W_]+".join(map(re.escape, wanted))
    found = _whole_word(phrase).search(evened if exact else strip_marks(evened)) if phrase else None
    if found:
        return found.start()
    return min(
        (start for start, _ in _match_spans(text, words, ignore_marks=ignore_marks)), default=0
    )


def _match_spans(text: str, words: Sequence[str], *, ignore_marks: bool) -> list[tuple[int, int]]:
    evened = normalize_spelling(text)
    wanted = {strip_marks(word) if ignore_marks else word for word in words}
    loose = {word for word in wanted if word == strip_marks(word)}
    spans: set[tuple[int, int]] = set()
    for some, within in ((loose, strip_marks(evened)), (wanted - loose, evened)):
        if some:
            pattern = _whole_word("|".join(map(re.escape, sorted(some))))
            spans |= {found.span() for found in pattern.finditer(within)}
    return list(spans)


def _whole_word(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?<![^\\W_])(?:{pattern})(?![^\\W_])")
