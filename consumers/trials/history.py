"""The trials of a unit by pages, newest change first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from consumers.trials.store import TrialStore
from contracts import events
from contracts.base.times import Clock, utc_now
from contracts.desk.shown.unit_events import UnitEvent, UnitEventPage
from contracts.errors import limit_errors
from contracts.text.moments import VIETNAM
from contracts.trials.faces import FACES
from contracts.trials.records import TrialEvent

_SHOWN = timedelta(days=30)
_MOST_ERRORS = 5


@dataclass(frozen=True)
class TrialPages:
    """Reads the bucket of trials, which forgets by itself. Raises BusError."""

    store: TrialStore
    clock: Clock

    async def page(self, unit: str, before: int, limit: int) -> UnitEventPage:
        """At most *limit* trials that last changed before the change *before*."""
        found: list[UnitEvent] = []
        async for place, event in self.store.newest(unit, before):
            if len(found) == limit:
                return UnitEventPage(found, found[-1].place)
            found.append(_shown(event, place))
        return UnitEventPage(found)

    async def days(self, unit: str) -> Mapping[date, int]:
        """How many trials came on each day in Vietnam, the newest first."""
        today, use = utc_now(self.clock).astimezone(VIETNAM).date(), await self.store.use(unit)
        days = [today - timedelta(days=number) for number in range(_SHOWN.days)]
        return {day: use.days[day].trials if day in use.days else 0 for day in days}


def _shown(event: TrialEvent, place: int) -> UnitEvent:
    return UnitEvent(
        at=event.at,
        kind=events.kind_of(event.type),
        event_id=event.event_id,
        content_id=event.content_id,
        revision=event.revision,
        state=event.state,
        errors=limit_errors(event.refused, _MOST_ERRORS),
        place=place,
        faces=FACES if event.publication else (),
    )
