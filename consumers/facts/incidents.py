"""Pauses and open breakers as facts: what stops a channel is looked at again and again.

One that begins and ends between two looks is not seen.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from consumers.channel_health import breaker_store, pauses
from consumers.channel_health.breaker import Breaker
from consumers.channel_health.pauses import pause_key
from consumers.facts.sources import Derived, FactSource
from consumers.facts.store import FactStore
from contracts import subjects
from contracts.base.times import Clock, utc_now, utc_time
from contracts.delivery import ChannelName
from contracts.facts import FactKind, IncidentFact

_Open = dict[str, IncidentFact]


@dataclass
class Incidents(FactSource):
    """The control bucket: what lasts now, and what has ended since the last look.

    It needs no position: stored facts without an end say what lasted at the last look.
    """

    store: FactStore
    clock: Clock
    kind: ClassVar = FactKind.INCIDENT
    is_lasting: ClassVar = False
    stream: str = f"KV_{subjects.CONTROL.name}"
    open: _Open | None = field(default=None)
    """By key; None before the first look of this process."""

    async def derive(self, after: int) -> AsyncIterator[Derived]:
        if self.open is None:
            self.open = await self._stored_open()
        breakers = await breaker_store.load_breakers(self.store.bus, {})
        found = [*_broken(breakers), *[one async for one in self._paused()]]
        now_open = {one.key: one for one in found}
        for key, ended in self.open.items():
            if key not in now_open:
                at = await self._end_of(ended, breakers)
                yield Derived(after, ended.model_copy(update={"ended_at": at}))
        for one in found:
            yield Derived(after, one)
        self.open = now_open

    async def _stored_open(self) -> _Open:
        """The incidents that lasted when a process looked last."""
        newest = await self.store.newest(self.kind)
        facts = (one.fact for one in newest.values())
        return {one.key: one for one in facts if isinstance(one, IncidentFact) and not one.ended_at}

    async def _paused(self) -> AsyncIterator[IncidentFact]:
        for channel, pause in (await pauses.load_pauses(self.store.bus)).items():
            yield IncidentFact(what="pause", circuit=channel, began_at=pause.since)

    async def _end_of(self, ended: IncidentFact, breakers: dict[str, Breaker]) -> datetime:
        """When it ended, by what the bus says of it; else now."""
        if ended.what == "breaker":
            breaker = breakers[ended.circuit]
            known = utc_time(breaker.since) if breaker.is_closed else None
        else:
            key = pause_key(ChannelName(ended.circuit))
            subject = f"$KV.{subjects.CONTROL.name}.{key}"
            last = await self.store.bus.last_message(self.stream, subject)
            known = last.time if last and last.is_deleted else None
        return known if known and known >= ended.began_at else utc_now(self.clock)


def _broken(breakers: dict[str, Breaker]) -> Iterator[IncidentFact]:
    for circuit, breaker in breakers.items():
        if not breaker.is_closed:
            began, reason = utc_time(breaker.since), breaker.reason
            yield IncidentFact(what="breaker", circuit=circuit, began_at=began, reason=reason)
