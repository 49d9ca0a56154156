"""Keep the portal's page of delivery figures current: the facts of the last 30 days, each hour."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from channels.errors import ChannelError
from channels.portal.channel import PortalChannel
from consumers.facts.days import last_day, midnight
from consumers.facts.store import FactStore
from contracts import subjects
from contracts.base.times import Clock
from contracts.facts import Fact, FactKind
from contracts.facts.public_figures import DAYS, PublicFigures, public_figures
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
            await self.channel.show_figures(await read_public_figures(self.bus, self.clock))
            self.due_at = self.clock() + _LIFETIME_S


async def read_public_figures(bus: Bus, clock: Clock) -> PublicFigures:
    """The figures up to the last day that is over. Raises BusError.

    A fact is stored on its day or later, so what is older than the span is not read.
    """
    over, found = last_day(clock), list[Fact]()
    since = midnight(over - timedelta(days=DAYS))
    start = await bus.first_seq_since(subjects.FACTS.name, since)
    for kind in _KINDS if start else ():
        found += [one.fact async for one in FactStore(bus).scan(kind, start or 1) if one.fact]
    return public_figures(FactSet.of(found), over)
