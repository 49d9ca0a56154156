"""Rules of the portal: its index matches the ledger's outcomes, and its files match its index."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from pydantic import ValidationError

from channels.portal.errors import INDEX_LOST, FolderBusy, error_reason
from channels.portal.index.index import IndexSnapshot, SnapshotItem
from channels.portal.writer.audit import FileProblem, FolderAudit
from consumers.channel_health.breaker_store import load_breakers
from consumers.check.context import CheckContext
from consumers.check.findings import STUCK_S, Skipped, Violation
from consumers.check.ledger_pass import OutcomesByPlan
from consumers.check.publications import text_fingerprint
from consumers.dispatch.audience import PORTAL
from consumers.ledger.entry import DELIVERED_LETTERS, NEVER_SENT_LETTERS
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from contracts.text.moments import format_for_people
from producers.bus import Bus

LOCK_TIMEOUT_S = 2.0
_DAMAGE_CODES = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _index_fingerprint(item: SnapshotItem) -> bytes:
    """Return the fingerprint of an item in the index; empty for an unreadable one."""
    try:
        return text_fingerprint(item.stored.publication.as_released)
    except ValidationError:
        return b""


INDEX_LOST_RULE = "index-lost"


def index_lost(detail: str) -> Violation:
    return Violation(rule=INDEX_LOST_RULE, key="portal", detail=detail)


async def find_stopped_portal(bus: Bus) -> list[Violation]:
    """A lost index, as the portal's worker says by its breaker; reads no file."""
    now = (await load_breakers(bus))[ChannelName.PORTAL]
    if now.is_closed or now.reason != INDEX_LOST:
        return []
    return [index_lost(f"its worker says so since {format_for_people(utc_time(round(now.since)))}")]


def _is_damaged(error: sqlite3.Error) -> bool:
    """Whether the file is no database, broken, or one without Loa's tables."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE_CODES


_OTHER_EDITION = "the pages are those of another version of Loa, or name another address than this command knows: start Loa, or set LOA_PUBLIC_URL as it has it, and check again"  # noqa: E501 -- a key of translations.toml


@dataclass
class IndexContents:
    """The index at one moment."""

    current: dict[str, tuple[int, bytes]]  # item → its present revision and fingerprint
    ever: set[tuple[str, int]]  # every revision ever shown


@dataclass
class PortalRules:
    """Compares the portal with `outcomes`, which the ledger had booked before."""

    context: CheckContext
    audit: FolderAudit
    outcomes: OutcomesByPlan
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
        unexpected = await self.check_unexpected(shown)
        return [*self.check_outcomes(shown), *unexpected, *files, *await self.check_leftovers()]

    def check_missing_portal(self) -> list[Violation]:
        if self.audit.has_pages:
            return [index_lost("pages without an index")]
        is_delivered = any(letter in DELIVERED_LETTERS for _, letter in self.portal_rows())
        if is_delivered and (self.audit.has_state or self.audit.is_here):
            return [index_lost("neither an index nor pages, and something was delivered")]
        self.skip("portal", "there is no portal in this machine's folder")
        return []

    def check_unreadable(self, error: Exception) -> list[Violation]:
        """A damaged index counts as lost; an inaccessible one is skipped."""
        if isinstance(error, sqlite3.Error) and _is_damaged(error):
            return [index_lost(f"the index is damaged: {error_reason(error)}")]
        self.skip("portal", f"the folder can't be read: {type(error).__name__}")
        return []

    def skip(self, what: str, why: str) -> None:
        self.skipped.append(Skipped(what=what, why=why))

    def read(self) -> tuple[list[FileProblem], IndexContents]:
        with closing(self.audit.open_snapshot()) as snapshot:
            self.is_comparable = self.audit.is_comparable(snapshot)
            if not self.is_comparable:
                self.skip("page-differs, feed-differs", _OTHER_EDITION)
            problems = list(self.audit.find_problems(snapshot, exact=self.is_comparable))
            return problems, self.index_contents(snapshot)

    def index_contents(self, snapshot: IndexSnapshot) -> IndexContents:
        items = snapshot.all_items()
        current = {item.content_id: (item.revision, _index_fingerprint(item)) for item in items}
        self.items = len(current)
        return IndexContents(current, set(snapshot.shown_revisions()))

    def recheck_files(self, suspects: list[FileProblem]) -> list[Violation]:
        if not suspects:
            return []
        problems = self.audit.recheck(suspects, LOCK_TIMEOUT_S, exact=self.is_comparable)
        return [Violation(rule=one.rule, key=one.path, detail=one.detail) for one in problems]

    def check_outcomes(self, shown: IndexContents) -> Iterator[Violation]:
        """Check that a delivered text is shown, and a surely undelivered one never was."""
        for plan, letter in self.portal_rows():
            key = f"state.{BatchKey(*plan, 0)}"
            revision, _ = shown.current.get(plan.content_id, (0, b""))
            if letter in DELIVERED_LETTERS and revision < plan.revision:
                detail = f"delivered, but the portal shows {revision or 'nothing'}"
                yield Violation(rule="page-missing", key=key, detail=detail)
            if letter in NEVER_SENT_LETTERS and (plan.content_id, plan.revision) in shown.ever:
                detail = f"booked as {chr(letter)}, but the portal has shown it"
                yield Violation(rule="effect-unbooked", key=key, detail=detail)

    def portal_rows(self) -> Iterator[tuple[PlanKey, int]]:
        for plan, letters in self.outcomes.items():
            if plan.channel is ChannelName.PORTAL and PORTAL in letters:
                yield plan, letters[PORTAL]

    async def check_unexpected(self, shown: IndexContents) -> list[Violation]:
        """Check that every item shown was released with this text."""
        suspects = [name for name in shown.current if not self.is_released(name, shown)]
        for name in suspects:
            await self.context.publications.read(name)  # it may have come meanwhile
        return [
            Violation(
                rule="page-unexpected",
                key=f"tin/{name}",
                detail=f"position {shown.current[name][0]} was not released with this text",
            )
            for name in suspects
            if not self.is_released(name, shown)
        ]

    def is_released(self, content_id: str, shown: IndexContents) -> bool:
        revision, fingerprint = shown.current[content_id]
        publication = self.context.publications.find(content_id, revision)
        return publication is not None and publication.fingerprint == fingerprint

    async def check_leftovers(self) -> list[Violation]:
        """Return temporary files of a killed writer, which the next writer deletes."""
        if await self.context.excuses()(ChannelName.PORTAL, Lane.BULK):
            return []
        return [
            Violation(rule="aside-left", key=f"state/aside/{name}", detail="nobody's")
            for name in self.audit.leftover_files(self.context.clock() - STUCK_S)
        ]
