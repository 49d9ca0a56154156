"""Rules of callbacks: units are told in time, and endpoints that are called no more are named."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.late import LATE_AFTER, late_since, untold_since
from consumers.callbacks.status_store import StatusStore
from consumers.check.context import CheckContext
from consumers.check.findings import Violation
from contracts import subjects
from contracts.base.times import utc_now
from contracts.text.moments import format_for_people


@dataclass
class CallbackRules:
    """Reads each endpoint's record, and the facts that it has not taken. Raises BusError."""

    context: CheckContext

    def __post_init__(self) -> None:
        self.bus = self.context.bus
        self.endpoints = EndpointStore(self.bus)

    async def violations(self) -> list[Violation]:
        """The facts that are late in two passes."""
        if not (found := await self._late()):
            return []
        await asyncio.sleep(self.context.recheck_after_s)
        again = {one.identity for one in await self._late()}
        return [one for one in found if one.identity in again]

    async def _late(self) -> list[Violation]:
        at, now, found = self.context.time(), utc_now(self.context.clock), list[Violation]()
        grace_s = LATE_AFTER.total_seconds()
        since = await untold_since(self.bus)
        if since and at.is_overdue(since.timestamp(), grace_s):
            detail = f"since {format_for_people(since)}"
            found.append(Violation(rule="units-untold", key=subjects.STATUS.name, detail=detail))
        for one in await self.endpoints.all():
            since = await late_since(StatusStore(self.bus), one, now)
            if since and at.is_overdue(since.timestamp(), grace_s):
                detail = f"{one.endpoint.origin}, since {format_for_people(since)}"
                found.append(Violation(rule="callback-late", key=_key(one), detail=detail))
        return found

    async def warnings(self) -> list[Violation]:
        """The endpoints that are called no more."""
        return [*_disabled(await self.endpoints.all())]


def _disabled(listed: list[ListedEndpoint]) -> Iterator[Violation]:
    for one in listed:
        if disabled := one.progress.disabled:
            since = format_for_people(disabled.at)
            detail = f"{one.endpoint.origin}, {disabled.reason} since {since}"
            yield Violation(rule="callback-disabled", key=_key(one), detail=detail)


def _key(listed: ListedEndpoint) -> str:
    return f"{subjects.CALLBACKS.name}.{listed.unit}.{listed.id}"
