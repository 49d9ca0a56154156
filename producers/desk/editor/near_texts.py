"""Items that say nearly the same: their texts by the index, their titles by shingles of words."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from contracts.bulletins.issue import is_issue_of
from contracts.desk.index import ItemFilter, ItemRow, Items, NearWanted
from contracts.editorial import OUT
from contracts.errors import Unavailable
from contracts.text import squeeze
from producers.desk.editor.conversion import editor_texts

_WORD = re.compile(r"\w+")
_SHINGLE = 2
"""Words in a shingle; titles are short."""
_SHARE_MIN = 0.6
_WORDS_MIN = 4
_CANDIDATES = 20
_SHOWN_MAX = 3
_REMEMBERED = 1000
"""Titles whose shingles are kept: those of one search are often those of the next."""


class NearText(NamedTuple):
    """An item, and the shares that its text and its title have in common; 0: too little."""

    row: ItemRow
    text: float = 0.0
    title: float = 0.0

    @property
    def said(self) -> str:
        """How near the item is, in Vietnamese; its title follows."""
        kind, alike = ("text", self.text) if self.text else ("title", self.title)
        return str(editor_texts()["near"][kind].format(percent=round(alike * 100)))


async def find_near(
    index: Items, readable: ItemFilter, content_id: str, data: Mapping[str, Any]
) -> list[NearText]:
    """The items most like *data*, of those that are out or that the person may read.

    Not other issues of the same bulletin, whose titles differ in their numbers alone.
    None while the index can't be read.
    """
    found, among = dict[str, NearText](), (ItemFilter(statuses=OUT), readable)
    with suppress(Unavailable):
        for row, alike in await _near_titles(index, content_id, str(data.get("title") or "")):
            found[row.content_id] = NearText(row, title=alike)
        for one in await index.near(data, NearWanted(content_id, among, _SHOWN_MAX)):
            near = found.get(one.row.content_id, NearText(one.row))
            found[one.row.content_id] = near._replace(text=one.share)
    others = [one for one in found.values() if not _is_of_series(one.row.content_id, data)]
    return sorted(others, key=lambda one: (-one.text, -one.title))[:_SHOWN_MAX]


def _is_of_series(content_id: str, data: Mapping[str, Any]) -> bool:
    """Whether an item is an issue of the bulletin of which *data* is one."""
    issue = data.get("bulletin")
    return isinstance(issue, Mapping) and is_issue_of(content_id, str(issue.get("series")))


async def _near_titles(index: Items, content_id: str, title: str) -> list[tuple[ItemRow, float]]:
    """The items that are out with nearly this title."""
    words = _words(title)
    if len(words) < _WORDS_MIN:
        return []
    half = len(words) // 2
    halves = (words[:half], words[half:])  # one other word spoils one half alone
    wanted = ItemFilter(statuses=OUT, limit=_CANDIDATES)
    pages = await asyncio.gather(
        *(index.find(replace(wanted, words=" ".join(one))) for one in halves)
    )
    rows = {row.content_id: row for page in pages for row in page.rows}
    rows.pop(content_id, None)
    own = shingles(title)
    shares = [(row, share(own, shingles(row.title))) for row in rows.values()]
    return [(row, one) for row, one in shares if one >= _SHARE_MIN]


@lru_cache(_REMEMBERED)
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
