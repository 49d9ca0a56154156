"""Suggestions after a search without results: queries that have some, and topics."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from channels.portal.search.normalize import WORD, normalize_spelling, strip_marks
from channels.portal.search.query import SearchQuery

_QUERIES_MAX, _TOPICS_MAX, _NAMED_MAX = 3, 5, 3
"""Suggested queries and topics. Each query was tried: twelve words make 13 at most."""


def _wider_queries(query: SearchQuery) -> Iterator[SearchQuery]:
    """The query without its filters, then with one word less, the last words first."""
    plain = SearchQuery(words=query.words)
    if query.words and query != replace(plain, page=query.page, newest_first=query.newest_first):
        yield plain
    for dropped in reversed(range(len(query.words))) if len(query.words) > 1 else ():
        yield SearchQuery(words=query.words[:dropped] + query.words[dropped + 1 :])


def queries_that_find(
    query: SearchQuery, finds: Callable[[SearchQuery], bool]
) -> list[tuple[str, ...]]:
    """Words of wider queries that find something, _QUERIES_MAX at most."""
    found: list[tuple[str, ...]] = []
    for wider in _wider_queries(query):
        if wider.words not in found and finds(wider):
            found.append(wider.words)
        if len(found) == _QUERIES_MAX:
            break
    return found


def nearest_topics(words: tuple[str, ...], names: Mapping[str, str]) -> list[str]:
    """Ids of the topics whose names share most words with the query; none without a shared word."""
    asked = set(map(strip_marks, words))
    shared = {topic: len(asked & _bare_words(name)) for topic, name in names.items()}
    near = [topic for topic, count in shared.items() if count]
    return sorted(near, key=lambda topic: -shared[topic])[:_TOPICS_MAX]


def listings_named(names: Mapping[str, str], words: tuple[str, ...]) -> list[str]:
    """Ids of the listings whose names have all *words*, of which one alone says too little."""
    asked = set(map(strip_marks, words))
    found = [slug for slug, name in names.items() if asked <= _bare_words(name)]
    return found[:_NAMED_MAX] if len(words) > 1 else []


def _bare_words(name: str) -> set[str]:
    return set(WORD.findall(strip_marks(normalize_spelling(name))))
