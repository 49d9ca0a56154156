"""The whole ledger in bulk: plans and states as they lie, batches in order, hundreds to a request.

One request waits while the next one is being answered; memory is that of two answers, however long
the ledger is. What this version can't read comes as None, and holds up nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry
from contracts.delivery import BatchKey, PlanKey
from producers.bus import Bucket, Value

S = TypeVar("S")
T = TypeVar("T")
AT_ONCE = 250
"""Batches to a request; with their recipients that is as many keys as the bus takes at once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as it is stored; a half that is missing or unreadable is None."""

    key: BatchKey
    stored: bool
    entry: Entry | None
    rows: Rows | None = None

    @property
    def name(self) -> str:
        """The key of its state."""
        return f"state.{self.key}"


async def plans(
    bucket: Bucket, scope: str = ""
) -> AsyncIterator[tuple[str, PlanKey | None, Cursor | None]]:
    """Every plan whose key begins with *scope*; one that changes meanwhile may come again."""
    async for key, value in bucket.values(f"plan.{scope}"):
        plan = legible(PlanKey.parse, key.removeprefix("plan."))
        yield key, plan, legible(codec.decode_cursor, value.data)


async def states(bucket: Bucket, scope: str = "") -> AsyncIterator[tuple[str, Batch | None]]:
    """Every state whose key begins with *scope*, in no order; as `plans`."""
    async for key, value in bucket.values(f"state.{scope}"):
        named = legible(BatchKey.parse, key.removeprefix("state."))
        entry = legible(codec.decode_state, value.data)
        yield key, Batch(named, True, entry) if named else None


async def batches(
    bucket: Bucket, keys: Iterable[BatchKey], *, recipients: bool = False
) -> AsyncIterator[Batch]:
    """The batches of *keys*, in their order, those that are missing too."""
    left = iter(keys)
    following = ask(bucket, left, recipients)
    try:
        while following is not None:
            answer = await following
            following = ask(bucket, left, recipients)
            for batch in answer:
                yield batch
    finally:
        if following is not None and not following.done():
            following.cancel()
            await asyncio.wait({following})


def ask(
    bucket: Bucket, left: Iterable[BatchKey], recipients: bool
) -> asyncio.Task[list[Batch]] | None:
    """Begin to read the next batches; None when there are none."""
    keys = list(islice(left, AT_ONCE))
    return asyncio.create_task(read(bucket, keys, recipients)) if keys else None


async def read(bucket: Bucket, keys: list[BatchKey], recipients: bool) -> list[Batch]:
    wanted = [f"state.{key}" for key in keys]
    if recipients:
        wanted += [f"rows.{key}" for key in keys]
    found = await bucket.many(wanted)
    return [batch(key, found.get(f"state.{key}"), found.get(f"rows.{key}")) for key in keys]


def batch(key: BatchKey, state: Value | None, rows: Value | None) -> Batch:
    return Batch(
        key,
        state is not None,
        legible(codec.decode_state, state.data) if state else None,
        legible(codec.decode_rows, rows.data) if rows else None,
    )


def legible(decode: Callable[[S], T], data: S) -> T | None:
    """None for what this version can't read."""
    try:
        return decode(data)
    except codec.BROKEN:
        return None
