"""Run every rule of `loa check`, and look again at each violation.

A system at work changes while it is read. A violation of the ledger's rules therefore counts only
if a second look, at its item alone, finds it at the same place."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from channels.portal.writer.audit import FolderAudit
from consumers.check.batches import CheckTime
from consumers.check.consumer_progress import ConsumerProgress
from consumers.check.digests import IssueIndex
from consumers.check.events import EventRules
from consumers.check.findings import (
    Findings,
    IsExcused,
    ReportProgress,
    Skipped,
    Violation,
    never_excused,
    no_progress,
)
from consumers.check.ledger_pass import LedgerPass
from consumers.check.portal import PortalRules
from consumers.check.positions import PositionRules
from consumers.check.publications import PublicationIndex
from consumers.check.releases import ReleaseRules, unreadable_publication
from consumers.check.zalo_articles import ZaloArticleRules
from contracts import subjects
from producers.bus import Bus

MANY_ITEMS = 200
"""From so many on, everything is looked at again, not one item after the other."""


@dataclass
class LedgerRules:
    """`deep` also reads every frozen list of recipients."""

    bus: Bus
    publications: PublicationIndex
    clock: Callable[[], float]
    deep: bool = False
    excuses: Callable[[], IsExcused] = lambda: never_excused
    running_since: float = 0.0
    recheck_after_s: float = 0.0
    report_progress: ReportProgress = no_progress

    def __post_init__(self) -> None:
        self.issues = IssueIndex(self.bus)
        self.first_pass = self.new_pass("")

    def new_pass(self, scope: str) -> LedgerPass:
        """Run one pass; only released positions are kept from an earlier one."""
        return LedgerPass(
            self.bus.bucket(subjects.LEDGER.name),
            self.bus.bucket(subjects.NOTICES.name),
            self.publications,
            ConsumerProgress(self.bus),
            self.excuses(),
            CheckTime(self.clock(), self.running_since),
            scope,
            self.deep,
            self.report_progress,
            self.issues,
        )

    async def violations(self) -> list[Violation]:
        await self.publications.read()
        await self.issues.read()
        self.first_pass = self.new_pass("")
        found = [one async for one in self.first_pass.violations()]
        if not found:
            return []
        await asyncio.sleep(self.recheck_after_s)
        again = {one.identity: one async for one in self.recheck({scope_of(one) for one in found})}
        return [again[one.identity] for one in found if one.identity in again]

    async def recheck(self, scopes: set[str]) -> AsyncIterator[Violation]:
        """Apply the same rules to the present state."""
        await self.issues.read()
        many = len(scopes) > MANY_ITEMS or "" in scopes
        if many:
            self.publications.is_complete = False
            await self.publications.read()
        for one in [""] if many else sorted(scopes):
            if one:
                await self.publications.read(one.split(".")[1])
            async for found in self.new_pass(one).violations():
                yield found


def scope_of(found: Violation) -> str:
    """What the keys of an item on a channel begin with; everything for a key that names none."""
    _, *names = found.key.split(".")
    return f"{names[0]}.{names[1]}." if len(names) > 2 else ""


RECHECK_AFTER_S = 6.0
"""A second look comes after everything has come again that a pause or a lost bus had put off."""


@dataclass
class Checker:
    """Reads only. Without `deep`: plans and states; with it: everything there is to compare.

    `busy` is asked anew for each look; `since` is when the running Loa started, if that is known;
    `audit` is the portal's folder, where this machine has one.
    """

    bus: Bus
    deep: bool = False
    clock: Callable[[], float] = time.time
    excuses: Callable[[], IsExcused] = lambda: never_excused
    audit: FolderAudit | None = None
    running_since: float = 0.0
    recheck_after_s: float = RECHECK_AFTER_S
    report_progress: ReportProgress = no_progress
    checked: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    async def run(self) -> Findings:
        released = PublicationIndex(self.bus)
        violations = await self.check_bus(released) if self.deep else []
        books = LedgerRules(
            self.bus,
            released,
            self.clock,
            self.deep,
            self.excuses,
            self.running_since,
            self.recheck_after_s,
            self.report_progress,
        )
        violations += await books.violations()
        violations += [unreadable_publication(seq) for seq in sorted(released.unreadable)]
        first = books.first_pass
        self.checked |= {
            "plans": len(first.tallies), "batches": first.batches, "rows": first.rows
        }  # fmt: skip
        if self.deep:
            violations += await self.check_channels(books, released)
        return Findings(
            ok=not violations,
            violations=violations,
            checked=self.checked,
            skipped=self.skipped,
        )

    async def check_bus(self, released: PublicationIndex) -> list[Violation]:
        """From the doors to the publications."""
        through = (await self.bus.stream_info(subjects.PUBLICATIONS.name))["state"]["last_seq"]
        events = EventRules(
            self.bus, self.clock, self.running_since, self.recheck_after_s, self.report_progress
        )
        found = await events.violations()
        releases = ReleaseRules(
            self.bus,
            released,
            events.fingerprints,
            through,
            self.recheck_after_s,
            self.report_progress,
        )
        found += await releases.violations()
        positions = PositionRules(
            self.bus,
            released,
            self.clock,
            self.running_since,
            self.recheck_after_s,
            self.report_progress,
        )
        found += await positions.violations()
        self.checked |= {
            "events": events.count, "publications": releases.count, "positions": positions.count
        }  # fmt: skip
        return found

    async def check_channels(
        self, books: LedgerRules, released: PublicationIndex
    ) -> list[Violation]:
        """Check rows that serve all recipients at once: pages, feeds, articles."""
        booked = books.first_pass.outcomes
        found = await ZaloArticleRules(self.bus, released, booked).violations()
        if self.audit is None:
            self.skipped.append(Skipped(what="portal", why="its folder was not named"))
            return found
        portal = PortalRules(self.audit, released, booked, self.excuses(), self.clock, self.skipped)
        found += await portal.violations()
        self.checked |= {"items": portal.items, "files": self.audit.files_checked}
        return found
