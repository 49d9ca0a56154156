"""Case notices in the ledger: one row each, of a known event, on one channel after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from consumers.check.batches import Found
from consumers.ledger.bulk import Batch
from consumers.notices import SURELY_NOT
from contracts import keys
from contracts.delivery import BatchKey, ChannelName

CHANNELS = (ChannelName.ZALO, ChannelName.EMAIL)


def places(content_id: str, revision: int) -> list[str]:
    """The ledger keys of which an accepted case event has one at least."""
    return [f"state.{BatchKey(one, content_id, revision, 0)}" for one in CHANNELS]


@dataclass
class Tried:
    """Which channels have a batch of each notice, as far as one pass has seen."""

    batches: dict[tuple[str, int], list[Batch]] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Remember a batch that can be read."""
        event = batch.key.content_id, batch.key.revision
        self.batches.setdefault(event, []).append(batch)

    def twice(self) -> Iterator[tuple[str, str, str]]:
        """A second channel's turn comes only when the first could surely not reach the person."""
        for (content_id, revision), batches in self.batches.items():
            *earlier, last = sorted(batches, key=created)
            for one in earlier:
                if one.entry and one.entry.rows not in SURELY_NOT:
                    key = f"notice.{content_id}.{revision}"  # of no one channel
                    yield "notice-twice", key, f"{last.name}, and {one.name} may have arrived"


def created(batch: Batch) -> float:
    return batch.entry.created if batch.entry else 0.0


def judge(batch: Batch) -> Found:
    """What a notice's batch must be."""
    entry = batch.entry
    if entry is None:
        return
    if batch.key.number or len(entry.rows) != 1:
        yield "notice-shape", f"{len(entry.rows)} rows in batch {batch.key.number}"
    if not entry.source:
        yield "notice-shape", "it names no event"


def is_notice(batch: Batch) -> bool:
    return keys.is_case(batch.key.content_id)


def lost(wanted: Iterable[str], found: frozenset[str]) -> bool:
    """Whether none of an event's places in the ledger is taken."""
    return found.isdisjoint(wanted)
