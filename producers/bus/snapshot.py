"""Snapshots of streams: save and restore."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from producers.bus.connection import Connection, parse_reply
from producers.bus.errors import BusError, NoReply
from producers.bus.retry import until_led

CHUNK_BYTES = 256 << 10
_STALL_TIMEOUT_S = 30.0
_ACTIVATION_TIMEOUT_S = 600.0
"""The time for what the server has received and not stored yet, and to open a large stream."""
_COMPLETE_STATUS = "204"


class Snapshot(NamedTuple):
    """The stream's config and state, needed again for the restore."""

    config: dict[str, Any]
    state: dict[str, Any]


async def save_snapshot(link: Connection, stream: str, sink: Callable[[bytes], object]) -> Snapshot:
    """Pass the stream's snapshot to *sink*, chunk by chunk, without consumers.

    Raises NoReply if the server stops half-way; the chunks are unusable then.
    """
    pieces: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = link.nc.new_inbox()
    request = {
        "deliver_subject": inbox,
        "no_consumers": True,
        "chunk_size": CHUNK_BYTES,
        "jsck": True,
    }
    async with link.awaiting_reply(inbox, _STALL_TIMEOUT_S):
        subscription = await link.nc.subscribe(inbox, cb=pieces.put)
    try:
        reply = await link.api_request(f"STREAM.SNAPSHOT.{stream}", request, _STALL_TIMEOUT_S)
        while (piece := await _next_chunk(pieces, stream)).data:
            sink(piece.data)
            await _acknowledge(link, piece)
    finally:
        await _unsubscribe(subscription)
    _check_end(piece, stream)
    return Snapshot(reply["config"], reply["state"])


async def restore_snapshot(
    link: Connection, stream: str, snapshot: Snapshot, pieces: Iterable[bytes]
) -> None:
    """Restore the stream, which must not exist. Raises BusError."""
    reply = await link.api_request(f"STREAM.RESTORE.{stream}", snapshot._asdict(), _STALL_TIMEOUT_S)
    subject = reply["deliver_subject"]
    for piece in pieces:
        chunk_reply = await _send_piece(link, subject, piece)
        if chunk_reply.data:
            parse_reply(chunk_reply)
    parse_reply(await link.request(subject, timeout_s=_ACTIVATION_TIMEOUT_S))


async def _send_piece(link: Connection, subject: str, piece: bytes) -> Msg:
    """Send a piece of a restore; in a cluster another server may listen, at first unheard of."""
    attempt = partial(link.request, subject, piece, timeout_s=_STALL_TIMEOUT_S)
    return await until_led(attempt, link.closed) if link.is_clustered else await attempt()


async def _next_chunk(pieces: "asyncio.Queue[Msg]", stream: str) -> Msg:
    try:
        async with asyncio.timeout(_STALL_TIMEOUT_S):
            return await pieces.get()
    except TimeoutError:
        raise NoReply(f"the snapshot of {stream} stopped half-way") from None


async def _acknowledge(link: Connection, piece: Msg) -> None:
    """Acknowledge a chunk; the server's flow control waits for it."""
    if piece.reply:
        async with link.awaiting_reply(piece.reply, _STALL_TIMEOUT_S):
            await link.nc.publish(piece.reply)


async def _unsubscribe(subscription: Any) -> None:
    try:
        await subscription.unsubscribe()
    except NatsError as gone:  # the connection was lost with the subscription
        raise NoReply(f"snapshot: {type(gone).__name__}") from gone


def _check_end(last: Msg, stream: str) -> None:
    """Raise BusError for a bad end; servers before 2.15 end a good snapshot without a header."""
    status = (last.headers or {}).get("Status", _COMPLETE_STATUS)
    if status != _COMPLETE_STATUS:
        raise BusError(f"the snapshot of {stream} ended with {status}")
