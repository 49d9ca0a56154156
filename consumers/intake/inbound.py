"""Move what units publish on the bus from their inbound streams to CONTENT.

The stream proves the unit: only its account reaches it. Everything else reads CONTENT alone, so a
message is removed from the inbound stream once CONTENT has it, under an id that is Loa's own. A
repeat after a crash is harmless, because an event is known by its id. What a unit sends after its
last key was revoked becomes a dead letter: a server may go on letting that key in.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial

import structlog
from nats.aio.msg import Msg

from consumers.dead_letters.redaction import redact
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.records import UnitPolicy
from producers.bus import Bus, BusError, NoReply, StorageFull, records, topology
from producers.bus.periodic import every
from producers.seals import NotSealed

log = structlog.get_logger()
_LOOK_S = 2.0
_RETRY_S = 1.0
_PATIENCE_S = 5.0
_ACK_TIMEOUT_S = 2.0
_EVENT_HEADER = re.compile(r"content-type|ce-[!-9;-~]+|traceparent|tracestate", re.IGNORECASE)
"""Headers of an event and of its trace.

Others would mean something to the server, or to readers of the stream.
"""
REVOKED_HEADER = "Loa-Revoked"
"""Header of an event sent under a revoked key; intake refuses the event."""
_KIND = re.compile("[a-z]+")
_UNKNOWN_KIND = "unknown"


class InboundMover:
    """Follows the inbound stream of every unit, also of one that is registered meanwhile."""

    def __init__(self, bus: Bus, durables: set[tuple[str, str]] | None = None) -> None:
        """*durables*: streams and consumers over which the process watches; ours are added."""
        self.bus = bus
        self.durables = set() if durables is None else durables
        self.units = bus.bucket(subjects.UNITS.name)
        self._following: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            await every(_LOOK_S, partial(self._look, group))

    async def _look(self, group: asyncio.TaskGroup) -> None:
        """Begin with new streams, and end with those that are gone."""
        present = await topology.inbound_stream_names(self.bus)
        for stream in set(self._following) - set(present):
            self._following.pop(stream).cancel()
            self.durables.discard((stream, subjects.INTAKE))
        for stream in set(present) - set(self._following):
            follow = every(_RETRY_S, partial(self.follow, stream))
            self._following[stream] = group.create_task(follow)
            self.durables.add((stream, subjects.INTAKE))
            log.info("inbound_stream_followed", unit=subjects.unit_of_inbound(stream))

    async def follow(self, stream: str) -> None:
        """Move the messages of *stream*, one after another. Raises BusError."""
        async with self.bus.pull(stream, subjects.INTAKE) as pull:
            while True:
                if msg := await pull.next():
                    await self.move(stream, msg)

    async def move(self, stream: str, msg: Msg) -> None:
        """Store one message on CONTENT, then remove it here. Raises BusError."""
        where = msg.metadata
        msg_id = f"{stream}.{where.sequence.stream}.{where.timestamp.isoformat()}"
        kind = msg.subject.rpartition(".")[2]
        kind = kind if _KIND.fullmatch(kind) else _UNKNOWN_KIND
        unit = subjects.unit_of_inbound(stream)
        mark = {REVOKED_HEADER: "1"} if await self._is_revoked(unit, where.timestamp) else {}
        await self._store(subjects.content(unit, kind), msg, msg_id, mark)
        crash_point("intake.moved")
        if redact(msg.subject, msg.headers or {}, msg.data).left_out:
            await self.bus.erase_message(stream, where.sequence.stream)
        await self.bus.connection.request(msg.reply, b"+ACK", timeout_s=_ACK_TIMEOUT_S)

    async def _is_revoked(self, unit: str, sent: datetime) -> bool:
        """Whether the unit had no key any more when it sent a message."""
        try:
            known = (await records.read(self.units, unit, UnitPolicy)).value
        except NotSealed:  # no registration of Loa's: the event waits for the desk
            return False
        return known is not None and known.bus_ended is not None and sent > known.bus_ended

    async def _store(self, subject: str, msg: Msg, msg_id: str, mark: Mapping[str, str]) -> None:
        """Store on CONTENT, without the event's headers if the server refuses them."""
        store = partial(self.bus.publish, subject, msg.data, msg_id=msg_id, patience_s=_PATIENCE_S)
        try:
            await store(headers={**_event_headers(msg.headers or {}), **mark})
        except (NoReply, StorageFull):
            raise
        except BusError as error:
            log.warning("inbound_headers_dropped", stored_as=msg_id, reason=str(error))
            await store(headers=mark)


def _event_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if _EVENT_HEADER.fullmatch(name)}
