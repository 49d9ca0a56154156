"""One claim on one batch, worked on by hand: planned on the real bus, by a provider that waits."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from consumers.claim import Claim, Unbooked
from consumers.ledger import moves
from consumers.ledger.entry import Entry, Rules
from consumers.work import Work
from contracts.delivery import BatchKey, PlanKey
from producers.bus import Bus
from tests.delivery_house import House
from tests.fakes import People, Provider, people

ME, OTHER = "me.email.0#aa#1", "other.email.0#bb#1"
EVER = float("inf")
LEASE_S = 60.0


class Desk(House):
    """A house in which one claim at a time is worked on by hand."""

    async def begin(self, readers: int) -> None:
        self.readers.ids = people(readers)
        self.plan_key: PlanKey = await self.plan()
        self.batch = BatchKey(*self.plan_key, 0)
        self.stop, self.wanted = asyncio.Event(), asyncio.Event()

    async def claim(
        self, *, lease_s: float = LEASE_S, token: str = ME, unbooked: Unbooked | None = None
    ) -> Work:
        held = await self.ledger.state(self.batch)
        edition = await self.worker.library.edition(self.plan_key)
        rules = replace(self.worker.rules(edition), lease_s=lease_s)
        claim = Claim(self.batch, token, rules, self.ledger, held, self.clock, unbooked)
        rows = await self.ledger.rows(self.batch)
        return Work(claim, self.provider, self.readers, edition, rows, self.stop.is_set)

    async def run(self, work: Work) -> Entry:
        async with self.provider.session() as session:
            return await work.run(session, self.wanted.is_set)

    async def change(self, move) -> None:
        """What somebody else writes; *move* is a rule of the ledger."""
        held = await self.ledger.state(self.batch)
        await self.ledger.swap(self.batch, held, move(held.value), until=EVER)

    async def on_the_wire(self, windows: int = 1) -> None:
        """Wait until that many windows have been handed to the provider."""
        async with asyncio.timeout(10):
            while len(self.provider.windows) < windows:
                await asyncio.sleep(0)

    async def letters(self) -> str:
        return (await self.ledger.state(self.batch)).value.rows.decode()

    def sent(self) -> list[str]:
        return [id for _, id in self.provider.arrivals]

    def takes_over(self, entry: Entry) -> Entry:
        """What another worker writes that takes our lease for over."""
        return moves.claim(entry, OTHER, self.clock(), Rules(LEASE_S))

    def halts(self, entry: Entry) -> Entry:
        return moves.halt(entry, "w2", self.clock())


def a_receipt(row: int):
    return lambda entry: moves.evidence(entry, row)


async def a_desk(bus: Bus, folder: Path, readers: int, **provider: Any) -> Desk:
    """So many readers are planned, in one batch; a window takes three."""
    desk = Desk(bus, folder, People([]), Provider(**{"window": 3} | provider))
    await desk.begin(readers)
    return desk
