"""Every rule, in the order in which reading needs them: what leads to something before it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from channels.portal.audit import Audit
from consumers.check.articles import Articles
from consumers.check.books import Books
from consumers.check.events import Events
from consumers.check.findings import Excused, Findings, Skipped, Tell, Violation, never, untold
from consumers.check.portal import PortalRules
from consumers.check.positions import Positions
from consumers.check.released import Released
from consumers.check.releases import Releases, unreadable
from contracts import subjects
from producers.bus import Bus

AGAIN_S = 6.0
"""A second look comes after everything has come again that a pause or a lost bus had put off."""


@dataclass
class Check:
    """Reads only. Without `deep`: plans and states; with it: everything there is to compare.

    `busy` is asked anew for each look; `since` is when the running Loa started, if that is known;
    `audit` is the portal's folder, where this machine has one.
    """

    bus: Bus
    deep: bool = False
    clock: Callable[[], float] = time.time
    busy: Callable[[], Excused] = lambda: never
    audit: Audit | None = None
    since: float = 0.0
    again_s: float = AGAIN_S
    tell: Tell = untold
    checked: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    async def run(self) -> Findings:
        released = Released(self.bus)
        violations = await self.bus_rules(released) if self.deep else []
        books = Books(
            self.bus,
            released,
            self.clock,
            self.deep,
            self.busy,
            self.since,
            self.again_s,
            self.tell,
        )
        violations += await books.violations()
        violations += [unreadable(seq) for seq in sorted(released.broken)]
        first = books.first
        self.checked |= {
            "plans": len(first.tallies), "batches": first.batches, "rows": first.rows
        }  # fmt: skip
        if self.deep:
            violations += await self.places(books, released)
        return Findings(
            ok=not violations,
            violations=violations,
            checked=self.checked,
            skipped=self.skipped,
        )

    async def bus_rules(self, released: Released) -> list[Violation]:
        """From the doors to the publications."""
        through = (await self.bus.stream_info(subjects.PUBLICATIONS.name))["state"]["last_seq"]
        events = Events(self.bus, self.clock, self.since, self.again_s, self.tell)
        found = await events.violations()
        releases = Releases(self.bus, released, events.says, through, self.again_s, self.tell)
        found += await releases.violations()
        positions = Positions(self.bus, released, self.clock, self.since, self.again_s, self.tell)
        found += await positions.violations()
        self.checked |= {
            "events": events.count, "publications": releases.count, "positions": positions.count
        }  # fmt: skip
        return found

    async def places(self, books: Books, released: Released) -> list[Violation]:
        """What was booked once for everybody: pages, feeds, articles."""
        booked = books.first.places
        found = await Articles(self.bus, released, booked).violations()
        if self.audit is None:
            self.skipped.append(Skipped(what="portal", why="its folder was not named"))
            return found
        portal = PortalRules(self.audit, released, booked, self.busy(), self.clock, self.skipped)
        found += await portal.violations()
        self.checked |= {"items": portal.items, "files": self.audit.files}
        return found
