"""Marked differences of two texts: by paragraphs, and by words within a changed one.

The time is bounded for any two texts; the same two give the same marks.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

_PARAGRAPH_END = re.compile(r"\n(?:[ \t]*\n)+")
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_COMPARED_MAX = 40_000
"""Pairs of elements that one gap without unique elements may cost; a larger one is replaced."""
_DEPTH_MAX = 20
_SIMILAR_MIN = 0.5
"""The share of common words from which one paragraph counts as another's new form."""
_LOOK_AHEAD = 8
"""How many new paragraphs an old one is compared with."""
Pair = tuple[int, int]


class Mark(StrEnum):
    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"
    CHANGED = "changed"
    """A paragraph whose parts have marks of their own."""


class Part(NamedTuple):
    """Successive words with one mark."""

    mark: Mark
    text: str


class Change(NamedTuple):
    """A paragraph; `old` and `new` are its numbers in the two texts, from 1, and 0 for none."""

    mark: Mark
    parts: tuple[Part, ...]
    old: int
    new: int


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a Markdown text, apart by blank lines."""
    return [one for one in _PARAGRAPH_END.split(text.strip()) if one.strip()]


def marked_changes(old: str, new: str) -> Sequence[Change]:
    """The paragraphs of both texts in one order, with what was removed, added and changed."""
    before, after = paragraphs(old), paragraphs(new)
    changes: list[Change] = []
    for start, end in _gaps(_common(before, after), len(before), len(after)):
        changes += _replaced(before, after, start, end)
        if end[0] < len(before):
            changes.append(_whole(Mark.SAME, before[end[0]], end[0] + 1, end[1] + 1))
    return changes


def changed_parts(old: str, new: str) -> tuple[Part, ...]:
    """The words of both paragraphs in one order."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    parts: list[Part] = []
    for start, end in _gaps(_common(before, after), len(before), len(after)):
        parts += [
            Part(Mark.REMOVED, "".join(before[start[0] : end[0]])),
            Part(Mark.ADDED, "".join(after[start[1] : end[1]])),
            Part(Mark.SAME, "".join(before[end[0] : end[0] + 1])),
        ]
    return tuple(_joined(_without_lone_blanks([one for one in parts if one.text])))


def _gaps(common: Sequence[Pair], old: int, new: int) -> Iterator[tuple[Pair, Pair]]:
    """The gaps before each common element, and after the last, as the gap's start and end."""
    bounds = [(-1, -1), *common, (old, new)]
    for (i, j), end in pairwise(bounds):
        yield (i + 1, j + 1), end


def _replaced(
    before: Sequence[str], after: Sequence[str], start: Pair, end: Pair
) -> Iterator[Change]:
    """The paragraphs of one gap: pairs that are similar, and the removed and added ones between."""
    olds, news = range(start[0], end[0]), range(start[1], end[1])
    similar = [
        (olds[i], news[j]) for i, j in _similar([before[i] for i in olds], [after[j] for j in news])
    ]
    for (i, j), (next_i, next_j) in pairwise([(start[0] - 1, start[1] - 1), *similar, end]):
        for number in range(i + 1, next_i):
            yield _whole(Mark.REMOVED, before[number], number + 1, 0)
        for number in range(j + 1, next_j):
            yield _whole(Mark.ADDED, after[number], 0, number + 1)
        if (next_i, next_j) != end:
            parts = changed_parts(before[next_i], after[next_j])
            yield Change(Mark.CHANGED, parts, next_i + 1, next_j + 1)


def _whole(mark: Mark, text: str, old: int, new: int) -> Change:
    return Change(mark, (Part(mark, text),), old, new)


def _similar(before: Sequence[str], after: Sequence[str]) -> Iterator[Pair]:
    """Pairs of an old paragraph and its new form, both ascending."""
    words = [Counter(_WORD.findall(one)) for one in after]
    free = 0
    for i, one in enumerate(before):
        own = Counter(_WORD.findall(one))
        ahead = range(free, min(free + _LOOK_AHEAD, len(after)))
        best = max(ahead, key=lambda j: (_share(own, words[j]), -j), default=None)
        if best is not None and _share(own, words[best]) >= _SIMILAR_MIN:
            yield i, best
            free = best + 1


def _share(one: Counter[str], other: Counter[str]) -> float:
    """The share of words that both have, blanks aside."""
    common = sum(n for word, n in (one & other).items() if not word.isspace())
    longer = max(sum(n for word, n in side.items() if not word.isspace()) for side in (one, other))
    return common / longer if longer else 0.0


def _common(old: Sequence[str], new: Sequence[str], depth: int = 0) -> list[Pair]:
    """Positions of common elements, both ascending: around those that both have once."""
    head = _shared_head(old, new)
    tail = _shared_head(old[head:][::-1], new[head:][::-1])
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    anchors = _anchors(inner_old, inner_new) if depth < _DEPTH_MAX else []
    inner = (
        list(_between(inner_old, inner_new, anchors, depth))
        if anchors
        else _longest_common(inner_old, inner_new)
    )
    return [
        *((i, i) for i in range(head)),
        *((head + i, head + j) for i, j in inner),
        *((len(old) - n, len(new) - n) for n in range(tail, 0, -1)),
    ]


def _between(
    old: Sequence[str], new: Sequence[str], anchors: Sequence[Pair], depth: int
) -> Iterator[Pair]:
    """The anchors, and what the gaps between them have in common."""
    for (i, j), end in _gaps(anchors, len(old), len(new)):
        found = _common(old[i : end[0]], new[j : end[1]], depth + 1)
        yield from ((i + a, j + b) for a, b in found)
        if end[0] < len(old):
            yield end


def _shared_head(old: Sequence[str], new: Sequence[str]) -> int:
    pairs = enumerate(zip(old, new, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(old), len(new)))


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """The most elements that both have once and in the same order (patience difference)."""
    places = _unique(new)
    once = [(i, places[one]) for one, i in _unique(old).items() if one in places]
    return [once[n] for n in _ascending([j for _, j in once])]


def _unique(elements: Sequence[str]) -> dict[str, int]:
    """The places of elements that occur once, in order."""
    counts = Counter(elements)
    return {one: place for place, one in enumerate(elements) if counts[one] == 1}


def _ascending(numbers: Sequence[int]) -> list[int]:
    """Places of a longest ascending subsequence."""
    ends, tails, before = list[int](), list[int](), list[int]()
    for place, number in enumerate(numbers):
        length = bisect_left(tails, number)
        before.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [number]
        ends[length : length + 1] = [place]
    chain, place = list[int](), ends[-1] if ends else -1
    while place >= 0:
        chain.append(place)
        place = before[place]
    return chain[::-1]


def _longest_common(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Positions of a longest common subsequence; none of two sequences that are too long."""
    if len(old) * len(new) > _COMPARED_MAX:
        return []
    found, i, j = list[Pair](), 0, 0
    lengths = _common_lengths(old, new)
    while i < len(old) and j < len(new):
        if old[i] == new[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _common_lengths(old: Sequence[str], new: Sequence[str]) -> list[list[int]]:
    """For each pair of positions, how much the rests behind them have in common."""
    lengths = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) - 1, -1, -1):
        row, below, word = lengths[i], lengths[i + 1], old[i]
        for j in range(len(new) - 1, -1, -1):
            row[j] = below[j + 1] + 1 if word == new[j] else max(below[j], row[j + 1])
    return lengths


def _without_lone_blanks(parts: Sequence[Part]) -> Iterator[Part]:
    """Blanks that stayed between two changes count as changed: the words around read as one."""
    last = len(parts) - 1
    for place, part in enumerate(parts):
        inside = 0 < place < last and Mark.SAME not in (
            parts[place - 1].mark,
            parts[place + 1].mark,
        )
        if part.mark is Mark.SAME and part.text.isspace() and inside:
            yield from (Part(Mark.REMOVED, part.text), Part(Mark.ADDED, part.text))
        else:
            yield part


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Successive changes as one removed and one added part; successive same words as one."""
    texts = dict.fromkeys((Mark.REMOVED, Mark.ADDED, Mark.SAME), "")
    for part in parts:
        if bool(texts[Mark.SAME]) != (part.mark is Mark.SAME):
            yield from _written(texts)
        texts[part.mark] += part.text
    yield from _written(texts)


def _written(texts: dict[Mark, str]) -> Iterator[Part]:
    for mark, text in texts.items():
        if text:
            yield Part(mark, text)
        texts[mark] = ""
