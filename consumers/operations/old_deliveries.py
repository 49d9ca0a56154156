"""Remove from the ledger who got what, once that is older than the retention period.

A plan of mails keeps its cursor with the counts: a publication that comes again is planned no
second time, and its trace still tells how many got it. Case notices and letters go as a whole:
their contacts are gone for long, so an event that comes again reaches no person. What the ledger
holds of portal and Zalo articles names no person, and stays for rebuilds and withdrawals.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Literal

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AwareDatetime

from consumers.audit.signed import SignedRecord, load_signed
from consumers.email.bounce_records import KEY_PREFIX as BOUNCES
from consumers.ledger import codec
from consumers.ledger.bulk import decode_batch, decode_or_none
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.operations.retention import DueRecord
from contracts import keys, subjects
from contracts.base.crash_points import crash_point
from contracts.base.retention import RetentionKind
from contracts.base.times import Clock, utc_time
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.trace import StatusCounts
from producers.bus import Bus, RevisionConflict, Value
from producers.bus.records import Versioned

log = structlog.get_logger()
_CUT_KEY = "ledger-cut"
CountPlan = Callable[[PlanKey, PlanCursor], Awaitable[tuple[StatusCounts, object]]]
"""The counts of a plan as `loa trace` shows them, and its timeline."""


class LedgerCut(SignedRecord):
    """Bucket `control`, key `ledger-cut`: notices that ended before *before* may be missing."""

    purpose: Literal["ledger cut"] = "ledger cut"
    v: int = 1
    before: AwareDatetime


async def load_ledger_cut(bus: Bus, key: Ed25519PrivateKey) -> datetime | None:
    """Up to when notices may be missing; None without a cut that *key* has signed."""
    cut = await load_signed(bus, _CUT_KEY, LedgerCut, key)
    return cut.before if cut else None


@dataclass
class OldDeliveries:
    """Mails of plans, and notices and letters to one person. Raises BusError."""

    bus: Bus
    key: Ed25519PrivateKey
    count_plan: CountPlan
    clock: Clock
    kind: RetentionKind = "ledger"

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.bus)

    async def due(self, before: datetime) -> AsyncIterator[DueRecord]:
        """Plans that are old, or that a killed pass began with, and old notices.

        Values come in the order of their last change: the first young notice ends the search.
        """
        async for key, value in self.ledger.bucket.values(f"plan.{ChannelName.EMAIL}."):
            if value.created >= before and not _is_half_removed(value):
                continue
            if record := await self.due_plan(key, value, before):
                yield record
        async for key, value in self.ledger.bucket.values("state."):
            if value.created >= before:
                break
            if record := self.due_notice(key, value, before):
                yield record

    async def due_plan(self, key: str, value: Value, before: datetime) -> DueRecord | None:
        """A plan whose last mail ended before *before*, with its rows."""
        plan = decode_or_none(PlanKey.parse, key.removeprefix("plan."))
        cursor = decode_or_none(codec.decode_cursor, value.data)
        if plan is None or cursor is None or not (cursor.count and cursor.is_settled):
            return None
        if not await self._has_ended(plan, cursor, before):
            return None
        held = Versioned(cursor, value.revision)
        return DueRecord(utc_time(cursor.created), partial(self.remove_plan, plan, held))

    async def _has_ended(self, plan: PlanKey, cursor: PlanCursor, before: datetime) -> bool:
        """Whether all batches ended before *before*; not where one is lost or unreadable."""
        try:
            async for _, entry in self.ledger.entries(plan, cursor):
                if not 0 < entry.value.closed_at < before.timestamp():
                    return False
        except (LedgerError, *codec.DECODE_ERRORS) as error:  # `loa check` names the batch
            log.error("plan_unreadable", key=f"plan.{plan}", error=type(error).__name__)
            return False
        return True

    def due_notice(self, key: str, value: Value, before: datetime) -> DueRecord | None:
        found = decode_batch(key, value.data)
        if found is None or not keys.is_personal(found[0].content_id):
            return None
        batch, entry = found
        if not 0 < entry.closed_at < before.timestamp():
            return None
        remove = partial(self.remove_notice, batch, value.revision, before)
        return DueRecord(utc_time(entry.closed_at), remove)

    async def remove_plan(self, plan: PlanKey, held: Versioned[PlanCursor]) -> bool:
        """Keep the counts, then remove the rows; a repeat goes on behind the first."""
        cursor = held.value
        try:
            if not cursor.removed:
                counts, _ = await self.count_plan(plan, cursor)
                left = replace(
                    cursor,
                    last="",
                    removed=self.clock(),
                    counts=counts.model_dump(exclude_defaults=True),
                )
                held = await self.ledger.swap_plan(plan, held, left)
            crash_point("ledger.counted")
            for number in range(cursor.count):
                await self._purge(BatchKey(*plan, number), "rows.")
                crash_point("ledger.rows_removed")
            await self.ledger.swap_plan(plan, held, replace(held.value, count=0))
        except RevisionConflict:
            return False
        return True

    async def remove_notice(self, batch: BatchKey, revision: int, before: datetime) -> bool:
        """Say in a signed record that it may be missing, then remove it."""
        known = await load_ledger_cut(self.bus, self.key)
        if known is None or known < before:
            cut = LedgerCut(before=before).signed(self.key)
            await self.bus.bucket(subjects.CONTROL.name).put(_CUT_KEY, cut.encode())
        crash_point("ledger.cut_signed")
        try:
            await self.ledger.bucket.purge_if(f"state.{batch}", revision)
        except RevisionConflict:
            return False
        await self._purge_bounces(batch)
        return True

    async def _purge(self, batch: BatchKey, *prefixes: str) -> None:
        for prefix in (*prefixes, "state."):
            await self.ledger.bucket.purge(f"{prefix}{batch}")
        await self._purge_bounces(batch)

    async def _purge_bounces(self, batch: BatchKey) -> None:
        """Purge what came back, if anything did: a purge leaves a mark, for ever."""
        if await self.ledger.bucket.get(f"{BOUNCES}{batch}"):
            await self.ledger.bucket.purge(f"{BOUNCES}{batch}")


def _is_half_removed(value: Value) -> bool:
    """Whether a pass has kept the counts of a plan, which changed it, and not removed its rows."""
    cursor = decode_or_none(codec.decode_cursor, value.data)
    return cursor is not None and bool(cursor.removed and cursor.count)
