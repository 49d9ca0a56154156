"""Publishes how many readers have which preferences, from the readers' copy."""

from collections.abc import Mapping
from dataclasses import dataclass

from consumers.directory.audience import load_preference_sets
from consumers.directory.directory import Directory
from contracts import subjects
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.reader_counts import (
    MOST_SETS,
    READER_COUNTS_KEY,
    PreferenceCount,
    ReaderCounts,
)
from producers.bus import Bus

COUNTS_S = 60.0


@dataclass
class ReaderCounter:
    """Writes the counts when they have changed; none while the copy is behind. Raises BusError."""

    bus: Bus
    directory: Directory
    clock: Clock
    people: Mapping[int, int] | None = None
    """The counts that were written last, by preference set; None before the first."""

    async def publish(self) -> None:
        people = self.directory.store.people_by_set()
        if people == self.people or not self.directory.is_fresh():
            return
        bucket = self.bus.bucket(subjects.CONTROL.name)
        await bucket.put(READER_COUNTS_KEY, self.count(people).model_dump_json().encode())
        self.people = people

    def count(self, people: Mapping[int, int]) -> ReaderCounts:
        """The largest sets, and how many readers have others."""
        samples = load_preference_sets(self.directory.store, 0)
        largest = sorted(people, key=lambda id: (-people[id], id))[:MOST_SETS]
        sets = [
            PreferenceCount(
                people=people[id],
                topics=samples[id].topics,
                audiences=samples[id].audiences,
                units=samples[id].units,
                frequency=samples[id].frequency,
            )
            for id in largest
            if id in samples
        ]
        others = sum(people.values()) - sum(one.people for one in sets)
        return ReaderCounts(at=utc_now(self.clock), sets=tuple(sets), others=others)
