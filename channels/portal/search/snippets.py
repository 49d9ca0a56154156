"""Snippets of search results: text around the matched words, with the words highlighted."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from channels.portal.search.normalize import normalize_spelling, strip_marks

SNIPPET_LENGTH, _CONTEXT_BEFORE = 200, 80
_BEGINNINGS = re.compile('[.!?…][)"”»’]*\\s+| · '), re.compile("[,;:–—]\\s+")
"""Marks before a sentence or a block, and before a clause."""


class SnippetPiece(NamedTuple):
    """A piece of text; `hit`: it matches the query."""

    text: str
    hit: bool


def make_snippet(text: str, words: Sequence[str], *, ignore_marks: bool) -> list[SnippetPiece]:
    """The part of *text* around the phrase, or else the first word, or else its beginning.

    *words* are normalized. Words without marks match any marks; with *ignore_marks* all words do.
    """
    first = _first_match(text, words, ignore_marks=ignore_marks)
    start = _beginning(text, first)
    end = len(text)
    if start + SNIPPET_LENGTH < end:
        end = text.rfind(" ", start + 1, start + SNIPPET_LENGTH)
        end = start + SNIPPET_LENGTH if end < 0 else end
    pieces = highlight(text[start:end], words, ignore_marks=ignore_marks)
    before = [SnippetPiece("… ", False)] if start else []
    return [*before, *pieces, *([SnippetPiece(" …", False)] if end < len(text) else [])]


def _beginning(text: str, first: int) -> int:
    """Where a snippet begins: at a sentence near *first*, or else at a clause, or else at a word.

    Only the first two never split a word of several syllables.
    """
    earliest = max(first - _CONTEXT_BEFORE, 0)
    if earliest:
        for before in _BEGINNINGS:
            if found := before.search(text, earliest, first):
                return found.end()
    return text.rfind(" ", 0, earliest) + 1


def highlight(text: str, words: Sequence[str], *, ignore_marks: bool) -> list[SnippetPiece]:
    """The whole *text* in pieces, with matches as hits."""
    spans = _merge_adjacent(text, _match_spans(text, words, ignore_marks=ignore_marks))
    pieces, at = [], 0
    for start, end in spans:
        pieces += [SnippetPiece(text[at:start], False), SnippetPiece(text[start:end], True)]
        at = end
    pieces.append(SnippetPiece(text[at:], False))
    return [piece for piece in pieces if piece.text]


def has_phrase(pieces: Sequence[SnippetPiece]) -> bool:
    """Whether *pieces* have several words of the query side by side."""
    return any(piece.hit and len(piece.text.split()) > 1 for piece in pieces)


def phrases_only(pieces: Sequence[SnippetPiece]) -> list[SnippetPiece]:
    """The same text with phrases as hits: a syllable alone is often part of another word."""
    return [SnippetPiece(text, hit and len(text.split()) > 1) for text, hit in pieces]


def _merge_adjacent(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge matches that only a space separates."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and text[joined[-1][1] : start].isspace():
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _first_match(text: str, words: Sequence[str], *, ignore_marks: bool) -> int:
    """Position of the first match; 0 without any."""
    normalized = normalize_spelling(text)
    wanted = [strip_marks(word) for word in words] if ignore_marks else list(words)
    exact = wanted != [strip_marks(word) for word in wanted]
    phrase = _whole_word(r"[\W_]+".join(map(re.escape, wanted)))
    match = phrase.search(normalized if exact else strip_marks(normalized)) if words else None
    if match:
        return match.start()
    spans = _match_spans(text, words, ignore_marks=ignore_marks)
    return spans[0][0] if spans else 0


def _match_spans(text: str, words: Sequence[str], *, ignore_marks: bool) -> list[tuple[int, int]]:
    """Positions of all matches, in order."""
    normalized = normalize_spelling(text)
    wanted = {strip_marks(word) if ignore_marks else word for word in words}
    unmarked = {word for word in wanted if word == strip_marks(word)}
    spans: set[tuple[int, int]] = set()
    haystacks = ((unmarked, strip_marks(normalized)), (wanted - unmarked, normalized))
    for words_here, haystack in haystacks:
        if words_here:
            pattern = _whole_word("|".join(map(re.escape, sorted(words_here))))
            spans |= {match.span() for match in pattern.finditer(haystack)}
    return sorted(spans)


def _whole_word(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?<![^\\W_])(?:{pattern})(?![^\\W_])")
