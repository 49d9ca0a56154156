"""The audit log: the stream AUDIT, to which records are only ever added."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from getpass import getuser
from typing import TypeVar

import structlog

from consumers.audit.chain import EMPTY_HASH, AuditRecord, ChainHead, Step, chain_hash
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.errors import ContractError
from producers.bus import (
    Bus,
    BusError,
    Message,
    NoReply,
    RevisionConflict,
    StorageFull,
    topology,
)
from producers.bus.publish import publish_once
from producers.seals import message_problem

log = structlog.get_logger()
T = TypeVar("T")
_ADDRESS = re.compile(r"\S+@\S+")
_REASON_MAX = 500
_MAX_TRIES = 50
_TIMEOUT_S = 5.0
_OPEN_AFTER = timedelta(hours=1)
"""An act without an outcome after that time was cut short."""
_OPEN_AMONG = 5_000
"""How many of the last records are searched for open acts."""


@dataclass(frozen=True)
class Act:
    """An operation to record. Without an actor it is the user of the operating system."""

    action: str
    object: str = ""
    actor: str = ""
    before: str = ""
    after: str = ""
    reason: str = ""
    role: str = ""
    session: str = ""

    def to_record(self, link: ChainHead, at: Clock, step: Step, of: int) -> AuditRecord:
        """The record behind the end *link* of the chain."""
        return AuditRecord(
            n=link.n + 1,
            at=utc_now(at),
            actor=self.actor.strip() or _system_user(),
            role=self.role,
            session=self.session,
            action=self.action,
            object=_ADDRESS.sub("…", self.object),
            before=self.before,
            after=_ADDRESS.sub("…", self.after),
            reason=_ADDRESS.sub("…", self.reason)[:_REASON_MAX],
            step=step,
            of=of,
            prev=link.h,
        )


def _system_user() -> str:
    """The user of the operating system, or "?"."""
    try:
        return getuser()
    except (OSError, KeyError):
        return "?"


@dataclass(frozen=True)
class AuditLog:
    """Adds records by compare-and-set on the stream's last sequence."""

    bus: Bus
    clock: Clock

    async def record(self, act: Act, step: Step = Step.DONE, of: int = 0) -> int:
        """Add one record and return its number. Raises BusError."""
        for _ in range(_MAX_TRIES):
            record = act.to_record(await self.head(), self.clock, step, of)
            if await self._append(record):
                return record.n
        raise RevisionConflict(f"{subjects.AUDIT.name} changed {_MAX_TRIES} times")

    async def perform(self, act: Act, work: Callable[[], Awaitable[T]]) -> T:
        """Write the intent, do the work, write its outcome. Raises what *work* raises."""
        intent = await self.record(act, Step.INTENT)
        crash_point("audit.intended")
        try:
            result = await work()
        except (ContractError, BusError):
            await self.try_record(act, Step.FAILED, intent)
            raise
        crash_point("audit.acted")
        await self.try_record(act, Step.DONE, intent)
        return result

    async def try_record(self, act: Act, step: Step = Step.DONE, of: int = 0) -> None:
        """Record an outcome, if the bus answers; otherwise `finish_interrupted` does it later."""
        try:
            await self.record(act, step, of)
        except BusError as error:
            log.warning("audit_outcome_unwritten", record=of, error=type(error).__name__)

    async def head(self) -> ChainHead:
        """The end of the chain. Raises BusError."""
        last = await self.bus.last_message(subjects.AUDIT.name, subjects.AUDIT_RECORD)
        if last is None:
            state = (await self.bus.stream_info(subjects.AUDIT.name))["state"]
            if state["messages"]:  # another writer was first, just now
                return await self.head()
            return ChainHead(n=state["last_seq"], h=EMPTY_HASH)
        return ChainHead(n=last.seq, h=chain_hash(_previous_hash(last), last.data))

    async def has(self, head: ChainHead) -> bool:
        """Whether the record with the number of *head* has its hash. Raises BusError."""
        if head.h == EMPTY_HASH:
            return True
        stored = await self.bus.get_message(subjects.AUDIT.name, head.n)
        return stored is not None and chain_hash(_previous_hash(stored), stored.data) == head.h

    async def first_unsealed(self, start: int) -> int | None:
        """The first record from number *start* on that Loa did not write. Raises BusError."""
        async for message in self.messages(start):
            if await message_problem(self.bus, message):
                return message.seq
        return None

    def messages(self, start: int = 1) -> AsyncIterator[Message]:
        return self.bus.scan(subjects.AUDIT.name, start=start)

    async def finish_interrupted(self) -> None:
        """Write an outcome for acts that a crash has left open. Raises BusError."""
        head = await self.head()
        opened: dict[int, AuditRecord] = {}
        async for message in self.messages(max(head.n - _OPEN_AMONG, 1)):
            record = parse_record(message)
            if record and record.step is Step.INTENT:
                opened[record.n] = record
            elif record:
                opened.pop(record.of, None)
        late = utc_now(self.clock) - _OPEN_AFTER
        for record in opened.values():
            if record.at <= late:
                act = Act(record.action, record.object, record.actor, role=record.role)
                await self.record(act, Step.INTERRUPTED, record.n)

    async def _append(self, record: AuditRecord) -> bool:
        """Add *record*; False if another one was first. The log may be closed by a cut."""
        try:
            return await self._try_append(record)
        except StorageFull:
            await asyncio.sleep(topology.CUT_PATIENCE_S)
            await topology.lift_limit(self.bus, subjects.AUDIT.name)
            return await self._try_append(record)

    async def _try_append(self, record: AuditRecord) -> bool:
        body = record.encode()
        seals = self.bus.seals_of(subjects.AUDIT_RECORD)
        headers = {"Nats-Expected-Last-Sequence": str(record.n - 1)}
        headers |= seals.headers(subjects.AUDIT_RECORD, body) if seals else {}
        link = self.bus.connection
        try:
            await publish_once(link, subjects.AUDIT_RECORD, body, headers, _TIMEOUT_S)
        except RevisionConflict:
            return False
        except NoReply:
            stored = await self.bus.get_message(subjects.AUDIT.name, record.n)
            return stored is not None and stored.data == body
        return True


def _previous_hash(message: Message) -> str:
    record = parse_record(message)
    return record.prev if record else EMPTY_HASH


def parse_record(message: Message) -> AuditRecord | None:
    """The record in *message*; a foreign message, which `loa audit verify` names, is none."""
    try:
        return AuditRecord.model_validate_json(message.data)
    except ValueError:
        return None
