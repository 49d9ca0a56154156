"""Client for other systems: checks events, publishes with retries, spools when offline."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import structlog

from contracts.base.crash_points import crash_point
from contracts.cloudevent import CloudEvent
from contracts.envelope import from_structured
from contracts.errors import ContractError, Unavailable
from contracts.events import CheckedEvent
from contracts.vocabulary import DEFAULT, Vocabulary
from producers.access import Access
from producers.admission import RETRY_AFTER_S, admit, send_event, unavailable_error
from producers.bus import AccessRefused, Bus, BusError, Denied, NoReply
from producers.spool import Spool
from producers.texts import get_text

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Accepted:
    """Stored on the stream; `duplicate`: it was there before. A withdrawal has no revision."""

    event_id: str
    content_id: str
    revision: int | None
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Spooled:
    """The event is stored in `path`, behind all older ones; `drain` sends it."""

    event_id: str
    content_id: str
    revision: int | None
    path: Path


@dataclass(frozen=True, slots=True)
class Drained:
    """Result of draining: sent events, files set aside as refused, number of events left."""

    accepted: list[Accepted] = field(default_factory=list)
    refused: list[Path] = field(default_factory=list)
    left: int = 0


class Publisher:
    """Publishes the events of one unit. `bus` is a live connection, a URL, or None (spool only).

    With a `spool` folder an event outlives an outage of the bus and of this process; older events
    are always sent first. Use it as `async with Publisher(...) as publisher`. `refusal` is set
    while the server refuses `access`: events are kept, until the credentials are put right.
    """

    def __init__(
        self,
        bus: Bus | str | None,
        unit: str,
        spool: Path | None = None,
        *,
        vocabulary: Vocabulary = DEFAULT,
        creds_file: Path | None = None,
        access: Access | None = None,
        patience_s: float = 5.0,
    ) -> None:
        self.unit = unit
        self.spool = Spool(spool) if spool else None
        self.vocabulary = vocabulary
        self.patience_s = patience_s
        self._url = bus if isinstance(bus, str) else None
        self._bus = None if isinstance(bus, str) else bus
        self.refusal: AccessRefused | None = None
        self._access = access or Access(creds_file)
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, unless the caller opened it."""
        if self._url and self._bus:
            await self._bus.close()
            self._bus = None

    async def publish(self, event: CloudEvent | Mapping[str, Any]) -> Accepted | Spooled:
        """Check *event* and store it on the stream, or in the spool while the bus is unavailable.

        Raises ContractError naming each wrong field; Unavailable if the bus is unavailable and the
        spool is missing or full. A repeat is harmless.
        """
        if not isinstance(event, CloudEvent):
            event = from_structured(dict(event))
        admitted = admit(event, self.unit, self.vocabulary)
        async with self._turn:
            if self.spool and (await self._drain(self.spool)).left:
                return await self._spool_event(self.spool, admitted)
            try:
                return await self._send(admitted)
            except BusError as error:
                log.warning("bus_away", event_id=admitted.event_id, reason=str(error))
                if self.spool is None:
                    raise unavailable_error() from error
                return await self._spool_event(self.spool, admitted)

    async def drain(self) -> Drained:
        """Send spooled events, oldest first, until none is left or the bus is unavailable."""
        if not self.spool:
            return Drained()
        async with self._turn:
            return await self._drain(self.spool)

    async def _drain(self, spool: Spool) -> Drained:
        """Drain the spool unless another process is draining it."""
        if not spool.waiting():
            return Drained()
        accepted: list[Accepted] = []
        refused: list[Path] = []
        with spool.draining() as is_drainer, suppress(BusError):
            while is_drainer and (waiting := spool.waiting()):
                for path in waiting:
                    await self._send_spooled(spool, path, accepted, refused)
        return Drained(accepted, refused, len(spool.waiting()))

    async def _send_spooled(
        self, spool: Spool, path: Path, accepted: list[Accepted], refused: list[Path]
    ) -> None:
        try:
            spooled = spool.read(path)
            accepted.append(await self._send(admit(spooled.event, spooled.unit, self.vocabulary)))
        except ContractError as error:
            refused.append(spool.set_aside(path))
            log.error("spooled_event_refused", file=path.name, code=error.code)
        else:
            crash_point("spool.sent")
            spool.remove(path)

    async def _send(self, event: CheckedEvent) -> Accepted:
        bus = await self._connected()
        try:
            ack = await send_event(bus, event, patience_s=self.patience_s)
        except Denied as denied:
            self.refusal = AccessRefused(str(denied), self._access.variable)
            raise
        self.refusal = None
        crash_point("publisher.stored")
        log.info("event_published", event_id=event.event_id, duplicate=ack.duplicate)
        return Accepted(event.event_id, event.content_id, event.revision, duplicate=ack.duplicate)

    async def _connected(self) -> Bus:
        if self._bus is None:
            if self._url is None:
                raise NoReply("no server is known")
            self._bus = await self._connect(self._url)
        return self._bus

    async def _connect(self, url: str) -> Bus:
        self.refusal, name = None, f"loa-client-{self.unit}"
        try:
            return await Bus.connect(
                url, name=name, access=self._access, patience_s=self.patience_s
            )
        except AccessRefused as refused:
            self.refusal = refused
            raise

    async def _spool_event(self, spool: Spool, admitted: CheckedEvent) -> Spooled:
        try:
            path = await asyncio.to_thread(spool.append, admitted)
        except OSError as error:
            log.error("event_not_kept", event_id=admitted.event_id, reason=error.strerror)
            refusal = get_text("cli", "not_kept", detail=error.strerror).as_field_error("spool")
            raise Unavailable(refusal, retry_after_s=RETRY_AFTER_S) from error
        log.info("event_spooled", event_id=admitted.event_id)
        return Spooled(admitted.event_id, admitted.content_id, admitted.revision, path)


async def drain(
    bus: Bus, spool: Path, *, vocabulary: Vocabulary = DEFAULT, patience_s: float = 5.0
) -> Drained:
    """Send the events of all units in the folder *spool*; each file names its unit."""
    return await Publisher(bus, "", spool, vocabulary=vocabulary, patience_s=patience_s).drain()
