"""The bucket of trials, and the lists of guests, as the consumers read them."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

import structlog

from consumers.trials.items import TrialItem
from contracts import subjects
from contracts.publication import Publication
from contracts.trials.records import (
    EVENT_PREFIX,
    PROGRESS_KEY,
    Guest,
    GuestList,
    TrialEvent,
    TrialProgress,
    TrialUse,
    event_key,
    guests_key,
    item_key,
    use_key,
)
from producers.bus import Bus, records
from producers.seals import NotSealed

log = structlog.get_logger()
_PROGRESS_STEP = 200
"""Changes after which it is stored how far trials are worked through: a start reads these again."""


class TrialStore:
    """Changes records by compare-and-set. Raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.bucket = bus.bucket(subjects.TRIALS.name)
        self.units = bus.bucket(subjects.TRIAL_UNITS.name)
        self.has_unreadable = False
        """Whether this process has passed over a record, which a newer version may read."""

    async def last_change(self) -> TrialProgress:
        """The progress of a process that has worked through all there is now."""
        info = await self._bus.stream_info(self.bucket.stream)
        return TrialProgress(seen=info["state"]["last_seq"], created=info["created"])

    async def progress(self) -> TrialProgress:
        """The change up to which nothing is left to do; 0 where none is known."""
        found = await records.read_or_absent(self.bucket, PROGRESS_KEY, TrialProgress)
        return found.value or TrialProgress()

    async def keep_progress(self, seen: TrialProgress) -> None:
        """Store that nothing is left to do up to *seen*, unless that is little news."""
        known = (await self.progress()).seen_in(seen)
        if not self.has_unreadable and seen.seen >= known + _PROGRESS_STEP:
            await self.bucket.put(PROGRESS_KEY, seen.model_dump_json().encode())

    async def open_events(self, start: int) -> AsyncIterator[TrialEvent]:
        """Events changed since *start* that are not done; unreadable ones are named in the log."""
        async for change in self.bucket.changes(start):
            if not change.key.startswith(EVENT_PREFIX) or change.data is None:
                continue
            event = records.parse(TrialEvent, change.data)
            if event is None:
                log.error("trial_unreadable", key=change.key)
                self.has_unreadable = True
            elif not event.is_done:
                yield event

    async def newest(self, unit: str, before: int = 0) -> AsyncIterator[tuple[int, TrialEvent]]:
        """The readable events of *unit* with the sequences of their last changes, newest first.

        Those below *before*, if that is given.
        """
        async for _, value in self.bucket.newest_values(event_key(unit, "*"), before=before):
            if event := records.parse(TrialEvent, value.data):
                yield value.revision, event

    async def changed_since(self, unit: str, moment: datetime) -> AsyncIterator[TrialEvent]:
        """The readable events of *unit* that changed at *moment* or after."""
        async for _, value in self.bucket.newest_values(event_key(unit, "*")):
            if value.created < moment:
                return
            if event := records.parse(TrialEvent, value.data):
                yield event

    async def changed_lists(self, start: int) -> set[str]:
        """The units whose lists of guests were changed from change *start* on."""
        head = guests_key("")
        keys = [change.key async for change in self.units.changes(start)]
        return {key.removeprefix(head) for key in keys if key.startswith(head)}

    async def use(self, unit: str) -> TrialUse:
        """How many trials *unit* has sent on each day."""
        found = await records.read(self.bucket, use_key(unit), TrialUse)
        return found.value or TrialUse()

    async def event(self, unit: str, event_id: str) -> TrialEvent | None:
        return (await records.read(self.bucket, event_key(unit, event_id), TrialEvent)).value

    async def update_event(
        self, event: TrialEvent, change: Callable[[TrialEvent], TrialEvent]
    ) -> TrialEvent:
        """Change the stored form of *event*, which may have changed since it was read."""

        def transition(stored: TrialEvent | None) -> TrialEvent:
            return change(stored or event)

        changed = await records.update(self.bucket, event.key, TrialEvent, transition)
        return changed.value

    async def update_item(
        self, unit: str, content_id: str, change: Callable[[TrialItem | None], TrialItem]
    ) -> TrialItem:
        key = item_key(unit, content_id)
        return (await records.update(self.bucket, key, TrialItem, change)).value

    async def item(self, unit: str, content_id: str) -> TrialItem | None:
        """The item as the unit's trials have it."""
        return (await records.read(self.bucket, item_key(unit, content_id), TrialItem)).value

    async def earlier(self, event: TrialEvent) -> list[Publication]:
        """The positions of the item below that of *event* that were released, oldest first."""
        item = await self.item(event.unit, event.content_id)
        if item is None or event.publication is None:
            return []
        before = [n for n in sorted(item.released) if n < event.publication.revision]
        found = [await self.event(event.unit, item.positions[number]) for number in before]
        return [one.publication for one in found if one and one.publication]

    async def guests(self, unit: str) -> tuple[Guest, ...]:
        """The guests of *unit*; none by a list that another writer made."""
        try:
            found = await records.read(self.units, guests_key(unit), GuestList)
        except NotSealed:  # the log names the record
            return ()
        return found.value.guests if found.value else ()
