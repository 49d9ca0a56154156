"""The ledger's bucket: every change is a compare-and-set; a missing reply is never an answer."""

import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry, planned_entry
from consumers.ledger.errors import ConcurrentUpdate, LedgerError
from contracts import keys, subjects
from contracts.delivery import BatchKey, PlanKey
from producers import metrics
from producers.bus import BatchEntry as Write
from producers.bus import Bus, NoReply, RevisionConflict
from producers.bus.records import Versioned

_CHANGE_TIMEOUT_S = 10.0
_PERSONAL_ROWS = BatchRows((keys.SOLE_RECIPIENT,))
"""The recipients of all personal content."""


class Changed(NamedTuple):
    """An entry before and after a change."""

    before: LedgerEntry
    after: LedgerEntry


class Ledger:
    """Reads and writes plans, rows and states. Raises NoReply when the bus does not answer."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.LEDGER.name)
        self.writer_id = secrets.token_hex(4)
        self.write_numbers = itertools.count(1)

    async def state(self, batch: BatchKey) -> Versioned[LedgerEntry] | None:
        value = await self.bucket.get(f"state.{batch}")
        return Versioned(codec.decode_state(value.data), value.revision) if value else None

    async def rows(self, batch: BatchKey) -> BatchRows:
        """The frozen recipients. Raises LedgerError if they are missing."""
        if keys.is_personal(batch.content_id):
            return _PERSONAL_ROWS
        value = await self.bucket.get(f"rows.{batch}")
        if value is None:
            raise LedgerError(f"rows.{batch} is missing")
        return codec.decode_rows(value.data)

    async def create_notice(self, batch: BatchKey, entry: LedgerEntry) -> bool:
        """Create the only batch of personal content; False if it exists.

        Raises LedgerError if it is another event's.
        """
        try:
            await self.bucket.create(f"state.{batch}", codec.encode_state(entry))
        except RevisionConflict:
            existing = await self.state(batch)
            if existing and existing.value.notice_event_id not in ("", entry.notice_event_id):
                raise LedgerError(f"state.{batch} is another event's") from None
            return False
        return True

    async def plan(self, plan: PlanKey) -> Versioned[PlanCursor] | None:
        value = await self.bucket.get(f"plan.{plan}")
        return Versioned(codec.decode_cursor(value.data), value.revision) if value else None

    async def swap(
        self, batch: BatchKey, known: Versioned[LedgerEntry], entry: LedgerEntry, *, until: float
    ) -> Versioned[LedgerEntry]:
        """Write *entry* over *known*.

        After no reply or a conflict the value is read back; its write id tells whose it is.
        Raises NoReply at *until* (monotonic seconds), ConcurrentUpdate after another write.
        """
        entry = replace(entry, write_id=f"{self.writer_id}.{next(self.write_numbers)}")
        data, key = codec.encode_state(entry), f"state.{batch}"
        while True:
            try:
                with _timed_write():
                    return Versioned(entry, await self.bucket.swap(key, data, known.revision))
            except (RevisionConflict, NoReply):
                current = await self.read_back(batch, until)
            if current.value.write_id == entry.write_id:
                return current
            if current.revision != known.revision:
                raise ConcurrentUpdate(current)
            if time.monotonic() >= until:
                raise NoReply(f"{key} can be read but not written")

    async def change(
        self,
        batch: BatchKey,
        transition: Callable[[LedgerEntry], LedgerEntry],
        known: Versioned[LedgerEntry] | None = None,
    ) -> Changed | None:
        """Apply *transition* to the entry, anew after each other write; None if it stays as it is.

        *known*: the entry as it was read, where it was. Raises NoReply when the bus is silent.
        """
        until = time.monotonic() + _CHANGE_TIMEOUT_S
        state = known or await self.state(batch)
        while state is not None:
            entry = transition(state.value)
            if entry == state.value:
                break
            try:
                await self.swap(batch, state, entry, until=until)
            except ConcurrentUpdate as other:
                state = other.current
            else:
                return Changed(state.value, entry)
        return None

    async def read_back(self, batch: BatchKey, until: float) -> Versioned[LedgerEntry]:
        """The current entry, read until the bus answers."""
        while True:
            try:
                state = await self.state(batch)
            except NoReply:
                if time.monotonic() >= until:
                    raise
                continue
            if state is None:
                raise LedgerError(f"state.{batch} is missing")
            return state

    async def create_plan(self, plan: PlanKey, cursor: PlanCursor) -> Versioned[PlanCursor]:
        """Create the cursor, or return the existing one."""
        try:
            revision = await self.bucket.create(f"plan.{plan}", codec.encode_cursor(cursor))
        except RevisionConflict:
            existing = await self.plan(plan)
            if existing is None:
                raise LedgerError(f"plan.{plan} vanished") from None
            return existing
        return Versioned(cursor, revision)

    async def swap_plan(
        self, plan: PlanKey, known: Versioned[PlanCursor], cursor: PlanCursor
    ) -> Versioned[PlanCursor]:
        """Write a cursor alone. Raises RevisionConflict (read it again) or NoReply."""
        data = codec.encode_cursor(cursor)
        return Versioned(cursor, await self.bucket.swap(f"plan.{plan}", data, known.revision))

    async def append_batches(
        self,
        plan: PlanKey,
        known: Versioned[PlanCursor],
        cursor: PlanCursor,
        batches: Sequence[BatchRows],
    ) -> Versioned[PlanCursor]:
        """Write *batches* and the cursor that counts them, all or nothing."""
        writes = []
        for number, rows in enumerate(batches, known.value.count):
            batch = BatchKey(*plan, number)
            entry = planned_entry(len(rows.ids), cursor.lane, cursor.created, doubt=cursor.doubt)
            frozen = codec.encode_rows(rows.ids, rows.corrections, rows.item_masks)
            writes.append(Write(f"rows.{batch}", frozen, 0))
            writes.append(Write(f"state.{batch}", codec.encode_state(entry), 0))
        writes.append(Write(f"plan.{plan}", codec.encode_cursor(cursor), known.revision))
        with _timed_write():
            return Versioned(cursor, await self.bucket.batch(writes))

    async def recipients(
        self, plan: PlanKey, letters: frozenset[int], after: str
    ) -> AsyncIterator[tuple[str, int]]:
        """Recipients > *after* whose row has one of *letters*, in order, with their items' mask."""
        async for batch, entry in self.entries(plan):
            if letters.isdisjoint(entry.value.rows):
                continue
            rows = await self.rows(batch)
            for id, letter in zip(rows.ids, entry.value.rows, strict=True):
                if id > after and letter in letters:
                    yield id, rows.item_masks.get(id, 0)

    async def entries(
        self, plan: PlanKey, cursor: PlanCursor | None = None
    ) -> AsyncIterator[tuple[BatchKey, Versioned[LedgerEntry]]]:
        """The plan's batches, 0 to count-1 by number, never from a listing; none without a plan.

        All earlier acknowledged writes are included, even from a replica, for one more request.
        """
        if cursor is None:
            stored_plan = await self.plan(plan)
            cursor = stored_plan.value if stored_plan else PlanCursor()
        count = cursor.stored_count
        since = await self.bucket.last_seq() if count else 0
        for start in range(0, count, 200):
            numbers = range(start, min(start + 200, count))
            batches = {f"state.{BatchKey(*plan, n)}": BatchKey(*plan, n) for n in numbers}
            values = await self.bucket.get_many(list(batches), min_seq=since)
            for key, batch in batches.items():
                if key not in values:
                    raise LedgerError(f"{key} is missing")
                value = values[key]
                yield batch, Versioned(codec.decode_state(value.data), value.revision)


@contextmanager
def _timed_write() -> Iterator[None]:
    """Count and time one write for `/metrics`; errors are passed on."""
    began = time.monotonic()
    try:
        yield
    except RevisionConflict:
        metrics.LEDGER_WRITES.add("conflict")
        raise
    except NoReply:
        metrics.LEDGER_WRITES.add("no_reply")
        raise
    metrics.LEDGER_WRITES.add("stored")
    metrics.LEDGER_SECONDS.observe(time.monotonic() - began)
