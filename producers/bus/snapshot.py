"""A stream as bytes: the server's own snapshot of it, and the way back."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from producers.bus.errors import BusError, Silence
from producers.bus.link import Link, answer

CHUNK_BYTES = 256 << 10
QUIET_S = 30.0
COMPLETE = "204"


class Snapshot(NamedTuple):
    """What the server says of a stream that it hands out; it wants the same to take it back."""

    config: dict[str, Any]
    state: dict[str, Any]


async def save(link: Link, stream: str, take: Callable[[bytes], object]) -> Snapshot:
    """Hand the stream's snapshot to *take*, piece by piece; consumers are left out.

    Raises Silence when the server falls silent half-way: what was taken is worth nothing then.
    """
    pieces: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = link.nc.new_inbox()
    wish = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK_BYTES, "jsck": True}
    async with link.answering(inbox, QUIET_S):
        listening = await link.nc.subscribe(inbox, cb=pieces.put)
    try:
        said = await link.api(f"STREAM.SNAPSHOT.{stream}", wish, QUIET_S)
        while (piece := await _next(pieces, stream)).data:
            take(piece.data)
            await _go_on(link, piece)
    finally:
        await _stop(listening)
    _check_end(piece, stream)
    return Snapshot(said["config"], said["state"])


async def restore(link: Link, stream: str, snapshot: Snapshot, pieces: Iterable[bytes]) -> None:
    """Make the stream again, which must not exist. Raises BusError when the server can't."""
    said = await link.api(f"STREAM.RESTORE.{stream}", snapshot._asdict(), QUIET_S)
    for piece in pieces:
        taken = await link.ask(said["deliver_subject"], piece, timeout_s=QUIET_S)
        if taken.data:
            answer(taken)
    answer(await link.ask(said["deliver_subject"], timeout_s=QUIET_S))


async def _next(pieces: "asyncio.Queue[Msg]", stream: str) -> Msg:
    try:
        async with asyncio.timeout(QUIET_S):
            return await pieces.get()
    except TimeoutError:
        raise Silence(f"the snapshot of {stream} stopped half-way") from None


async def _go_on(link: Link, piece: Msg) -> None:
    """The server sends more only as far as it knows that we keep up."""
    if piece.reply:
        async with link.answering(piece.reply, QUIET_S):
            await link.nc.publish(piece.reply)


async def _stop(listening: Any) -> None:
    try:
        await listening.unsubscribe()
    except NatsError as gone:  # the connection went, and the subscription with it
        raise Silence(f"snapshot: {type(gone).__name__}") from gone


def _check_end(last: Msg, stream: str) -> None:
    """Servers before 2.15 end a good snapshot without a header."""
    status = (last.headers or {}).get("Status", COMPLETE)
    if status != COMPLETE:
        raise BusError(f"the snapshot of {stream} ended with {status}")
