"""The audience of a digest: subscribers with its frequency now or within its window."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from consumers.directory.audience import load_preference_sets
from consumers.directory.store import DirectoryStore
from contracts.publication import Publication
from contracts.subscriptions.digest import DigestFrequency
from contracts.subscriptions.subscriber import Subscriber, matches

PAGE_SIZE = 5000


@dataclass(frozen=True, slots=True)
class DigestQuery:
    """A digest's items by number, and its frequency; times in epoch seconds.

    `since`: subscribers who left the frequency after this time are included. `changed_since`: a
    subscriber who changed the frequency after this time may have had items in other mails.
    """

    frequency: DigestFrequency
    since: float
    changed_since: float
    now: float
    texts: Mapping[int, Publication]


class DigestSubscriber(NamedTuple):
    """A subscriber of a digest: `picks` is the bit mask of matching items.

    `has_changed_frequency`: other mails may have brought the items.
    """

    id: str
    picks: int
    has_changed_frequency: bool


class DigestAudience:
    """The subscribers in the order of their ids."""

    def __init__(self, store: DirectoryStore, query: DigestQuery) -> None:
        self.store = store
        self.query = query
        self.preference_sets: dict[int, Subscriber] = {}
        self.masks: dict[int, int] = {}

    def subscribers(self, after: str) -> Iterator[DigestSubscriber]:
        """Yield the subscribers behind *after*; a page at a time, so that each read is short."""
        while True:
            page, after = self._read_page(after)
            yield from page
            if not after:
                return

    def _read_page(self, after: str) -> tuple[list[DigestSubscriber], str]:
        """Return subscribers behind *after* and the next start, empty at the end."""
        query = self.query
        with self.store.snapshot():
            upto = self.store.page_end(after, PAGE_SIZE)
            self._load_new()
            sets = self.preference_sets.items()
            wanted = [id for id, one in sets if self.masks[id] and one.frequency == query.frequency]
            candidates = self.store.scan_digest_candidates(
                query.frequency, json.dumps(wanted), (query.since, query.now), (after, upto)
            )
        subscribers = [
            DigestSubscriber(id, self.masks[set_id], changed >= query.changed_since)
            for id, set_id, changed in candidates
            if self.masks[set_id]
        ]
        return subscribers, upto

    def _load_new(self) -> None:
        new = load_preference_sets(self.store, max(self.preference_sets, default=0))
        self.preference_sets |= new
        self.masks |= {id: items_mask_for(sample, self.query.texts) for id, sample in new.items()}


def items_mask_for(subscriber: Subscriber, texts: Mapping[int, Publication]) -> int:
    """Return the bit mask of the texts that match a subscriber's preferences."""
    return sum(1 << number for number, text in texts.items() if matches(subscriber, text))
