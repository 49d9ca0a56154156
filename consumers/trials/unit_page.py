"""The trials and the guests of one unit, as its page at the desk shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumers.trials.guests import UNREADABLE, GuestAddresses
from consumers.trials.store import TrialStore
from contracts.desk.shown.unit_events import UnitTrial
from contracts.errors import limit_errors
from contracts.events import kind_of
from contracts.trials.faces import FACES, TrialFace, TrialFaces
from contracts.trials.records import TrialEvent

_MOST_TRIALS, _MOST_ERRORS = 20, 5


@dataclass(frozen=True)
class UnitTrials:
    """The service behind the page; the faces are those that the holder of a key is shown."""

    store: TrialStore
    faces: TrialFaces
    addresses: GuestAddresses

    async def recent(self, unit: str) -> Sequence[UnitTrial]:
        found: list[UnitTrial] = []
        async for _, record in self.store.newest(unit):
            found.append(_shown(record))
            if len(found) == _MOST_TRIALS:
                break
        return found

    async def guests(self, unit: str) -> Sequence[str]:
        found = await self.store.guests(unit)
        shown = ((self.addresses.masked(unit, guest), guest.id) for guest in found)
        return [f"{text} ({guest_id})" if text == UNREADABLE else text for text, guest_id in shown]

    async def face(self, unit: str, event_id: str, name: str) -> TrialFace | None:
        record = await self.store.event(unit, event_id) if name in FACES else None
        is_out = record is not None and record.publication is not None
        return await self.faces.face(record, name) if record and is_out else None


def _shown(record: TrialEvent) -> UnitTrial:
    return UnitTrial(
        at=record.at,
        kind=kind_of(record.type),
        event_id=record.event_id,
        content_id=record.content_id,
        revision=record.revision,
        state=record.state,
        errors=limit_errors(record.refused, _MOST_ERRORS),
        faces=FACES if record.publication else (),
    )
