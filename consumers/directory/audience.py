"""Match a publication against distinct preference sets instead of single subscribers."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import lru_cache
from heapq import merge
from itertools import islice
from typing import Any

from consumers.directory.store import DirectoryStore
from contracts.delivery import Lane
from contracts.publication import Publication
from contracts.subscriptions.subscriber import Subscriber, matches

_SCAN_COST_US, _MERGE_COST_US, _OPEN_COST_US = 0.1, 1.0, 6.0
"""Measured costs: stepping over one subscriber, merging one, opening one preference set."""
CACHE_SIZE = 256
_IMMEDIATE = "immediate"
_LIST_NAMES = ("topics", "audiences", "units")


class PreferenceIndex:
    """The distinct preference sets; a publication is matched against each of them once."""

    def __init__(self, store: DirectoryStore) -> None:
        self.store = store
        self.preference_sets: dict[int, Subscriber] = {}
        self.cache: dict[tuple[str, str, tuple[str, ...], bool], tuple[int, ...]] = {}

    def count(self, publication: Publication) -> int:
        return self.store.count_subscribers(json.dumps(self.find_matching(publication)))

    def ids_after(self, publication: Publication, last: str, limit: int) -> list[str]:
        """Return the next *limit* ids greater than *last*, sorted."""
        set_ids = self.find_matching(publication)
        if len(set_ids) == len(self.preference_sets):
            return self.store.all_ids(last, limit)
        matching = self.store.count_subscribers(json.dumps(set_ids))
        total = self.store.count_subscribers()
        scan_us = _SCAN_COST_US * limit * total / max(matching, 1)
        if scan_us < _OPEN_COST_US * len(set_ids) + _MERGE_COST_US * min(limit, matching):
            return self.store.scan_ids(json.dumps(set_ids), last, limit)
        return self._merge_ids(set_ids, last, limit)

    def find_matching(self, publication: Publication) -> tuple[int, ...]:
        """Return the sets that match *publication* and are served immediately."""
        self._load_new()
        urgent = publication.lane is Lane.URGENT
        key = (publication.topic, publication.unit, publication.audiences, urgent)
        if key not in self.cache:
            if len(self.cache) >= CACHE_SIZE:
                self.cache.clear()
            samples = self.preference_sets.items()
            matching = (id for id, one in samples if _matches_immediately(one, publication))
            self.cache[key] = tuple(matching)
        return self.cache[key]

    def _load_new(self) -> None:
        if new := load_preference_sets(self.store, max(self.preference_sets, default=0)):
            self.preference_sets |= new
            self.cache.clear()

    def _merge_ids(self, set_ids: Sequence[int], last: str, limit: int) -> list[str]:
        with ExitStack() as stack:
            sets = (self.store.ids_of_set(set_id, last) for set_id in set_ids)
            return list(islice(merge(*map(stack.enter_context, sets)), limit))


def load_preference_sets(store: DirectoryStore, after: int) -> dict[int, Subscriber]:
    """Load the sets behind *after*, each as a sample subscriber."""
    rows = store.preference_sets(after)
    return {id: _sample_subscriber(json.loads(preferences)) for id, preferences in rows}


def _matches_immediately(subscriber: Subscriber, publication: Publication) -> bool:
    """Whether *publication* goes out at once: by frequency, or because it is urgent."""
    soon = subscriber.frequency == _IMMEDIATE or publication.lane is Lane.URGENT
    return soon and matches(subscriber, publication)


def preference_key(subscriber: dict[str, Any]) -> str:
    """Return the key of a subscriber's preference set; the frequency comes last.

    Raises ValueError for one that this version can't match, say with a later version's frequency.
    """
    wanted = [sorted(subscriber.get(name, ())) for name in _LIST_NAMES]
    return _check_key(json.dumps([*wanted, subscriber.get("frequency", _IMMEDIATE)]))


@lru_cache(maxsize=1024)
def _check_key(key: str) -> str:
    _sample_subscriber(json.loads(key))
    return key


def _sample_subscriber(preferences: list[Any]) -> Subscriber:
    *lists, frequency = preferences
    named: dict[str, Any] = dict(zip(_LIST_NAMES, map(tuple, lists), strict=True))
    return Subscriber(id="sample", email="sample@example.com", frequency=frequency, **named)
