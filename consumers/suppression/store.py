"""Suppression list: addresses that a channel must not try, as keyed hashes on the bus."""

import hmac
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog
from pydantic import AwareDatetime, Field

from consumers.key_file import KeyFile
from consumers.messages import field_error, translate
from consumers.progress import report_progress
from contracts import subjects
from contracts.base.times import format_date
from contracts.delivery import ChannelName
from contracts.errors import Bilingual, FieldError
from contracts.records import Record
from contracts.text.moments import VIETNAM
from producers.bus import Bus, RevisionConflict, records
from producers.seals import NotSealed

log = structlog.get_logger()
BOUNCE_PREFIX = "bounced "
"""Prefix of the reason for a bounce; the status code follows."""
_MAX_SOFT_FAILURES = 3
_SOFT_FAILURE_WINDOW = timedelta(days=14)
"""MAX_SOFT_FAILURES within this time suppress an address."""


class Suppression(Record):
    """Why and until when an address is suppressed; without `until` an operator has to lift it."""

    reason: str
    at: AwareDatetime
    until: AwareDatetime | None = None

    def is_active(self, now: datetime) -> bool:
        return self.until is None or now < self.until

    def takes_precedence(self, other: "Suppression") -> bool:
        """Whether this suppression stays although *other* is written after it.

        The one that lasts longer stays. So does a person's lifting that is younger than *other*,
        because a report may arrive twice.
        """
        if self.until and self.until <= self.at:  # lifted by a person
            return self.at > other.at
        if self.until is None or other.until is None:
            return other.until is not None
        return self.until > other.until


class SoftFailures(Record):
    """Recent soft failures of an address: name → time."""

    marks: dict[str, AwareDatetime] = Field(default_factory=dict)

    def with_failure(self, mark: str, at: datetime) -> "SoftFailures":
        since = at - _SOFT_FAILURE_WINDOW
        recent = {name: seen for name, seen in self.marks.items() if seen > since}
        return SoftFailures(marks={mark: at, **recent})


class SuppressionStore:
    """Suppressions by channel and keyed hash of the address. Raises BusError."""

    def __init__(self, bus: Bus, secret: bytes) -> None:
        self.bucket = bus.bucket(subjects.SUPPRESSED.name)
        self.secret = secret

    @classmethod
    def from_key_file(cls, bus: Bus, keys: KeyFile) -> Self:
        return cls(bus, keys.derive("suppressions"))

    async def add(
        self,
        channel: ChannelName,
        address: str,
        reason: str,
        until: datetime | None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Suppress *address* from *at*, or from now.

        A later suppression replaces an earlier one, unless the earlier one takes precedence.
        """
        await self.add_hashed(channel, self.hash_address(address), reason, until, at=at)

    async def add_hashed(
        self,
        channel: ChannelName,
        address_hash: str,
        reason: str,
        until: datetime | None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Suppress an address by its hash, as `add`."""
        suppression = Suppression(reason=reason, at=at or datetime.now(UTC), until=until)

        def choose(stored: Suppression | None) -> Suppression:
            return stored if stored and stored.takes_precedence(suppression) else suppression

        key = _record_key(channel, address_hash)
        try:
            written = await records.update(self.bucket, key, Suppression, choose)
        except NotSealed as forged:  # another writer's counts for nothing, also as an obstacle
            await self.bucket.swap(key, suppression.model_dump_json().encode(), forged.revision)
            written = None
        if written is None or written.just_written:
            log.info("address_suppressed", channel=channel.value, reason=reason)

    async def count_soft_failure(
        self, channel: ChannelName, address_hash: str, mark: str, at: datetime
    ) -> bool:
        """Count one soft failure named *mark* of a hashed address; True if there are too many."""
        key = f"soft.{_record_key(channel, address_hash)}"
        written = await records.update_or_create(
            self.bucket, key, SoftFailures, lambda failures: failures.with_failure(mark, at)
        )
        return len(written.value.marks) >= _MAX_SOFT_FAILURES

    async def lift(
        self,
        channel: ChannelName,
        address: str,
        *,
        requested_at: datetime | None = None,
        by: str = "",
    ) -> bool:
        """Lift the suppression of *address*; False if there was none to lift.

        *requested_at*: time of the person's request; a younger suppression stays. *by*: the
        operator who decided, which is recorded.
        """
        key, now = self.key_of_address(channel, address), datetime.now(UTC)
        while True:
            stored = await records.read(self.bucket, key, Suppression)
            if stored.value is None or not stored.value.is_active(now):
                return False
            if requested_at and requested_at < stored.value.at:
                return False
            try:
                await self.end_suppression(key, stored.revision, by)
            except RevisionConflict:
                continue  # changed meanwhile
            await self.bucket.purge(f"soft.{key}")
            log.info("suppression_lifted", channel=channel.value)
            return True

    async def end_suppression(self, key: str, revision: int, by: str) -> None:
        """Purge or end a suppression at *revision*. Raises RevisionConflict if it has changed."""
        if not by:
            await self.bucket.purge_if(key, revision)
            return
        now = datetime.now(UTC)
        ended = Suppression(reason=f"lifted by {by}", at=now, until=now)
        await records.write(self.bucket, key, ended, revision)

    async def reason(self, channel: ChannelName, address: str) -> str | None:
        """Return why *address* is suppressed now; None if it is not."""
        suppression = await self.find_active(channel, address)
        return suppression.reason if suppression else None

    async def find_active(self, channel: ChannelName, address: str) -> Suppression | None:
        suppression = await self.find(self.key_of_address(channel, address))
        return suppression if suppression and suppression.is_active(datetime.now(UTC)) else None

    async def suppressed_since(
        self, channel: ChannelName, address: str, reason: str
    ) -> datetime | None:
        """Return since when *address* is suppressed for *reason*; None if it is not."""
        suppression = await self.find(self.key_of_address(channel, address))
        return suppression.at if suppression and suppression.reason == reason else None

    async def filter_suppressed(
        self, channel: ChannelName, addresses: Sequence[str], reason: str
    ) -> frozenset[str]:
        keys = {self.key_of_address(channel, address): address for address in addresses}
        values = await self.bucket.get_many(list(keys))
        found = {key: Suppression.model_validate_json(one.data) for key, one in values.items()}
        return frozenset(keys[key] for key, one in found.items() if one.reason == reason)

    async def count_by_reason(self, channel: ChannelName) -> Counter[str]:
        report_progress("addresses", 0)
        now, values = datetime.now(UTC), self.bucket.values(f"{channel}.")
        suppressions = [Suppression.model_validate_json(value.data) async for _, value in values]
        return Counter(one.reason for one in suppressions if one.is_active(now))

    async def find(self, key: str) -> Suppression | None:
        return (await records.read(self.bucket, key, Suppression)).value

    def key_of_address(self, channel: ChannelName, address: str) -> str:
        return _record_key(channel, self.hash_address(address))

    def hash_address(self, address: str) -> str:
        """Return the keyed hash of *address*, case-insensitive."""
        return self.hash_address_bytes(address).hex()

    def hash_address_bytes(self, address: str) -> bytes:
        return hmac.digest(self.secret, address.casefold().encode(), "sha256")


def _record_key(channel: ChannelName, address_hash: str) -> str:
    return f"{channel}.{address_hash}"


def describe_suppression(suppression: Suppression) -> FieldError:
    """Describe since when, why and until when an address is suppressed."""
    since, until = _day(suppression.at), suppression.until and _day(suppression.until)
    code = "address_left_alone_until" if until else "address_left_alone"
    reason = translate(suppression.reason)
    return field_error("address", code, since=since, reason=reason, until=until)


def _day(at: datetime) -> Bilingual:
    return Bilingual(f"{at.astimezone(VIETNAM):%Y-%m-%d}", format_date(at))
