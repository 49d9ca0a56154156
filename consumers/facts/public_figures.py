"""Keep the portal's page of delivery figures current: the facts of the last 30 days, each hour."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import structlog

from channels.errors import ChannelError
from channels.portal.channel import PortalChannel
from consumers.facts.days import last_day, midnight
from consumers.facts.store import FactStore, StoredFact
from consumers.portal_replica.status import ShownPortal, write_shown
from contracts import subjects
from contracts.base.times import Clock
from contracts.facts import FactKind
from contracts.facts.public_figures import (
    DAYS,
    PublicFigures,
    figures_up_to,
    public_figures,
)
from contracts.facts.totals import FactSet
from producers.bus import Bus, BusError

log = structlog.get_logger()
_KINDS = (FactKind.DELIVERY, FactKind.DAY)
_LIFETIME_S, _ROUND_S = 3600.0, 60.0


@dataclass
class FigureRenewal:
    """Read the figures each hour, and within a minute where the portal has none."""

    bus: Bus
    channel: PortalChannel
    clock: Clock
    due_at: float = 0.0

    async def run(self) -> None:
        while True:
            try:
                await self.renew()
            except (ChannelError, BusError) as error:
                kind, detail = type(error).__name__, str(error)
                log.warning("portal_figures_not_renewed", error=kind, detail=detail)
            await asyncio.sleep(_ROUND_S)

    async def renew(self) -> None:
        """One round. Raises ChannelError or BusError."""
        if self.clock() >= self.due_at or not await self.channel.has_figures():
            figures = await read_public_figures(self.bus, self.clock)
            await self.channel.show_figures(figures)
            await write_shown(self.bus, ShownPortal(edition=self.channel.edition, figures=figures))
            self.due_at = self.clock() + _LIFETIME_S


async def read_public_figures(bus: Bus, clock: Clock) -> PublicFigures:
    """The figures up to the last day that is over. Raises BusError.

    A fact is stored on its day or later, so what is older than the span is not read.
    """
    over = last_day(clock)
    found = [one.fact for one in await _stored(bus, over) if one.fact]
    return public_figures(FactSet.of(found), over)


class FiguresAt(NamedTuple):
    """Figures, and when the newest of their facts was stored: epoch seconds, 0 without any."""

    figures: PublicFigures
    stored_at: float


async def read_figures_up_to(bus: Bus, last: date) -> FiguresAt:
    """The figures of the span that ends with *last*. Raises BusError."""
    stored = [one for one in await _stored(bus, last) if one.fact and one.fact.day <= last]
    figures = figures_up_to(FactSet.of([one.fact for one in stored if one.fact]), last)
    newest = max((one.seq for one in stored), default=0)
    message = await bus.get_message(subjects.FACTS.name, newest) if newest else None
    return FiguresAt(figures, message.time.timestamp() if message else 0.0)


async def _stored(bus: Bus, last: date) -> list[StoredFact]:
    """The deliveries and days from the beginning of the span that ends with *last*."""
    found = list[StoredFact]()
    since = midnight(last - timedelta(days=DAYS))
    start = await bus.first_seq_since(subjects.FACTS.name, since)
    for kind in _KINDS if start else ():
        found += [one async for one in FactStore(bus).scan(kind, start or 1)]
    return found
