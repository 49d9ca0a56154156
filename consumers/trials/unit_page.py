"""The trials and the guests of one unit, as its page at the desk shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumers.trials.guests import UNREADABLE, GuestAddresses
from consumers.trials.history import TrialPages
from consumers.trials.store import TrialStore
from contracts.desk.shown.unit_events import UnitEvent
from contracts.trials.faces import FACES, TrialFace, TrialFaces

_MOST_TRIALS = 20


@dataclass(frozen=True)
class UnitTrials:
    """The service behind the page; the faces are those that the holder of a key is shown."""

    store: TrialStore
    pages: TrialPages
    faces: TrialFaces
    addresses: GuestAddresses

    async def recent(self, unit: str) -> Sequence[UnitEvent]:
        return (await self.pages.page(unit, 0, _MOST_TRIALS)).events

    async def guests(self, unit: str) -> Sequence[str]:
        found = await self.store.guests(unit)
        shown = ((self.addresses.masked(unit, guest), guest.id) for guest in found)
        return [f"{text} ({guest_id})" if text == UNREADABLE else text for text, guest_id in shown]

    async def face(self, unit: str, event_id: str, name: str) -> TrialFace | None:
        record = await self.store.event(unit, event_id) if name in FACES else None
        is_out = record is not None and record.publication is not None
        return await self.faces.face(record, name) if record and is_out else None
