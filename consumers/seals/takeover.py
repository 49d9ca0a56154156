"""Take over publications that were stored before seals existed, or under a replaced key.

The moment of the take-over is recorded once, under a seal of its own: in bucket `control`, and in
a file of each machine, so that its removal from the bus has no effect. Messages stored later need
a seal.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from pydantic import AwareDatetime, BaseModel, ValidationError

from consumers.key_file import KeyFile
from consumers.seals.publications import PURPOSE, PublicationSeals
from contracts import subjects
from contracts.base.seals import Sealer, SealState
from contracts.base.times import Clock, format_utc, utc_now
from producers.bus import Bucket, Bus, RevisionConflict, Value

log = structlog.get_logger()
TAKE_OVER_KEY = "seals.publications"
_RECORD_PURPOSE = "seal take-over"
_ROLLING_UPGRADE = timedelta(minutes=2)
"""How long a release by a process of the version without seals may follow the take-over."""
_NOTHING_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


class TakeOver(BaseModel):
    """The record: messages of PUBLICATIONS stored until then are proven by the register."""

    until: AwareDatetime
    seal: str = ""

    @property
    def sealed_part(self) -> bytes:
        return self.until.isoformat().encode()


@dataclass(frozen=True)
class SealRecords:
    """The record of the take-over on the bus and in this machine's *file*."""

    bus: Bus
    keys: KeyFile
    file: Path

    async def open_or_take_over(self, clock: Clock) -> PublicationSeals:
        """Return the seals; the first call takes the stored publications over. Raises BusError."""
        return await self.load() or await self.take_over(clock, _ROLLING_UPGRADE)

    async def load(self) -> PublicationSeals | None:
        """Return the seals; None before the take-over. The machine's record wins."""
        value = await self._bucket.get(TAKE_OVER_KEY)
        stored, own = self._stored(value), self._parse(self._read_file())
        if own is None:
            return self._seals(stored) if stored else None
        if own != stored:
            log.error("seal_record_restored", until=format_utc(own.until))
            await self._bucket.put(TAKE_OVER_KEY, own.model_dump_json().encode())
        return self._seals(own)

    async def take_over(self, clock: Clock, grace: timedelta = timedelta()) -> PublicationSeals:
        """Trust the register for publications stored until now plus *grace*. Raises BusError."""
        state = (await self.bus.stream_info(subjects.PUBLICATIONS.name))["state"]
        until = _NOTHING_BEFORE
        if state["last_seq"]:
            until = max(datetime.fromisoformat(state["last_ts"]), utc_now(clock)) + grace
        record = self._sealed(TakeOver(until=until))
        value = await self._bucket.get(TAKE_OVER_KEY)
        revision = value.revision if value else 0
        try:
            await self._bucket.swap(TAKE_OVER_KEY, record.model_dump_json().encode(), revision)
        except RevisionConflict:  # another process was first
            if seals := await self.load():
                return seals
            raise
        if state["last_seq"]:
            facts = {"messages": state["messages"], "until": format_utc(until)}
            log.warning("publications_taken_over", **facts)
        return self._seals(record)

    async def take_over_backup(self, clock: Clock) -> None:
        """Take over a restored backup from before the seals; its record replaces this machine's."""
        if self._stored(await self._bucket.get(TAKE_OVER_KEY)) is None:
            await self.take_over(clock)

    @property
    def _bucket(self) -> Bucket:
        return self.bus.bucket(subjects.CONTROL.name)

    @property
    def _sealer(self) -> Sealer:
        return Sealer(self.keys.derive(_RECORD_PURPOSE))

    def _seals(self, record: TakeOver) -> PublicationSeals:
        """The seals of *record*, which this machine keeps from now on."""
        self._write_file(record)
        return PublicationSeals(Sealer(self.keys.derive(PURPOSE)), record.until)

    def _sealed(self, record: TakeOver) -> TakeOver:
        return record.model_copy(update={"seal": self._sealer.seal(record.sealed_part)})

    def _stored(self, value: Value | None) -> TakeOver | None:
        record = self._parse(value.data) if value else None
        if value and record is None:
            log.error("seal_record_wrong", key=TAKE_OVER_KEY)
        return record

    def _parse(self, data: bytes) -> TakeOver | None:
        """The record, if it has the seal of the present key."""
        try:
            record = TakeOver.model_validate_json(data)
        except ValidationError:
            return None
        state = self._sealer.verify(record.seal, record.sealed_part)
        return record if state is SealState.VALID else None

    def _read_file(self) -> bytes:
        return self.file.read_bytes() if self.file.exists() else b""

    def _write_file(self, record: TakeOver) -> None:
        """Keep *record*; without it, on a read-only folder, the bus's record decides."""
        data = record.model_dump_json().encode()
        if data == self._read_file():
            return
        draft = self.file.with_suffix(f".{os.getpid()}")
        try:
            draft.write_bytes(data)
            draft.replace(self.file)
        except OSError as error:
            log.info("seal_record_not_kept", error=type(error).__name__)
