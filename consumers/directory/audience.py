"""Who of the directory a publication is for: found by taste, never by asking each person."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from heapq import merge
from itertools import islice

from consumers.directory.store import Store
from contracts.publication import Publication
from contracts.subscriber import Subscriber, matches

WALK_US, MERGE_US, OPEN_US = 0.1, 1.0, 6.0
"""Measured: stepping over one person, merging one in, and beginning with one taste."""
REMEMBERED = 256


class Tastes:
    """The distinct sets of wishes; a publication is matched against each of them once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: dict[int, Subscriber] = {}
        self.matching: dict[tuple[str, str, tuple[str, ...]], tuple[int, ...]] = {}

    def count(self, publication: Publication) -> int:
        """How many people *publication* is for."""
        return self.store.people(_listed(self.of(publication)))

    def ids_after(self, publication: Publication, last: str, limit: int) -> list[str]:
        """The next *limit* ids greater than *last*, sorted."""
        tastes = self.of(publication)
        if len(tastes) == len(self.known):
            return self.store.everybody(last, limit)
        wanted, everybody = self.store.people(_listed(tastes)), self.store.people()
        walking_us = WALK_US * limit * everybody / max(wanted, 1)
        if walking_us < OPEN_US * len(tastes) + MERGE_US * min(limit, wanted):
            return self.store.among(_listed(tastes), last, limit)
        return self._merged(tastes, last, limit)

    def of(self, publication: Publication) -> tuple[int, ...]:
        """The tastes that *publication* meets."""
        self._learn()
        key = (publication.topic, publication.unit, publication.audiences)
        if key not in self.matching:
            if len(self.matching) >= REMEMBERED:
                self.matching.clear()
            met = (id for id, one in self.known.items() if matches(one, publication))
            self.matching[key] = tuple(met)
        return self.matching[key]

    def _learn(self) -> None:
        """Read the tastes that came since."""
        new = self.store.tastes(max(self.known, default=0))
        if new:
            self.known |= {id: _wishing(json.loads(wishes)) for id, wishes in new}
            self.matching.clear()

    def _merged(self, tastes: Sequence[int], last: str, limit: int) -> list[str]:
        with ExitStack() as stack:
            sorted_ids = [stack.enter_context(self.store.of_taste(taste, last)) for taste in tastes]
            return list(islice(merge(*sorted_ids), limit))


def wishes(subscriber: dict[str, list[str]]) -> str:
    """A subscriber's wishes as a taste is known by."""
    names = ("topics", "audiences", "units")
    return json.dumps([sorted(subscriber.get(name, ())) for name in names])


def _wishing(wished: list[list[str]]) -> Subscriber:
    topics, audiences, units = map(tuple, wished)
    return Subscriber(
        id="taste", email="taste@example.com", topics=topics, audiences=audiences, units=units
    )


def _listed(tastes: Sequence[int]) -> str:
    return json.dumps(tastes)
