"""Read the whole ledger in bulk: plans and states unordered, batches in order, 250 to a request.

The next request is under way while a result is used, so memory holds two results, however long
the ledger is. A value that this version can't decode is returned as None.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import structlog

from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import DELIVERED_LETTERS, LedgerEntry
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bucket

log = structlog.get_logger()
S = TypeVar("S")
T = TypeVar("T")
BATCHES_PER_REQUEST = 250
"""Batches per request; with their recipients, the bus's limit of keys per request."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One batch as stored; a missing or unreadable part is None."""

    key: BatchKey
    is_stored: bool
    entry: LedgerEntry | None
    rows: BatchRows | None = None

    @property
    def state_key(self) -> str:
        return f"state.{self.key}"


async def read_plans(
    bucket: Bucket, scope: str = ""
) -> AsyncIterator[tuple[str, PlanKey | None, PlanCursor | None]]:
    """Every plan whose key begins with *scope*; one that changes meanwhile may come twice."""
    async for key, value in bucket.values(f"plan.{scope}"):
        plan = decode_or_none(PlanKey.parse, key.removeprefix("plan."))
        yield key, plan, decode_or_none(codec.decode_cursor, value.data)


async def read_states(
    bucket: Bucket, scope: str = "", *, start: int = 1
) -> AsyncIterator[tuple[str, StoredBatch | None]]:
    """Every state whose key begins with *scope*, unordered; as `read_plans`.

    States last changed before sequence *start* are left out.
    """
    async for key, value in bucket.values(f"state.{scope}", start=start):
        named = decode_or_none(BatchKey.parse, key.removeprefix("state."))
        entry = decode_or_none(codec.decode_state, value.data)
        yield key, StoredBatch(named, True, entry) if named else None


async def read_batches(
    bucket: Bucket, keys: Iterable[BatchKey], *, recipients: bool = False
) -> AsyncIterator[StoredBatch]:
    """The batches of *keys*, in this order, missing ones included."""
    left = iter(keys)
    following = _start_read(bucket, left, recipients)
    try:
        while following is not None:
            answer = await following
            following = _start_read(bucket, left, recipients)
            for batch in answer:
                yield batch
    finally:
        if following is not None and not following.done():
            following.cancel()
            await asyncio.wait({following})


def _start_read(
    bucket: Bucket, remaining: Iterable[BatchKey], recipients: bool
) -> asyncio.Task[list[StoredBatch]] | None:
    """Start to read the next batches; None after the last."""
    keys = list(islice(remaining, BATCHES_PER_REQUEST))
    return asyncio.create_task(read_chunk(bucket, keys, recipients)) if keys else None


async def read_chunk(bucket: Bucket, keys: list[BatchKey], recipients: bool) -> list[StoredBatch]:
    wanted = [f"state.{key}" for key in keys]
    if recipients:
        wanted += [f"rows.{key}" for key in keys]
    stored = {key: value.data for key, value in (await bucket.get_many(wanted)).items()}
    return [
        StoredBatch(
            key,
            f"state.{key}" in stored,
            decode_or_none(codec.decode_state, stored.get(f"state.{key}")),
            decode_or_none(codec.decode_rows, stored.get(f"rows.{key}")),
        )
        for key in keys
    ]


async def first_letters(bucket: Bucket, keys: list[str], *, since: int) -> dict[str, int]:
    """Return the letter of each state's first row at sequence *since* of the ledger, or later."""
    values = await bucket.get_many(keys, min_seq=since)
    batches = {key: decode_batch(key, value.data) for key, value in values.items()}
    return {key: batch[1].rows[0] for key, batch in batches.items() if batch and batch[1].rows}


async def has_delivered(bucket: Bucket, channel: ChannelName) -> bool:
    """Whether the ledger has a delivered row of *channel*; reads up to the first one."""
    async for key, value in bucket.values(f"state.{channel}."):
        batch = decode_batch(key, value.data)
        if batch and not DELIVERED_LETTERS.isdisjoint(batch[1].rows):
            return True
    return False


def decode_batch(key: str, data: bytes) -> tuple[BatchKey, LedgerEntry] | None:
    """Decode the state at *key*; None for an unreadable one, which is logged."""
    try:
        return BatchKey.parse(key.removeprefix("state.")), codec.decode_state(data)
    except codec.DECODE_ERRORS as broken:
        log.error("batch_unreadable", key=key, error=type(broken).__name__)
        return None


def decode_or_none(decode: Callable[[S], T], data: S | None) -> T | None:
    """The decoded value, or None if there is none that this version can decode."""
    try:
        return None if data is None else decode(data)
    except codec.DECODE_ERRORS:
        return None
