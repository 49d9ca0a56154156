"""Does the ledger hold what its own rules promise? Reads only; names every violation."""

import itertools
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import STATUS, Entry
from consumers.ledger.store import Ledger
from contracts.delivery import ChannelName, Lane

T = TypeVar("T")
STUCK_S = 600.0
AT_ONCE = 100
WAITING = ("stuck", "never-closed")
"""Rules that a pause or a queue excuses."""


class Violation(BaseModel):
    """One broken promise: which rule, where, what was found."""

    rule: str
    key: str
    detail: str


class Findings(BaseModel):
    """The answer of `loa check`."""

    ok: bool
    violations: list[Violation]


async def never(_: ChannelName, __: Lane) -> bool:
    """Nothing excuses a wait."""
    return False


@dataclass(frozen=True, slots=True)
class Batch:
    """One counted batch as it is stored; a half that is missing or unreadable is None."""

    name: str
    stored: bool
    entry: Entry | None
    rows: Rows | None

    @property
    def key(self) -> str:
        return f"state.{self.name}"


@dataclass
class Check:
    """Walks plans and batches; `deep` also reads every frozen list of recipients."""

    ledger: Ledger
    expected: Callable[[], AsyncIterator[str]]  # plans that must exist, from the releases
    deep: bool = False
    clock: Callable[[], float] = time.time
    busy: Callable[[ChannelName, Lane], Awaitable[bool]] = never  # see `consumers.traffic`

    async def run(self) -> Findings:
        violations = [found async for found in self.violations()]
        return Findings(ok=not violations, violations=violations)

    async def violations(self) -> AsyncIterator[Violation]:
        states = await self.ledger.bucket.keys("state.")  # before the plans: these may grow
        counts: dict[str, int] = {}
        async for key, value in self.ledger.bucket.values("plan."):
            plan, cursor = key.removeprefix("plan."), read(codec.decode_cursor, value.data)
            counts[plan] = cursor.count if cursor else sys.maxsize
            async for found in self.check_plan(plan, cursor):
                yield found
        async for plan in self.expected():
            if plan not in counts and await self.count(plan) is None:
                yield Violation(rule="plan-missing", key=f"plan.{plan}", detail="released long ago")
        async for found in self.orphans(states, counts):
            yield found

    async def orphans(self, states: list[str], counts: dict[str, int]) -> AsyncIterator[Violation]:
        """Batches that no plan counts."""
        for key in states:
            plan, _, number = key.removeprefix("state.").rpartition(".")
            if int(number) < counts.get(plan, 0):
                continue
            if int(number) >= (await self.count(plan) or 0):
                yield Violation(rule="orphan", key=key, detail="beyond what its plan counts")

    async def count(self, plan: str) -> int | None:
        """What a plan counts now; reading all plans may miss one that is just being changed."""
        value = await self.ledger.bucket.get(f"plan.{plan}")
        if value is None:
            return None
        cursor = read(codec.decode_cursor, value.data)
        return cursor.count if cursor else sys.maxsize

    async def check_plan(self, plan: str, cursor: Cursor | None) -> AsyncIterator[Violation]:
        """Every batch that the cursor counts is there, in order, with nobody in two."""
        if cursor is None:
            yield Violation(rule="unreadable", key=f"plan.{plan}", detail="by this version")
            return
        seen, last = 0, ""
        async for batch in self.batches(plan, cursor):
            async for found in self.check_batch(batch, last):
                yield found
            seen += len(batch.entry.rows) if batch.entry else 0
            last = batch.rows.ids[-1] if batch.rows else last
        if seen != cursor.planned:
            detail = f"{cursor.planned} planned, {seen} in batches"
            yield Violation(rule="rows-lost", key=f"plan.{plan}", detail=detail)
        if self.plan_stuck(cursor) and not await self.waits(plan, cursor.lane):
            yield Violation(
                rule="plan-stuck", key=f"plan.{plan}", detail="neither complete nor halted"
            )

    def plan_stuck(self, cursor: Cursor) -> bool:
        done = cursor.complete or cursor.halt
        return not done and cursor.created < self.clock() - STUCK_S

    async def waits(self, key: str, lane: Lane) -> bool:
        return await self.busy(ChannelName(key.partition(".")[0]), lane)

    async def batches(self, plan: str, cursor: Cursor) -> AsyncIterator[Batch]:
        bucket = self.ledger.bucket
        for start in range(0, cursor.count, AT_ONCE):
            names = [f"{plan}.{n}" for n in range(start, min(start + AT_ONCE, cursor.count))]
            states = await bucket.many([f"state.{name}" for name in names])
            lists = await bucket.many([f"rows.{name}" for name in names]) if self.deep else {}
            for name in names:
                state, rows = states.get(f"state.{name}"), lists.get(f"rows.{name}")
                yield Batch(
                    name,
                    state is not None,
                    read(codec.decode_state, state.data) if state else None,
                    read(codec.decode_rows, rows.data) if rows else None,
                )

    async def check_batch(self, batch: Batch, last: str) -> AsyncIterator[Violation]:
        if batch.entry is None:
            rule = "unreadable" if batch.stored else "batch-missing"
            yield Violation(rule=rule, key=batch.key, detail="counted by its plan")
            return
        for rule, detail in self.faults(batch.entry):
            if rule not in WAITING or not await self.waits(batch.name, batch.entry.lane):
                yield Violation(rule=rule, key=batch.key, detail=detail)
        if self.deep:
            for rule, detail in row_faults(batch.entry, batch.rows, last):
                yield Violation(rule=rule, key=batch.key, detail=detail)

    def faults(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """What is wrong with one state by itself."""
        strange = {chr(letter) for letter in entry.rows if letter not in STATUS}
        if strange:
            yield "letter-unknown", "".join(sorted(strange))
        if entry.closed and entry.is_open:
            yield "closed-with-open-rows", entry.rows.decode()[:80]
        if not (entry.closed or entry.is_open or entry.owner) and entry.due < self.clock():
            yield "never-closed", "every row has ended"
        if self.stuck(entry):
            yield "stuck", f"due {int(self.clock() - entry.due)} s ago, nobody works on it"

    def stuck(self, entry: Entry) -> bool:
        latest = max(entry.due, entry.lease, entry.created)
        return not entry.closed and latest < self.clock() - STUCK_S


def read(decode: Callable[[bytes], T], data: bytes) -> T | None:
    """None for what this version can't read."""
    try:
        return decode(data)
    except codec.BROKEN:
        return None


def row_faults(entry: Entry, rows: Rows | None, last: str) -> Iterator[tuple[str, str]]:
    """What is wrong between a state and its frozen recipients."""
    if rows is None:
        yield "rows-missing", "the recipients are gone"
        return
    if len(rows.ids) != len(entry.rows):
        yield "rows-differ", f"{len(rows.ids)} recipients, {len(entry.rows)} letters"
    ids = [last, *rows.ids]
    if any(left >= right for left, right in itertools.pairwise(ids)):
        yield "recipient-twice", "ids are not strictly ascending"
