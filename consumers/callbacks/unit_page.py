"""The callbacks of one unit and the newest attempts of each, for its page at the desk."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from consumers.callbacks.attempt_log import Attempt, AttemptLog
from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from contracts.desk.shown.unit_callbacks import CallbackAttempt, UnitCallback
from producers.bus import Bus

_MOST_ATTEMPTS = 10


@dataclass(frozen=True)
class UnitCallbacks:
    """The service behind the page. It shows the host of an address: the rest may hold a secret."""

    bus: Bus

    async def of_unit(self, unit: str) -> Sequence[UnitCallback]:
        listed = await EndpointStore(self.bus).of_unit(unit)
        log = AttemptLog(self.bus)
        attempts = (log.newest(unit, one.id, _MOST_ATTEMPTS) for one in listed)
        found = await asyncio.gather(*attempts)
        return [_shown(one, tried) for one, tried in zip(listed, found, strict=True)]


def _shown(listed: ListedEndpoint, tried: Sequence[Attempt]) -> UnitCallback:
    progress = listed.progress
    return UnitCallback(
        id=listed.id,
        url=listed.endpoint.origin,
        kinds=[kind.value for kind in listed.endpoint.told_kinds],
        state=listed.state,
        waiting=progress.count,
        failing_since=progress.failing_since,
        arrived_at=progress.arrived_at,
        attempts=[
            CallbackAttempt(one.at, one.kind.value, one.content_id or "", one.status, one.reason)
            for one in tried
        ],
    )
