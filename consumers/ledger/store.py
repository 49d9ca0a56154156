"""The ledger's bucket: every change is a compare-and-set, and silence is never an answer."""

import itertools
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry, planned
from contracts import keys, subjects
from contracts.delivery import BatchKey, PlanKey
from producers.bus import Bus, BusError, Conflict, Silence
from producers.bus import Entry as Write

T = TypeVar("T")
PERSON = Rows((keys.PERSON,))
"""The recipients of every case notice and letter."""


class LedgerError(Exception):
    """The ledger does not hold what its own rules promise; an operator has to look."""


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """A value and the revision that a compare-and-set must name."""

    value: T
    revision: int


class Overtaken(Exception):
    """Somebody else's write came first; `state` is what stands now."""

    def __init__(self, state: Held[Entry]) -> None:
        super().__init__(state.value.owner)
        self.state = state


class Ledger:
    """Reads and writes plans, rows and states. Raises Silence when the bus does not answer."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.LEDGER.name)
        self.name = secrets.token_hex(4)
        self.writes = itertools.count(1)

    async def state(self, batch: BatchKey) -> Held[Entry] | None:
        value = await self.bucket.get(f"state.{batch}")
        return Held(codec.decode_state(value.data), value.revision) if value else None

    async def rows(self, batch: BatchKey) -> Rows:
        """The frozen recipients. Raises LedgerError when a planned batch has none."""
        if keys.is_personal(batch.content_id):
            return PERSON
        value = await self.bucket.get(f"rows.{batch}")
        if value is None:
            raise LedgerError(f"rows.{batch} is missing")
        return codec.decode_rows(value.data)

    async def notice(self, batch: BatchKey, entry: Entry) -> bool:
        """Store the only batch of a case notice or a letter; False when it is there already.

        Raises LedgerError when another event's stands there.
        """
        try:
            await self.bucket.create(f"state.{batch}", codec.encode_state(entry))
        except Conflict:
            held = await self.state(batch)
            if held and held.value.person not in ("", entry.person):
                raise LedgerError(f"state.{batch} is another event's") from None
            return False
        return True

    async def plan(self, plan: PlanKey) -> Held[Cursor] | None:
        value = await self.bucket.get(f"plan.{plan}")
        return Held(codec.decode_cursor(value.data), value.revision) if value else None

    async def swap(
        self, batch: BatchKey, held: Held[Entry], entry: Entry, *, until: float
    ) -> Held[Entry]:
        """Write *entry* over *held*.

        After silence or a conflict the value is read back: its write id tells whether ours stands.
        Gives up with Silence at *until* (monotonic seconds). Raises Overtaken for another's write.
        """
        entry = replace(entry, write=f"{self.name}.{next(self.writes)}")
        data, key = codec.encode_state(entry), f"state.{batch}"
        while True:
            try:
                return Held(entry, await self.bucket.swap(key, data, held.revision))
            except (Conflict, Silence):
                stands = await self.read_back(batch, until)
            if stands.value.write == entry.write:
                return stands
            if stands.revision != held.revision:
                raise Overtaken(stands)
            if time.monotonic() >= until:
                raise Silence(f"{key} can be read but not written")

    async def read_back(self, batch: BatchKey, until: float) -> Held[Entry]:
        """What stands now, asked until the bus answers."""
        while True:
            try:
                state = await self.state(batch)
            except Silence:
                if time.monotonic() >= until:
                    raise
                continue
            if state is None:
                raise LedgerError(f"state.{batch} is missing")
            return state

    async def create_plan(self, plan: PlanKey, cursor: Cursor) -> Held[Cursor]:
        """Store a first cursor, or return the one that is there."""
        try:
            revision = await self.bucket.create(f"plan.{plan}", codec.encode_cursor(cursor))
        except Conflict:
            held = await self.plan(plan)
            if held is None:
                raise LedgerError(f"plan.{plan} vanished") from None
            return held
        return Held(cursor, revision)

    async def swap_plan(self, plan: PlanKey, held: Held[Cursor], cursor: Cursor) -> Held[Cursor]:
        """Change a cursor alone. Raises Conflict (read again) or Silence."""
        data = codec.encode_cursor(cursor)
        return Held(cursor, await self.bucket.swap(f"plan.{plan}", data, held.revision))

    async def extend(
        self,
        plan: PlanKey,
        held: Held[Cursor],
        cursor: Cursor,
        batches: Sequence[Rows],
    ) -> Held[Cursor]:
        """Write *batches* and the cursor that counts them, all or nothing."""
        writes = []
        for number, rows in enumerate(batches, held.value.count):
            batch = BatchKey(*plan, number)
            entry = planned(len(rows.ids), cursor.lane, cursor.created, doubt=cursor.doubt)
            frozen = codec.encode_rows(rows.ids, rows.corrections, rows.picks)
            writes.append(Write(f"rows.{batch}", frozen, 0))
            writes.append(Write(f"state.{batch}", codec.encode_state(entry), 0))
        writes.append(Write(f"plan.{plan}", codec.encode_cursor(cursor), held.revision))
        return Held(cursor, await self.bucket.batch(writes))

    async def entries(
        self, plan: PlanKey, cursor: Cursor
    ) -> AsyncIterator[tuple[BatchKey, Held[Entry]]]:
        """The plan's batches, 0 to count-1 by number, never from a listing.

        Whatever was acknowledged before is seen, also where a replica answers: one more request.
        """
        since = await self.bucket.last_seq() if cursor.count else 0
        for start in range(0, cursor.count, 200):
            numbers = range(start, min(start + 200, cursor.count))
            batches = {f"state.{BatchKey(*plan, n)}": BatchKey(*plan, n) for n in numbers}
            found = await self.bucket.many(list(batches), since=since)
            for key, batch in batches.items():
                if key not in found:
                    raise LedgerError(f"{key} is missing")
                value = found[key]
                yield batch, Held(codec.decode_state(value.data), value.revision)


__all__ = ["BusError", "Conflict", "Held", "Ledger", "LedgerError", "Overtaken", "Silence"]
