"""The ledger against its own rules; what looks wrong is looked at once more.

A system at work changes under the reader's eyes. So a violation counts only if a second look, at
its item alone, finds it at the same place.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from consumers.check.batches import Moment
from consumers.check.digests import Issues
from consumers.check.findings import Excused, Tell, Violation, never, untold
from consumers.check.look import Look
from consumers.check.progress import Progress
from consumers.check.released import Released
from contracts import subjects
from producers.bus import Bus

MANY_ITEMS = 200
"""From so many on, everything is looked at again, not one item after the other."""


@dataclass
class Books:
    """`deep` also reads every frozen list of recipients."""

    bus: Bus
    released: Released
    clock: Callable[[], float]
    deep: bool = False
    busy: Callable[[], Excused] = lambda: never
    since: float = 0.0
    again_s: float = 0.0
    tell: Tell = untold

    def __post_init__(self) -> None:
        self.issues = Issues(self.bus)
        self.first = self.look("")

    def look(self, scope: str) -> Look:
        """One pass, with nothing remembered of an earlier one but what was released."""
        return Look(
            self.bus.bucket(subjects.LEDGER.name),
            self.bus.bucket(subjects.NOTICES.name),
            self.released,
            Progress(self.bus),
            self.busy(),
            Moment(self.clock(), self.since),
            scope,
            self.deep,
            self.tell,
            self.issues,
        )

    async def violations(self) -> list[Violation]:
        await self.released.read()
        await self.issues.read()
        self.first = self.look("")
        found = [one async for one in self.first.violations()]
        if not found:
            return []
        await asyncio.sleep(self.again_s)
        again = {one.place: one async for one in self.second({scope(one) for one in found})}
        return [again[one.place] for one in found if one.place in again]

    async def second(self, scopes: set[str]) -> AsyncIterator[Violation]:
        """The same rules over what stands there now."""
        await self.issues.read()
        many = len(scopes) > MANY_ITEMS or "" in scopes
        if many:
            self.released.whole = False
            await self.released.read()
        for one in [""] if many else sorted(scopes):
            if one:
                await self.released.read(one.split(".")[1])
            async for found in self.look(one).violations():
                yield found


def scope(found: Violation) -> str:
    """What the keys of an item on a channel begin with; everything for a key that names none."""
    _, *names = found.key.split(".")
    return f"{names[0]}.{names[1]}." if len(names) > 2 else ""
