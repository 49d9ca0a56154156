"""Publish one message, or an atomic batch of entries, and wait for the acknowledgement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from producers.bus.connection import Connection, parse_reply
from producers.bus.errors import BusError
from producers.bus.retry import retry_until, until_led

_MAX_ENTRIES = 1000
EXPECTED_REVISION_HEADER = "Nats-Expected-Last-Subject-Sequence"


class Ack(NamedTuple):
    """Stream and sequence of a message; `duplicate`: it was stored before under the same id."""

    stream: str
    seq: int
    duplicate: bool = False


async def publish_once(
    link: Connection, subject: str, body: bytes, headers: Mapping[str, str], timeout_s: float
) -> Ack:
    """One attempt that may be stored. Raises NoReply if the result is unknown.

    In a cluster it waits for a leader, which has not heard of it before.
    """

    async def attempt() -> Ack:
        reply = parse_reply(await link.request(subject, body, headers, timeout_s))
        link.note_stored()
        return Ack(reply["stream"], reply["seq"], reply.get("duplicate", False))

    return await until_led(attempt, link.closed) if link.is_clustered else await attempt()


async def publish_with_retry(
    link: Connection,
    subject: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float = 5.0,
    patience_s: float = 30.0,
) -> Ack:
    """Publish; repeat after NoReply. With a Nats-Msg-Id in *headers*, repeats are stored once."""

    async def attempt() -> Ack:
        return await publish_once(link, subject, body, headers, timeout_s)

    return await retry_until(attempt, patience_s, link.closed)


def timer_headers(at: datetime, target: str) -> dict[str, str]:
    """Headers that schedule a message for *target* at *at* (at once for a past time)."""
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"Nats-Schedule": f"@at {moment}", "Nats-Schedule-Target": target}


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One entry; `expected_revision`: what it replaces, 0 for "must not exist", None for any."""

    key: str
    data: bytes
    expected_revision: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


async def commit_batch(
    link: Connection, prefix: str, entries: Sequence[BatchEntry], timeout_s: float
) -> int:
    """Store *entries* atomically; return the revision of the last one.

    Raises RevisionConflict if one expectation fails and NoReply if the result is unknown: a server
    that dies in the middle completes the batch or rolls it back at restart. After a disk error a
    part is readable until then, while the bucket accepts no writes.
    """
    if not 1 <= len(entries) <= _MAX_ENTRIES:
        raise ValueError(f"an atomic batch has 1 to {_MAX_ENTRIES} entries, not {len(entries)}")

    async def attempt() -> int:
        return await _commit(link, prefix, entries, timeout_s)

    return await until_led(attempt, link.closed) if link.is_clustered else await attempt()


async def _commit(
    link: Connection, prefix: str, entries: Sequence[BatchEntry], timeout_s: float
) -> int:
    """One batch. Raises NoLeader if no server took its commit, and stores none of it then."""
    batch = uuid4().hex
    async with link.awaiting_reply(prefix, timeout_s):
        for number, entry in enumerate(entries[:-1], 1):
            await _send_entry(link, prefix + entry.key, entry, _batch_headers(batch, number, entry))
        last = entries[-1]
        headers = _batch_headers(batch, len(entries), last) | {"Nats-Batch-Commit": "1"}
        reply = parse_reply(await link.request(prefix + last.key, last.data, headers, timeout_s))
    link.note_stored()
    if reply.get("count") != len(entries):
        raise BusError(f"{reply.get('count')} of {len(entries)} entries were committed")
    return int(reply["seq"])


async def _send_entry(
    link: Connection, subject: str, entry: BatchEntry, headers: dict[str, str]
) -> None:
    """Send one entry; only the first is answered, with an empty reply when the batch is open."""
    if headers["Nats-Batch-Sequence"] != "1":
        await link.nc.publish(subject, entry.data, headers=headers)
        return
    opened = await link.request(subject, entry.data, headers)
    if opened.data:
        raise BusError(f"the batch was not opened: {parse_reply(opened)}")


def _batch_headers(batch: str, number: int, entry: BatchEntry) -> dict[str, str]:
    headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number), **entry.headers}
    if entry.expected_revision is not None:
        headers[EXPECTED_REVISION_HEADER] = str(entry.expected_revision)
    return headers
