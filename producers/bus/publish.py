"""Publish one message and wait for the acknowledgement."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from producers.bus.connection import Connection, parse_reply
from producers.bus.retry import retry_until, until_led


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
        link.liveness.stored(time.monotonic())
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
