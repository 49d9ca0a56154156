"""Client for other systems: checks events, publishes with retries, spools when offline."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import structlog
from pydantic import WithJsonSchema

from contracts.base.crash_points import crash_point
from contracts.cloudevent import CloudEvent
from contracts.envelope import from_structured
from contracts.errors import ContractError, FieldWarning, Forbidden, Unavailable
from contracts.events import CheckedEvent
from contracts.vocabulary import DEFAULT, Vocabulary
from producers.access import Access
from producers.admission import RETRY_AFTER_S, admit, send_event, unavailable_error
from producers.bus import AccessRefused, Bus, BusError, Denied, NoReply
from producers.spool import Spool
from producers.texts import get_text

log = structlog.get_logger()
_TRY_AGAIN_S = 60.0
"""How long `publish` leaves denied events of other units alone."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Stored. A withdrawal has no revision.

    `duplicate`: it was there before; None over HTTP, where a repeat gets the first answer again.
    `trial`: sent with a key for trials.
    """

    event_id: str
    content_id: str
    revision: int | None
    duplicate: Annotated[bool | None, WithJsonSchema({"type": "boolean"})]  # never None on the bus
    warnings: tuple[FieldWarning, ...] = ()
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Spooled:
    """The event is stored in `path`, behind all older ones; `drain` sends it.

    Where another call or process was draining, it goes with that drain, or with the next.
    """

    event_id: str
    content_id: str
    revision: int | None
    path: Path
    warnings: tuple[FieldWarning, ...] = ()


@dataclass(slots=True)
class Drained:
    """Result of draining: sent events, files set aside as refused, number of events left.

    Of those left, `denied` wait for a right: the key may not publish on `denied_subjects`, and what
    follows in an item waits with it. All others go on. `is_elsewhere`: another call or process is
    draining, and sends what is left.
    """

    accepted: list[Accepted] = field(default_factory=list)
    refused: list[Path] = field(default_factory=list)
    left: int = 0
    denied: list[Path] = field(default_factory=list)
    denied_subjects: set[str] = field(default_factory=set)
    waiting_items: set[str] = field(default_factory=set)
    is_elsewhere: bool = False

    def must_wait(self, event: CheckedEvent) -> bool:
        return event.subject in self.denied_subjects or event.content_id in self.waiting_items


class _Denied(NamedTuple):
    """The denied subject for which a spooled event waits, and its item."""

    subject: str
    content_id: str


class Publisher:
    """Publishes the events of one unit. `bus` is a live connection, a URL, or None (spool only).

    With a `spool` folder an event outlives an outage of the bus and of this process; older events
    are always sent first. Use it as `async with Publisher(...) as publisher`. `refusal` says why
    the server refuses `access`, or a right to events that wait; None if all is well.
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
        self._turn, self._drain_turn = asyncio.Lock(), asyncio.Lock()
        self._closings = 0
        self._not_before: dict[str, float] = {}  # other units' subjects that were denied
        self._denied: dict[Path, _Denied] = {}  # spooled events that wait for a right

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def bus(self) -> Bus | None:
        """The live connection, if there is one."""
        return self._bus

    async def close(self) -> None:
        """Close the connection, unless the caller opened it.

        A drain under way ends after the event that it is sending, and leaves the others to the next
        one; that event may first wait for a connection.
        """
        self._closings += 1
        async with self._drain_turn:
            if self._url and self._bus:
                await self._bus.close()
                self._bus = None

    async def publish(
        self, event: CloudEvent | Mapping[str, Any], *, time_limit_s: float | None = None
    ) -> Accepted | Spooled:
        """Check *event* and store it on the stream, or in the spool while the bus is unavailable.

        Raises ContractError naming each wrong field; Forbidden if the key may not publish the
        unit's events, of which the spool keeps a copy as refused; Unavailable if the bus is
        unavailable, or many older events take longer than *time_limit_s*, and the spool is missing
        or full. A repeat is harmless.
        """
        if not isinstance(event, CloudEvent):
            event = from_structured(dict(event))
        admitted = admit(event, self.unit, self.vocabulary)
        try:
            async with asyncio.timeout(time_limit_s) as limit, self._turn:
                return await self._send_in_turn(admitted, limit)
        except TimeoutError as late:
            return await self._keep(admitted, late)

    async def _send_in_turn(
        self, admitted: CheckedEvent, limit: asyncio.Timeout
    ) -> Accepted | Spooled:
        """Send older events, then this one, or keep it; *limit* ends no keeping."""
        drained = await self._drain(self._denied_lately())
        try:
            if admitted.subject in drained.denied_subjects:
                raise Denied(admitted.subject)
            if self.spool and self._comes_behind(admitted, drained):
                until = limit.when()
                limit.reschedule(None)
                kept = await asyncio.to_thread(keep, self.spool, admitted)
                if drained.is_elsewhere:  # the other may have ended before the event was kept
                    await self._drain_until(until)
                return kept
            return await self._send(admitted)
        except Denied as denied:
            raise await self._forbid(admitted, denied) from denied
        except BusError as error:
            limit.reschedule(None)
            return await self._keep(admitted, error)

    async def _drain_until(self, end: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await self._drain(self._denied_lately())

    async def _keep(self, admitted: CheckedEvent, reason: Exception) -> Spooled:
        log.warning("bus_away", event_id=admitted.event_id, reason=str(reason))
        if self.spool is None:
            raise unavailable_error() from reason
        return await asyncio.to_thread(keep, self.spool, admitted)

    async def drain(self) -> Drained:
        """Send spooled events, oldest first, until none is left or the bus is unavailable.

        `publish` does not wait for it: meanwhile new events are kept, and it sends them, too.
        """
        return await self._drain(set())

    def _comes_behind(self, event: CheckedEvent, drained: Drained) -> bool:
        """Whether spooled events have to be sent first: all, or those of its item."""
        return drained.left > len(drained.denied) or event.content_id in drained.waiting_items

    def _denied_lately(self) -> set[str]:
        """Subjects of other units that are not tried again yet: each try takes `patience_s`."""
        now = time.monotonic()
        return {subject for subject, until in self._not_before.items() if now < until}

    async def _drain(self, denied_subjects: set[str]) -> Drained:
        """Drain the spool unless another call or process is draining it."""
        drained = Drained(denied_subjects=denied_subjects)
        if not self.spool or not self.spool.waiting():
            self.refusal = None
            return drained
        closings = self._closings
        while await self._drain_once(self.spool, drained, closings):
            pass  # look again: others are kept until the lock is given back
        drained.left = len(self.spool.waiting())
        return drained

    async def _drain_once(self, spool: Spool, drained: Drained, closings: int) -> bool:
        """Whether all that waited, but for denied events, was sent."""
        if not _others(spool.waiting(), drained.denied):
            return False
        with spool.draining() as is_drainer, suppress(BusError):
            drained.is_elsewhere = not is_drainer
            if is_drainer:
                async with self._drain_turn:
                    return await self._send_waiting(spool, drained, closings)
        return False

    async def _send_waiting(self, spool: Spool, drained: Drained, closings: int) -> bool:
        """Whether all were sent, and the publisher was not closed again since *closings*."""
        if not drained.denied:
            self.refusal = None
        try:
            for path in _others(spool.waiting(), drained.denied):
                if self._closings != closings:
                    return False
                await self._send_spooled(spool, path, drained)
            return self._closings == closings
        finally:
            self._denied = {path: self._denied[path] for path in drained.denied}

    async def _send_spooled(self, spool: Spool, path: Path, drained: Drained) -> None:
        known = self._denied.get(path)
        if known and known.subject in drained.denied_subjects:  # read no file each time
            self._keep_waiting(path, known, drained)
            return
        try:
            spooled = spool.read(path)
            event = admit(spooled.event, spooled.unit, self.vocabulary)
            is_sent = await self._send_unless_denied(event, drained)
        except ContractError as error:
            set_aside(spool, path, error, drained)
            return
        if is_sent:
            crash_point("spool.sent")
            spool.remove(path)
        else:
            self._keep_waiting(path, _Denied(event.subject, event.content_id), drained)

    def _keep_waiting(self, path: Path, denied: _Denied, drained: Drained) -> None:
        """Leave an event that waits for a right; it holds up its item, and no other."""
        self._denied[path] = denied
        drained.denied.append(path)
        drained.waiting_items.add(denied.content_id)
        self.refusal = self.refusal or self._as_refusal(Denied(denied.subject))

    async def _send_unless_denied(self, event: CheckedEvent, drained: Drained) -> bool:
        """Whether *event* is sent.

        A right may come later, and another process with another key may share the spool; so what
        was promised is never set aside for a denial.
        """
        if not drained.must_wait(event):
            try:
                drained.accepted.append(await self._send(event))
            except Denied:
                drained.denied_subjects.add(event.subject)
                log.error(
                    "spooled_event_denied", event_id=event.event_id, bus_subject=event.subject
                )
                if event.unit != self.unit:
                    self._not_before[event.subject] = time.monotonic() + _TRY_AGAIN_S
            else:
                return True
        return False

    async def _forbid(self, event: CheckedEvent, denied: Denied) -> Forbidden:
        """The error of an event that the key may not publish; a copy is kept as refused."""
        self.refusal = self._as_refusal(denied)
        text = get_text("access", "denied", subject=event.subject, unit=event.unit)
        error = Forbidden(text.as_field_error(self._access.variable))
        log.error("event_denied", event_id=event.event_id, bus_subject=event.subject)
        if self.spool:
            try:
                await asyncio.to_thread(self.spool.keep_refused, event, str(error))
            except OSError as full:
                log.error("event_not_kept", event_id=event.event_id, reason=full.strerror)
        return error

    def _as_refusal(self, denied: Denied) -> AccessRefused:
        return AccessRefused(str(denied), self._access.variable)

    async def _send(self, event: CheckedEvent) -> Accepted:
        bus = await self._connected()
        ack = await send_event(bus, event, patience_s=self.patience_s)
        crash_point("publisher.stored")
        log.info("event_published", event_id=event.event_id, duplicate=ack.duplicate)
        ids = event.event_id, event.content_id, event.revision
        return Accepted(*ids, duplicate=ack.duplicate, warnings=event.warnings)

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


def keep(spool: Spool, admitted: CheckedEvent) -> Spooled:
    """Keep an event behind all older ones. Raises Unavailable if the disk refuses."""
    with _naming_disk(spool, event_id=admitted.event_id):
        return _spooled(admitted, spool.append(admitted))


def keep_batch(spool: Spool, admitted: Sequence[CheckedEvent]) -> list[Spooled]:
    """Keep events as `keep` does, all or none."""
    with _naming_disk(spool, events=len(admitted)):
        return list(map(_spooled, admitted, spool.append_batch(admitted)))


@contextmanager
def _naming_disk(spool: Spool, **refused: object) -> Iterator[None]:
    """Raise Unavailable, which names the folder, if the disk refuses."""
    try:
        yield
    except OSError as error:
        log.error("event_not_kept", reason=error.strerror, **refused)
        facts = {"folder": spool.folder.absolute(), "detail": error.strerror}
        refusal = get_text("cli", "not_kept", **facts).as_field_error("spool")
        raise Unavailable(refusal, retry_after_s=RETRY_AFTER_S) from error


def _spooled(admitted: CheckedEvent, path: Path) -> Spooled:
    log.info("event_spooled", event_id=admitted.event_id)
    ids = admitted.event_id, admitted.content_id, admitted.revision
    return Spooled(*ids, path, admitted.warnings)


def set_aside(spool: Spool, path: Path, error: ContractError, drained: Drained) -> None:
    """Move a spooled event that is refused out of the way of later ones."""
    drained.refused.append(spool.set_aside(path, str(error)))
    log.error("spooled_event_refused", file=path.name, code=error.code)


def _others(waiting: list[Path], denied: list[Path]) -> list[Path]:
    known = set(denied)
    return [path for path in waiting if path not in known]


async def drain(
    bus: Bus, spool: Path, *, vocabulary: Vocabulary = DEFAULT, patience_s: float = 5.0
) -> Drained:
    """Send the events of all units in the folder *spool*; each file names its unit."""
    return await Publisher(bus, "", spool, vocabulary=vocabulary, patience_s=patience_s).drain()
