"""What the portal shows against what the ledger has booked, and its files against its index."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from pydantic import ValidationError

from channels.portal.audit import Audit, Fault
from channels.portal.glance import Glance, Standing
from channels.portal.lock import Busy
from channels.portal.work import said
from consumers.audience import PORTAL
from consumers.check.findings import STUCK_S, Excused, Skipped, Violation
from consumers.check.look import Places
from consumers.check.released import Released, fingerprint
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey

DELIVERED = frozenset(b"dD")
NEVER = frozenset(b"xuewv")
"""Letters that say: this text was surely not shown."""
PATIENCE_S = 2.0
DAMAGED = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def text(item: Standing) -> bytes:
    """What the index says of an item; nothing where that can't be read."""
    try:
        return fingerprint(item.row.publication.released)
    except ValidationError:
        return b""


def lost(detail: str) -> Violation:
    return Violation(rule="index-lost", key="portal", detail=detail)


def damaged(error: sqlite3.Error) -> bool:
    """Whether the file is no index: not a database, broken, or one without our tables."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


@dataclass
class Shown:
    """What the index says at one moment."""

    says: dict[str, tuple[int, bytes]]  # item → the revision that stands there, and its text
    ever: set[tuple[str, int]]  # every revision that ever stood there


@dataclass
class PortalRules:
    """*places* is what the ledger has booked, read before the portal was."""

    audit: Audit
    released: Released
    places: Places
    busy: Excused
    clock: Callable[[], float]
    skipped: list[Skipped] = field(default_factory=list)
    exact: bool = True
    items: int = 0

    async def violations(self) -> list[Violation]:
        try:
            if not self.audit.indexed:
                return self.nothing_there()
            suspects, shown = await asyncio.to_thread(self.read)
            files = await asyncio.to_thread(self.certain, suspects)
        except (sqlite3.Error, OSError, ValidationError) as error:
            return self.unreadable(error)
        except Busy:
            self.skip("portal", "its folder was held by another process all the time")
            return []
        strange = await self.accepted(shown)
        return [*self.booked(shown), *strange, *files, *await self.left()]

    def nothing_there(self) -> list[Violation]:
        if self.audit.stands:
            return [lost("pages without an index")]
        if self.audit.worked_in and any(letter in DELIVERED for _, letter in self.rows()):
            return [lost("neither an index nor pages, and something was delivered")]
        self.skip("portal", "there is no portal in this machine's folder")
        return []

    def unreadable(self, error: Exception) -> list[Violation]:
        """A damaged index is as good as none; whoever may not read it can't say."""
        if isinstance(error, sqlite3.Error) and damaged(error):
            return [lost(f"the index is damaged: {said(error)}")]
        self.skip("portal", f"the folder can't be read: {type(error).__name__}")
        return []

    def skip(self, what: str, why: str) -> None:
        self.skipped.append(Skipped(what=what, why=why))

    def read(self) -> tuple[list[Fault], Shown]:
        with closing(self.audit.glance()) as glance:
            self.exact = self.audit.comparable(glance)
            if not self.exact:
                self.skip("page-differs, feed-differs, feed-broken", "written by another edition")
            return list(self.audit.faults(glance, exact=self.exact)), self.shown(glance)

    def shown(self, glance: Glance) -> Shown:
        says = {one.content_id: (one.revision, text(one)) for one in glance.standing()}
        self.items = len(says)
        return Shown(says, set(glance.shown()))

    def certain(self, suspects: list[Fault]) -> list[Violation]:
        found = self.audit.again(suspects, PATIENCE_S, exact=self.exact) if suspects else []
        return [Violation(rule=one.rule, key=one.path, detail=one.detail) for one in found]

    def booked(self, shown: Shown) -> Iterator[Violation]:
        """Delivered means shown, and surely not delivered means never shown."""
        for plan, letter in self.rows():
            key = f"state.{BatchKey(*plan, 0)}"
            stands, _ = shown.says.get(plan.content_id, (0, b""))
            if letter in DELIVERED and stands < plan.revision:
                detail = f"delivered, but the portal shows {stands or 'nothing'}"
                yield Violation(rule="page-missing", key=key, detail=detail)
            if letter in NEVER and (plan.content_id, plan.revision) in shown.ever:
                detail = f"booked as {chr(letter)}, but the portal has shown it"
                yield Violation(rule="effect-unbooked", key=key, detail=detail)

    def rows(self) -> Iterator[tuple[PlanKey, int]]:
        for plan, letters in self.places.items():
            if plan.channel is ChannelName.PORTAL and PORTAL in letters:
                yield plan, letters[PORTAL]

    async def accepted(self, shown: Shown) -> list[Violation]:
        """Every item that stands there was released, and says what was released."""
        strange = [name for name in shown.says if not self.is_released(name, shown)]
        for name in strange:
            await self.released.read(name)  # it may have come meanwhile
        return [
            Violation(
                rule="page-unexpected",
                key=f"tin/{name}",
                detail=f"position {shown.says[name][0]} was not released with this text",
            )
            for name in strange
            if not self.is_released(name, shown)
        ]

    def is_released(self, content_id: str, shown: Shown) -> bool:
        revision, says = shown.says[content_id]
        edition = self.released.find(content_id, revision)
        return edition is not None and edition.says == says

    async def left(self) -> list[Violation]:
        """What a killed writer has put aside, the next one throws away."""
        if await self.busy(ChannelName.PORTAL, Lane.BULK):
            return []
        return [
            Violation(rule="aside-left", key=f"state/aside/{name}", detail="nobody's")
            for name in self.audit.leftovers(self.clock() - STUCK_S)
        ]
