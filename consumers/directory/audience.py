"""Who of the directory a publication is for: found by taste, never by asking each person."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from heapq import merge
from itertools import islice
from typing import Any

from consumers.directory.store import Store
from contracts.delivery import Lane
from contracts.publication import Publication
from contracts.subscriber import Subscriber, matches

WALK_US, MERGE_US, OPEN_US = 0.1, 1.0, 6.0
"""Measured: stepping over one person, merging one in, and beginning with one taste."""
REMEMBERED = 256
AT_ONCE = "immediate"


class Tastes:
    """The distinct sets of wishes; a publication is matched against each of them once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: dict[int, Subscriber] = {}
        self.matching: dict[tuple[str, str, tuple[str, ...], bool], tuple[int, ...]] = {}

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
        """The tastes that *publication* meets, of those who are told at once."""
        self._learn()
        urgent = publication.lane is Lane.URGENT
        key = (publication.topic, publication.unit, publication.audiences, urgent)
        if key not in self.matching:
            if len(self.matching) >= REMEMBERED:
                self.matching.clear()
            met = (id for id, one in self.known.items() if at_once(one, publication))
            self.matching[key] = tuple(met)
        return self.matching[key]

    def _learn(self) -> None:
        """Read the tastes that came since."""
        if new := learnt(self.store, max(self.known, default=0)):
            self.known |= new
            self.matching.clear()

    def _merged(self, tastes: Sequence[int], last: str, limit: int) -> list[str]:
        with ExitStack() as stack:
            sorted_ids = [stack.enter_context(self.store.of_taste(taste, last)) for taste in tastes]
            return list(islice(merge(*sorted_ids), limit))


def learnt(store: Store, after: int) -> dict[int, Subscriber]:
    """The tastes behind *after*, each as somebody who has it."""
    return {id: _wishing(json.loads(wishes)) for id, wishes in store.tastes(after)}


def at_once(one: Subscriber, publication: Publication) -> bool:
    """Whoever reads a digest finds the publication there, unless it must not wait."""
    soon = one.frequency == AT_ONCE or publication.lane is Lane.URGENT
    return soon and matches(one, publication)


def wishes(subscriber: dict[str, Any]) -> str:
    """A subscriber's wishes as a taste is known by; the last of them is the frequency."""
    names = ("topics", "audiences", "units")
    wanted = [sorted(subscriber.get(name, ())) for name in names]
    return json.dumps([*wanted, subscriber.get("frequency", AT_ONCE)])


def _wishing(wished: list[Any]) -> Subscriber:
    *lists, frequency = wished
    topics, audiences, units = map(tuple, lists)
    return Subscriber(
        id="taste",
        email="taste@example.com",
        topics=topics,
        audiences=audiences,
        units=units,
        frequency=frequency,
    )


def _listed(tastes: Sequence[int]) -> str:
    return json.dumps(tastes)
