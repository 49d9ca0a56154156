"""Texts that are out and say nearly the same: found in the index by words, compared by shingles."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from contracts.desk.index import ItemFilter, ItemRow, Items
from contracts.editorial import OUT
from contracts.errors import Unavailable
from contracts.text import squeeze

_WORD = re.compile(r"\w+")
_SHINGLE = 2
"""Words in a shingle; titles are short."""
_SHARE_MIN = 0.6
_WORDS_MIN = 4
_CANDIDATES = 20
_SHOWN_MAX = 3


class NearText(NamedTuple):
    """An item that is out, and the share of shingles that it has in common."""

    content_id: str
    title: str
    share: float


async def find_near(index: Items, content_id: str, data: Mapping[str, Any]) -> list[NearText]:
    """The items most like the title in *data*; none while the index can't be read."""
    words = _words(str(data.get("title") or ""))
    if len(words) < _WORDS_MIN:
        return []
    half = len(words) // 2
    rows: dict[str, ItemRow] = {}
    with suppress(Unavailable):
        for part in (words[:half], words[half:]):  # one other word spoils one half alone
            wanted = ItemFilter(words=" ".join(part), statuses=OUT, limit=_CANDIDATES)
            rows |= {row.content_id: row for row in (await index.find(wanted)).rows}
    rows.pop(content_id, None)
    return _nearest(data, rows)


def _nearest(data: Mapping[str, Any], rows: Mapping[str, ItemRow]) -> list[NearText]:
    own = shingles(str(data.get("title") or ""))
    shares = {id: share(own, shingles(row.title)) for id, row in rows.items()}
    near = [NearText(id, rows[id].title, one) for id, one in shares.items() if one >= _SHARE_MIN]
    return sorted(near, key=lambda one: -one.share)[:_SHOWN_MAX]


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """The runs of words of a text, without regard to case and signs."""
    words = _words(text)
    last = max(1, len(words) - _SHINGLE + 1)
    return frozenset(tuple(words[at : at + _SHINGLE]) for at in range(last))


def share(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """How much two texts have in common: 0 nothing, 1 all."""
    return len(one & other) / len(one | other) if one | other else 0.0


def _words(text: str) -> list[str]:
    return _WORD.findall(squeeze(text))
