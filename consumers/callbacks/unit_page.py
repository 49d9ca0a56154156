"""The callbacks of one unit and the attempts of each, for its page at the desk."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from channels.fetch.errors import FetchReason
from consumers.callbacks.attempt_log import Attempt, AttemptLog, AttemptPlace
from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.status_store import StatusStore, WaitingCount, count_waiting
from contracts.desk.shown.unit_callbacks import CallbackAttempt, UnitCallback
from producers.bus import Bus

_MOST_ATTEMPTS = 10
_PLACE = re.compile(r"(?P<id>[0-9a-f]{1,32})\.(?P<seq>\d{1,18})\.(?P<passed>\d{1,9})")


@dataclass(frozen=True)
class UnitCallbacks:
    """The service behind the page. It shows the host of an address: the rest may hold a secret."""

    bus: Bus

    async def of_unit(self, unit: str, place: str = "") -> Sequence[UnitCallback]:
        listed = await EndpointStore(self.bus).of_unit(unit)
        return await asyncio.gather(*(self._read(one, _place(one.id, place)) for one in listed))

    async def _read(self, listed: ListedEndpoint, place: AttemptPlace) -> UnitCallback:
        log, statuses = AttemptLog(self.bus), StatusStore(self.bus)
        page = await log.page(listed.unit, listed.id, place, _MOST_ATTEMPTS)
        return _shown(listed, await count_waiting(statuses, listed), *page)


def _place(id: str, written: str) -> AttemptPlace:
    """The place of an endpoint's log; its end for the place of another one, and for no place."""
    found = _PLACE.fullmatch(written)
    if found is None or found["id"] != id:
        return AttemptPlace()
    return AttemptPlace(int(found["seq"]), int(found["passed"]))


def _code(tried: Attempt) -> str:
    """The code of the reason for which no answer came; empty where one came."""
    known = (one.code for one in FetchReason if tried.reason.startswith(one))
    return "" if tried.status else next(known, tried.reason)


def _shown(
    listed: ListedEndpoint, waiting: WaitingCount, tried: Sequence[Attempt], older: AttemptPlace
) -> UnitCallback:
    progress = listed.progress
    return UnitCallback(
        id=listed.id,
        url=listed.endpoint.origin,
        kinds=[kind.value for kind in listed.endpoint.told_kinds],
        state=listed.state,
        waiting=waiting.facts,
        waiting_at_least=waiting.at_least,
        failing_since=progress.failing_since,
        arrived_at=progress.arrived_at,
        attempts=[_tried(one) for one in tried],
        older=f"{listed.id}.{older.seq}.{older.passed}" if older.seq else "",
    )


def _tried(one: Attempt) -> CallbackAttempt:
    fact = one.kind.value, one.content_id or "", one.channel or ""
    return CallbackAttempt(one.at, *fact, one.status, _code(one))
