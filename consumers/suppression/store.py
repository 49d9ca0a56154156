"""Suppression list: addresses that a channel must not try, as keyed hashes on the bus."""

import hmac
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import AwareDatetime, Field

from consumers.messages import field_error, translate
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.errors import FieldError
from contracts.records import Record
from producers.bus import Bus, RevisionConflict, records

log = structlog.get_logger()
BOUNCE_PREFIX = "bounced "
"""How the reason begins where mail to an address came back; its code follows."""
MAX_SOFT_FAILURES = 3
SOFT_FAILURE_WINDOW = timedelta(days=14)
"""So many soft failures within so long are taken for a hard one."""


class Suppression(Record):
    """Why an address is left alone, and until when; without `until` a person has to lift it."""

    reason: str
    at: AwareDatetime
    until: AwareDatetime | None = None

    def is_active(self, now: datetime) -> bool:
        return self.until is None or now < self.until

    def takes_precedence(self, other: "Suppression") -> bool:
        """Whether this stands although *said* comes after it: what lasts longer, or a person's word
        that is younger than what *said* goes by (a report may be told twice)."""
        if self.until and self.until <= self.at:  # lifted
            return self.at > other.at
        if self.until is None or other.until is None:
            return other.until is not None
        return self.until > other.until

    def can_be_lifted(self, now: datetime, requested_at: datetime | None) -> bool:
        """Whether there is something to lift for a person who said so then."""
        return self.is_active(now) and not (requested_at and requested_at < self.at)


class SoftFailures(Record):
    """What went wrong lately, each thing once: its name → when."""

    marks: dict[str, AwareDatetime] = Field(default_factory=dict)

    def with_failure(self, mark: str, at: datetime) -> "SoftFailures":
        since = at - SOFT_FAILURE_WINDOW
        recent = {name: seen for name, seen in self.marks.items() if seen > since}
        return SoftFailures(marks={mark: at, **recent})


class SuppressionStore:
    """Keyed by channel and by a MAC of the address under *secret*. Raises BusError."""

    def __init__(self, bus: Bus, secret: bytes) -> None:
        self.bucket = bus.bucket(subjects.SUPPRESSED.name)
        self.secret = secret

    async def add(
        self,
        channel: ChannelName,
        address: str,
        reason: str,
        until: datetime | None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Leave *address* alone, since *at* if not now.

        A later word replaces an earlier one, unless that `outweighs` it.
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
        """As `add`, for the address that *seal* stands for."""
        said = Suppression(reason=reason, at=at or datetime.now(UTC), until=until)

        def move(found: Suppression | None) -> Suppression:
            return found if found and found.takes_precedence(said) else said

        held = await records.update(
            self.bucket, record_key(channel, address_hash), Suppression, move
        )
        if held.just_written:
            log.info("address_suppressed", channel=channel.value, reason=reason)

    async def count_soft_failure(
        self, channel: ChannelName, address: str, mark: str, at: datetime
    ) -> bool:
        """Count one soft failure, which *mark* names; True when there have been too many lately."""
        return await self.count_soft_failure_hashed(channel, self.hash_address(address), mark, at)

    async def count_soft_failure_hashed(
        self, channel: ChannelName, address_hash: str, mark: str, at: datetime
    ) -> bool:
        """As `soft`, for the address that *seal* stands for."""

        def move(found: SoftFailures | None) -> SoftFailures:
            return (found or SoftFailures()).with_failure(mark, at)

        key = f"soft.{record_key(channel, address_hash)}"
        held = await records.update(self.bucket, key, SoftFailures, move)
        return len(held.required.marks) >= MAX_SOFT_FAILURES

    async def lift(
        self,
        channel: ChannelName,
        address: str,
        *,
        requested_at: datetime | None = None,
        by: str = "",
    ) -> bool:
        """The person may be told again; False when nothing stood against it.

        *said_at*: when the person said so; a suppression that is younger stays. *by*: who has
        decided it instead, which stays on record.
        """
        key, now = self.key_of_address(channel, address), datetime.now(UTC)
        while True:
            held = await records.read(self.bucket, key, Suppression)
            if held.value is None or not held.value.can_be_lifted(now, requested_at):
                return False
            try:
                await self.end_suppression(key, held.revision, by)
            except RevisionConflict:
                continue  # something else is said by now
            await self.bucket.purge(f"soft.{key}")
            log.info("suppression_lifted", channel=channel.value)
            return True

    async def end_suppression(self, key: str, revision: int, by: str) -> None:
        """Raises Conflict when something else stands there."""
        if not by:
            await self.bucket.purge_if(key, revision)
            return
        now = datetime.now(UTC)
        ended = Suppression(reason=f"lifted by {by}", at=now, until=now)
        await self.bucket.swap(key, ended.model_dump_json().encode(), revision)

    async def reason(self, channel: ChannelName, address: str) -> str | None:
        """Why *address* is left alone now; None when it is not."""
        said = await self.find_active(channel, address)
        return said.reason if said else None

    async def find_active(self, channel: ChannelName, address: str) -> Suppression | None:
        """What stands against *address* now."""
        said = await self.find(self.key_of_address(channel, address))
        return said if said and said.is_active(datetime.now(UTC)) else None

    async def suppressed_since(
        self, channel: ChannelName, address: str, reason: str
    ) -> datetime | None:
        """Since when *address* is left alone for this very reason; None when it is not."""
        said = await self.find(self.key_of_address(channel, address))
        return said.at if said and said.reason == reason else None

    async def filter_suppressed(
        self, channel: ChannelName, addresses: Sequence[str], reason: str
    ) -> frozenset[str]:
        """Which of *addresses* are left alone for this very reason."""
        keys = {self.key_of_address(channel, address): address for address in addresses}
        found = await self.bucket.get_many(list(keys))
        return frozenset(
            keys[key] for key, value in found.items() if decode(value.data).reason == reason
        )

    async def count_active(self, channel: ChannelName) -> int:
        """How many addresses of *channel* are left alone now."""
        return sum((await self.count_by_reason(channel)).values())

    async def count_by_reason(self, channel: ChannelName) -> dict[str, int]:
        """How many addresses of *channel* are left alone now, for each reason."""
        now, found = datetime.now(UTC), self.bucket.values(f"{channel}.")
        standing = [decode(value.data) async for _, value in found]
        return Counter(one.reason for one in standing if one.is_active(now))

    async def find(self, key: str) -> Suppression | None:
        value = await self.bucket.get(key)
        return decode(value.data) if value else None

    def key_of_address(self, channel: ChannelName, address: str) -> str:
        return record_key(channel, self.hash_address(address))

    def hash_address(self, address: str) -> str:
        """What stands for *address* where nobody may read it; upper and lower case are one."""
        return self.hash_address_bytes(address).hex()

    def hash_address_bytes(self, address: str) -> bytes:
        return hmac.digest(self.secret, address.casefold().encode(), "sha256")


def record_key(channel: ChannelName, address_hash: str) -> str:
    """The key of an address in the bucket."""
    return f"{channel}.{address_hash}"


def decode(data: bytes) -> Suppression:
    return Suppression.model_validate_json(data)


def describe_suppression(suppression: Suppression) -> FieldError:
    """Since when, why and until when nothing is sent to an address."""
    since = f"{suppression.at.astimezone(UTC):%Y-%m-%d}"
    until = f"{suppression.until.astimezone(UTC):%Y-%m-%d}" if suppression.until else ""
    code = "address_left_alone_until" if until else "address_left_alone"
    return field_error(
        "address", code, since=since, reason=translate(suppression.reason), until=until
    )
