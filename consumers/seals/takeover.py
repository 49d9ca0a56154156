"""Take over what was stored before seals existed, or under a replaced key.

The moment of the take-over is recorded once, under a seal of its own: in bucket `control`, and in
a file of each machine, so that its removal from the bus has no effect. Messages stored later need
a seal. Of two records the later one counts: both are genuine and lie in the past, so neither admits
a new message, but the earlier one may refuse what a restored backup holds.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog
from pydantic import AwareDatetime, BaseModel, ValidationError

from consumers.errors import KeyFileBroken
from consumers.key_file import DerivedKeys, find_key_file
from consumers.private_files import replace_file
from consumers.seals.publications import PURPOSE, PublicationSeals
from consumers.seals.records import (
    NOTHING_BEFORE,
    SEALED_FIRST,
    SEALED_LATER,
    TAKE_OVER_PURPOSE,
    TakenOverUntil,
    nothing_before,
    refuse_writes,
    seal_records,
    sealer,
)
from contracts import subjects
from contracts.base.seals import Sealer, SealState
from contracts.base.times import Clock, format_utc, utc_now
from contracts.errors import Invalid
from producers.bus import Bucket, Bus, BusError, RevisionConflict, Value
from producers.seals import BucketSeals

log = structlog.get_logger()
TAKE_OVER_KEY = "seals.publications"
_ROLLING_UPGRADE = timedelta(minutes=2)
"""How long a release by a process of the version without seals may follow the take-over."""
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
_SEALED_FIRST = (subjects.PUBLICATIONS.name, *(f"KV_{name}" for name in SEALED_FIRST))
_SEALED_LATER = (
    *(subjects.RECEIPTS.name, subjects.AUDIT.name, subjects.EDITORIAL.name),
    *(f"KV_{name}" for name in SEALED_LATER),
)
_SMALL_BUCKETS = (subjects.UNITS.name, subjects.STAFF.name)
"""Sealed buckets that a start can read as a whole; the ledger may have millions of entries."""


class TakeOverRecord(BaseModel):
    """A record: messages stored until then need no seal; the register proves publications.

    *later_until*: the same for what was sealed later; None before that was sealed.
    """

    until: AwareDatetime
    later_until: AwareDatetime | None = None
    seal: str = ""

    @property
    def times(self) -> tuple[datetime, datetime]:
        return self.until, self.later_until or _NEVER

    @property
    def sealed_part(self) -> bytes:
        times = self.times if self.later_until else (self.until,)
        return " ".join(one.isoformat() for one in times).encode()


class FoundRecord(NamedTuple):
    """A record; `is_lost`: the bus has it no longer."""

    record: TakeOverRecord | None
    is_lost: bool = False


@dataclass(frozen=True)
class SealRecords:
    """The record of the take-over on the bus and in this machine's *file*."""

    bus: Bus
    keys: DerivedKeys
    file: Path

    async def open_or_take_over(self, clock: Clock) -> PublicationSeals:
        """Return the seals; the first call takes what is stored over. Raises BusError.

        Where sealed publications show that this was done before, and the record is lost, the
        register proves no later ones than then.
        """
        if record := await self._load():
            await self._take_over_later(record, clock)
        if seals := await self.load():
            return seals
        first_sealed = await self._first_sealed()
        if first_sealed is None:
            return await self.take_over(clock, _ROLLING_UPGRADE)
        log.error("seal_record_lost", sealed_since=format_utc(first_sealed))
        until = first_sealed + _ROLLING_UPGRADE
        return await self._store(TakeOverRecord(until=until, later_until=until))

    async def read(self, clock: Clock) -> PublicationSeals:
        """Return the seals that `open_or_take_over` would return now, and write nothing."""
        record = (await self._find()).record
        if record is None and (first_sealed := await self._first_sealed()):
            until = first_sealed + _ROLLING_UPGRADE
            record = TakeOverRecord(until=until, later_until=until)
        if record is None:
            until, _ = await self._stored_until(_SEALED_FIRST, clock, _ROLLING_UPGRADE)
            record = TakeOverRecord(until=until)
        if not record.later_until:
            until, _ = await self._stored_until(_SEALED_LATER, clock, _ROLLING_UPGRADE)
            record = record.model_copy(update={"later_until": until})
        return self._seals_of(record)

    async def read_taken_over(self) -> PublicationSeals | None:
        """Return the seals, and write nothing; None before the take-over."""
        record = (await self._find()).record
        return self._seals_of(record) if record else None

    async def load(self) -> PublicationSeals | None:
        """Return the seals; None before the take-over."""
        record = await self._load()
        return self._seals(record) if record else None

    async def _load(self) -> TakeOverRecord | None:
        """The bus's record or this machine's, which is put back on the bus."""
        record, is_lost = await self._find()
        if record and is_lost:
            log.error("seal_record_restored", until=format_utc(record.until))
            await self._bucket.put(TAKE_OVER_KEY, record.model_dump_json().encode())
        return record

    async def _find(self) -> FoundRecord:
        """The bus's record or this machine's, whichever is later."""
        value = await self._bucket.get(TAKE_OVER_KEY)
        stored, own = self._stored(value), self._parse(self._read_file())
        if own is None or (stored and stored.times > own.times):
            return FoundRecord(stored)
        return FoundRecord(own, is_lost=own != stored)

    async def take_over(self, clock: Clock, grace: timedelta = timedelta()) -> PublicationSeals:
        """Trust the register for publications stored until now plus *grace*. Raises BusError."""
        until, count = await self._stored_until(_SEALED_FIRST, clock, grace)
        later_until, _ = await self._stored_until(_SEALED_LATER, clock, grace)
        seals = await self._store(TakeOverRecord(until=until, later_until=later_until))
        if count and seals.taken_over_until == until:
            log.warning("publications_taken_over", messages=count, until=format_utc(until))
        return seals

    async def _take_over_later(self, record: TakeOverRecord, clock: Clock) -> None:
        """Complete the *record* of a version that sealed less."""
        if record.later_until:
            return
        until, count = await self._stored_until(_SEALED_LATER, clock, _ROLLING_UPGRADE)
        await self._store(record.model_copy(update={"later_until": until}))
        log.warning("messages_taken_over", messages=count, until=format_utc(until))

    async def _first_sealed(self) -> datetime | None:
        """When the first message was stored that has a seal of this key, as far as few are read."""
        return min([time async for time in self._sealed_times()], default=None)

    async def _sealed_times(self) -> AsyncIterator[datetime]:
        """The time of the first sealed publication, and of sealed records in small buckets."""
        seals = PublicationSeals(Sealer(self.keys.derive(PURPOSE)), NOTHING_BEFORE)
        async for message in self.bus.scan(subjects.PUBLICATIONS.name):
            if seals.is_sealed(message):
                yield message.time
                break
        for name in _SMALL_BUCKETS:
            records = BucketSeals(name, sealer(self.keys, name), nothing_before)
            prefix = f"$KV.{name}."
            async for message in self.bus.scan(f"KV_{name}"):
                if not await records.problem(message.subject.removeprefix(prefix), message):
                    yield message.time

    async def _store(self, record: TakeOverRecord) -> PublicationSeals:
        """Store a record, unless another process is first."""
        record = self._sealed(record)
        value = await self._bucket.get(TAKE_OVER_KEY)
        revision = value.revision if value else 0
        try:
            await self._bucket.swap(TAKE_OVER_KEY, record.model_dump_json().encode(), revision)
        except RevisionConflict:  # another process was first
            if seals := await self.load():
                return seals
            raise
        return self._seals(record)

    async def take_over_backup(self, clock: Clock) -> None:
        """Take over a restored backup from before the seals; its record replaces this machine's."""
        if self._stored(await self._bucket.get(TAKE_OVER_KEY)) is None:
            await self.take_over(clock)

    async def _stored_until(
        self, streams: Sequence[str], clock: Clock, grace: timedelta
    ) -> tuple[datetime, int]:
        """The time until which what *streams* hold needs no seal, and the number of messages."""
        states = [(await self.bus.stream_info(name))["state"] for name in streams]
        times = [datetime.fromisoformat(one["last_ts"]) for one in states if one["last_seq"]]
        until = max(*times, utc_now(clock)) + grace if times else NOTHING_BEFORE
        return until, sum(one["messages"] for one in states)

    @property
    def _bucket(self) -> Bucket:
        return self.bus.bucket(subjects.CONTROL.name)

    @property
    def _sealer(self) -> Sealer:
        return Sealer(self.keys.derive(TAKE_OVER_PURPOSE))

    def _seals(self, record: TakeOverRecord) -> PublicationSeals:
        """The seals of *record*, which this machine keeps from now on."""
        self._write_file(record)
        return self._seals_of(record)

    def _seals_of(self, record: TakeOverRecord) -> PublicationSeals:
        return PublicationSeals(Sealer(self.keys.derive(PURPOSE)), *record.times)

    def _sealed(self, record: TakeOverRecord) -> TakeOverRecord:
        return record.model_copy(update={"seal": self._sealer.seal(record.sealed_part)})

    def _stored(self, value: Value | None) -> TakeOverRecord | None:
        record = self._parse(value.data) if value else None
        if value and record is None:
            log.error("seal_record_wrong", key=TAKE_OVER_KEY)
        return record

    def _parse(self, data: bytes) -> TakeOverRecord | None:
        """The record, if it has the seal of the present key."""
        try:
            record = TakeOverRecord.model_validate_json(data)
        except ValidationError:
            return None
        state = self._sealer.verify(record.seal, record.sealed_part)
        return record if state is SealState.VALID else None

    def _read_file(self) -> bytes:
        return self.file.read_bytes() if self.file.exists() else b""

    def _write_file(self, record: TakeOverRecord) -> None:
        """Keep *record*; without it, on a read-only folder, the bus's record decides."""
        data = record.model_dump_json().encode()
        if data == self._read_file():
            return
        try:
            replace_file(self.file, data)
        except OSError as error:
            log.info("seal_record_not_kept", error=type(error).__name__)


OpenRecord = Callable[[SealRecords], Awaitable[PublicationSeals]]
take_over = partial(SealRecords.open_or_take_over, clock=time.time)
"""As a start and a command that acts open the record."""
look = partial(SealRecords.read, clock=time.time)
"""As a command opens it that only looks."""


async def seal_for_command(bus: Bus, key_path: Path, record: Path, opens: OpenRecord) -> None:
    """Let *bus* seal and verify records; without the key of its data, it refuses to write them.

    The record of the take-over is opened once: there may be millions from before the seals.
    """
    try:
        keys = await find_key_file(bus, key_path)
    except (Invalid, KeyFileBroken, BusError) as error:  # BusError: a bus without its vault
        refuse_writes(bus, error)
        return
    if keys is not None:
        records, known = SealRecords(bus, keys, record), list[PublicationSeals]()

        async def seals() -> PublicationSeals:
            if not known:
                known.append(await opens(records))
            return known[0]

        seal_records(bus, keys, TakenOverUntil.by(seals))
