"""Rules of the portal: its index matches the ledger's outcomes, and its files match its index."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from pydantic import ValidationError

from channels.portal.errors import FolderBusy, error_reason
from channels.portal.index.index import IndexSnapshot, SnapshotItem
from channels.portal.writer.audit import FileProblem, FolderAudit
from consumers.check.findings import STUCK_S, IsExcused, Skipped, Violation
from consumers.check.ledger_pass import OutcomesByPlan
from consumers.check.publications import PublicationIndex, text_fingerprint
from consumers.dispatch.audience import PORTAL
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey

DELIVERED_LETTERS = frozenset(b"dD")
NEVER_SHOWN_LETTERS = frozenset(b"xuewv")
"""Letters that say: this text was surely not shown."""
LOCK_TIMEOUT_S = 2.0
DAMAGE_CODES = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def index_fingerprint(item: SnapshotItem) -> bytes:
    """What the index says of an item; nothing where that can't be read."""
    try:
        return text_fingerprint(item.stored.publication.as_released)
    except ValidationError:
        return b""


def index_lost(detail: str) -> Violation:
    return Violation(rule="index-lost", key="portal", detail=detail)


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether the file is no index: not a database, broken, or one without our tables."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE_CODES


@dataclass
class IndexContents:
    """What the index says at one moment."""

    current: dict[str, tuple[int, bytes]]  # item → its present revision and text
    ever: set[tuple[str, int]]  # every revision ever shown


@dataclass
class PortalRules:
    """*places* is what the ledger has booked, read before the portal was."""

    audit: FolderAudit
    publications: PublicationIndex
    outcomes: OutcomesByPlan
    is_excused: IsExcused
    clock: Callable[[], float]
    skipped: list[Skipped] = field(default_factory=list)
    is_comparable: bool = True
    items: int = 0

    async def violations(self) -> list[Violation]:
        try:
            if not self.audit.has_index:
                return self.check_missing_portal()
            suspects, shown = await asyncio.to_thread(self.read)
            files = await asyncio.to_thread(self.recheck_files, suspects)
        except (sqlite3.Error, OSError, ValidationError) as error:
            return self.check_unreadable(error)
        except FolderBusy:
            self.skip("portal", "its folder was held by another process all the time")
            return []
        strange = await self.check_unexpected(shown)
        return [*self.check_outcomes(shown), *strange, *files, *await self.check_leftovers()]

    def check_missing_portal(self) -> list[Violation]:
        if self.audit.has_pages:
            return [index_lost("pages without an index")]
        if self.audit.has_state and any(
            letter in DELIVERED_LETTERS for _, letter in self.portal_rows()
        ):
            return [index_lost("neither an index nor pages, and something was delivered")]
        self.skip("portal", "there is no portal in this machine's folder")
        return []

    def check_unreadable(self, error: Exception) -> list[Violation]:
        """A damaged index counts as lost; an inaccessible one is skipped."""
        if isinstance(error, sqlite3.Error) and is_damaged(error):
            return [index_lost(f"the index is damaged: {error_reason(error)}")]
        self.skip("portal", f"the folder can't be read: {type(error).__name__}")
        return []

    def skip(self, what: str, why: str) -> None:
        self.skipped.append(Skipped(what=what, why=why))

    def read(self) -> tuple[list[FileProblem], IndexContents]:
        with closing(self.audit.open_snapshot()) as glance:
            self.is_comparable = self.audit.is_comparable(glance)
            if not self.is_comparable:
                self.skip("page-differs, feed-differs", "written by another edition")
            return list(
                self.audit.find_problems(glance, exact=self.is_comparable)
            ), self.index_contents(glance)

    def index_contents(self, glance: IndexSnapshot) -> IndexContents:
        says = {
            one.content_id: (one.revision, index_fingerprint(one)) for one in glance.all_items()
        }
        self.items = len(says)
        return IndexContents(says, set(glance.shown_revisions()))

    def recheck_files(self, suspects: list[FileProblem]) -> list[Violation]:
        found = (
            self.audit.recheck(suspects, LOCK_TIMEOUT_S, exact=self.is_comparable)
            if suspects
            else []
        )
        return [Violation(rule=one.rule, key=one.path, detail=one.detail) for one in found]

    def check_outcomes(self, shown: IndexContents) -> Iterator[Violation]:
        """Delivered means shown, and surely not delivered means never shown."""
        for plan, letter in self.portal_rows():
            key = f"state.{BatchKey(*plan, 0)}"
            revision, _ = shown.current.get(plan.content_id, (0, b""))
            if letter in DELIVERED_LETTERS and revision < plan.revision:
                detail = f"delivered, but the portal shows {revision or 'nothing'}"
                yield Violation(rule="page-missing", key=key, detail=detail)
            if letter in NEVER_SHOWN_LETTERS and (plan.content_id, plan.revision) in shown.ever:
                detail = f"booked as {chr(letter)}, but the portal has shown it"
                yield Violation(rule="effect-unbooked", key=key, detail=detail)

    def portal_rows(self) -> Iterator[tuple[PlanKey, int]]:
        for plan, letters in self.outcomes.items():
            if plan.channel is ChannelName.PORTAL and PORTAL in letters:
                yield plan, letters[PORTAL]

    async def check_unexpected(self, shown: IndexContents) -> list[Violation]:
        """Every item shown was released with this text."""
        strange = [name for name in shown.current if not self.is_released(name, shown)]
        for name in strange:
            await self.publications.read(name)  # it may have come meanwhile
        return [
            Violation(
                rule="page-unexpected",
                key=f"tin/{name}",
                detail=f"position {shown.current[name][0]} was not released with this text",
            )
            for name in strange
            if not self.is_released(name, shown)
        ]

    def is_released(self, content_id: str, shown: IndexContents) -> bool:
        revision, says = shown.current[content_id]
        edition = self.publications.find(content_id, revision)
        return edition is not None and edition.fingerprint == says

    async def check_leftovers(self) -> list[Violation]:
        """Temporary files of a killed writer, which the next writer deletes."""
        if await self.is_excused(ChannelName.PORTAL, Lane.BULK):
            return []
        return [
            Violation(rule="aside-left", key=f"state/aside/{name}", detail="nobody's")
            for name in self.audit.leftover_files(self.clock() - STUCK_S)
        ]
