"""Whom a digest is for: who reads at its frequency, or did so within its window, by taste."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from consumers.directory.audience import learnt
from consumers.directory.store import Store
from contracts.digest import Gathered
from contracts.publication import Publication
from contracts.subscriber import Subscriber, matches

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Gathering:
    """What a digest holds by number, and for which rhythm; times in epoch seconds.

    `since`: it is also for those whose rhythm was this one after that. `moved_since`: whoever
    changed theirs after that may have had its items in other mails.
    """

    frequency: Gathered
    since: float
    moved_since: float
    now: float
    texts: Mapping[int, Publication]


class Reader(NamedTuple):
    """Somebody a digest is for: `picks` are the items that match, as a bit mask.

    `changed`: their frequency did, so that other mails may have had the items.
    """

    id: str
    picks: int
    changed: bool


class Rhythm:
    """Walks through the people in order of their ids."""

    def __init__(self, store: Store, gathering: Gathering) -> None:
        self.store = store
        self.gathering = gathering
        self.known: dict[int, Subscriber] = {}
        self.masks: dict[int, int] = {}

    def page(self, after: str) -> tuple[list[Reader], str]:
        """Readers behind *after*, and where to go on; empty at the end. A call stays short."""
        one = self.gathering
        with self.store.snapshot():
            upto = self.store.place(after, PAGE)
            self._learn()
            wanted = json.dumps([id for id in self.known if self.masks[id] and self._reads(id)])
            times = one.since, one.now
            found = self.store.walked(one.frequency, wanted, times, (after, upto))
        readers = [
            Reader(id, self.masks[taste], changed >= one.moved_since)
            for id, taste, changed in found
            if self.masks[taste]
        ]
        return readers, upto

    def _reads(self, taste: int) -> bool:
        return self.known[taste].frequency == self.gathering.frequency

    def _learn(self) -> None:
        new = learnt(self.store, max(self.known, default=0))
        self.known |= new
        self.masks |= {id: self._mask(one) for id, one in new.items()}

    def _mask(self, one: Subscriber) -> int:
        texts = self.gathering.texts
        return sum(1 << number for number, text in texts.items() if matches(one, text))
