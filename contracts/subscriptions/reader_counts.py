"""How many readers have which preferences, for dry runs at the door: counts alone.

Bucket `control`, key `reader_counts`: the service `dispatch`, which has the readers' copy, writes
it; the gateway, which may not read a reader, counts by it whom an item would reach.
"""

from collections import Counter

from pydantic import AwareDatetime

from contracts.delivery import Lane
from contracts.publication import Publication
from contracts.records import Record
from contracts.subscriptions.subscriber import Frequency, Subscriber, matches

READER_COUNTS_KEY = "reader_counts"
MOST_SETS = 2000
_IMMEDIATE: Frequency = "immediate"


class PreferenceCount(Record):
    """The number of readers with the same preferences; an empty list means everything."""

    people: int
    topics: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    frequency: Frequency = "immediate"


class ReaderCounts(Record):
    """The most frequent sets of preferences, and the readers with others, who are not counted."""

    at: AwareDatetime
    sets: tuple[PreferenceCount, ...] = ()
    others: int = 0

    def matching(self, publication: Publication) -> Counter[Frequency]:
        """The readers who follow what *publication* is, by when they get it."""
        found: Counter[Frequency] = Counter()
        for one in self.sets:
            sample = Subscriber.model_construct(
                id="sample", topics=one.topics, audiences=one.audiences, units=one.units
            )
            if matches(sample, publication):
                is_urgent = publication.lane is Lane.URGENT
                found[_IMMEDIATE if is_urgent else one.frequency] += one.people
        return found
