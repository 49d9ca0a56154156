"""Addresses that a channel must not try: bucket `suppressed`, which holds no address itself."""

import hmac
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import AwareDatetime, Field

from consumers import register
from consumers.faults import fault, word
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.errors import FieldError
from contracts.records import Record
from producers.bus import Bus, Conflict

log = structlog.get_logger()
BOUNCED = "bounced "
"""How the reason begins where mail to an address came back; its code follows."""
SOFT_MAX = 3
SOFT_FOR = timedelta(days=14)
"""So many soft failures within so long are taken for a hard one."""


class Suppression(Record):
    """Why an address is left alone, and until when; without `until` a person has to lift it."""

    reason: str
    at: AwareDatetime
    until: AwareDatetime | None = None

    def lasts(self, now: datetime) -> bool:
        return self.until is None or now < self.until

    def outweighs(self, said: "Suppression") -> bool:
        """Whether this stands although *said* comes after it: what lasts longer, or a person's word
        that is younger than what *said* goes by (a report may be told twice)."""
        if self.until and self.until <= self.at:  # lifted
            return self.at > said.at
        if self.until is None or said.until is None:
            return said.until is not None
        return self.until > said.until

    def gives_way(self, now: datetime, said_at: datetime | None) -> bool:
        """Whether there is something to lift for a person who said so then."""
        return self.lasts(now) and not (said_at and said_at < self.at)


class SoftCount(Record):
    """What went wrong lately, each thing once: its name → when."""

    marks: dict[str, AwareDatetime] = Field(default_factory=dict)

    def add(self, mark: str, at: datetime) -> "SoftCount":
        since = at - SOFT_FOR
        recent = {name: seen for name, seen in self.marks.items() if seen > since}
        return SoftCount(marks={mark: at, **recent})


class Suppressions:
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
        await self.add_sealed(channel, self.seal(address), reason, until, at=at)

    async def add_sealed(
        self,
        channel: ChannelName,
        seal: str,
        reason: str,
        until: datetime | None,
        *,
        at: datetime | None = None,
    ) -> None:
        """As `add`, for the address that *seal* stands for."""
        said = Suppression(reason=reason, at=at or datetime.now(UTC), until=until)

        def move(found: Suppression | None) -> Suppression:
            return found if found and found.outweighs(said) else said

        held = await register.change(self.bucket, sealed(channel, seal), Suppression, move)
        if held.fresh:
            log.info("address_suppressed", channel=channel.value, reason=reason)

    async def soft(self, channel: ChannelName, address: str, mark: str, at: datetime) -> bool:
        """Count one soft failure, which *mark* names; True when there have been too many lately."""
        return await self.soft_sealed(channel, self.seal(address), mark, at)

    async def soft_sealed(self, channel: ChannelName, seal: str, mark: str, at: datetime) -> bool:
        """As `soft`, for the address that *seal* stands for."""

        def move(found: SoftCount | None) -> SoftCount:
            return (found or SoftCount()).add(mark, at)

        key = f"soft.{sealed(channel, seal)}"
        held = await register.change(self.bucket, key, SoftCount, move)
        return len(held.known.marks) >= SOFT_MAX

    async def lift(
        self, channel: ChannelName, address: str, *, said_at: datetime | None = None, by: str = ""
    ) -> bool:
        """The person may be told again; False when nothing stood against it.

        *said_at*: when the person said so; a suppression that is younger stays. *by*: who has
        decided it instead, which stays on record.
        """
        key, now = self.key(channel, address), datetime.now(UTC)
        while True:
            held = await register.read(self.bucket, key, Suppression)
            if held.value is None or not held.value.gives_way(now, said_at):
                return False
            try:
                await self.end(key, held.revision, by)
            except Conflict:
                continue  # something else is said by now
            await self.bucket.purge(f"soft.{key}")
            log.info("suppression_lifted", channel=channel.value)
            return True

    async def end(self, key: str, revision: int, by: str) -> None:
        """Raises Conflict when something else stands there."""
        if not by:
            await self.bucket.purge_if(key, revision)
            return
        now = datetime.now(UTC)
        ended = Suppression(reason=f"lifted by {by}", at=now, until=now)
        await self.bucket.swap(key, ended.model_dump_json().encode(), revision)

    async def reason(self, channel: ChannelName, address: str) -> str | None:
        """Why *address* is left alone now; None when it is not."""
        said = await self.now(channel, address)
        return said.reason if said else None

    async def now(self, channel: ChannelName, address: str) -> Suppression | None:
        """What stands against *address* now."""
        said = await self.standing(self.key(channel, address))
        return said if said and said.lasts(datetime.now(UTC)) else None

    async def since(self, channel: ChannelName, address: str, reason: str) -> datetime | None:
        """Since when *address* is left alone for this very reason; None when it is not."""
        said = await self.standing(self.key(channel, address))
        return said.at if said and said.reason == reason else None

    async def among(
        self, channel: ChannelName, addresses: Sequence[str], reason: str
    ) -> frozenset[str]:
        """Which of *addresses* are left alone for this very reason."""
        keys = {self.key(channel, address): address for address in addresses}
        found = await self.bucket.many(list(keys))
        return frozenset(
            keys[key] for key, value in found.items() if read(value.data).reason == reason
        )

    async def count(self, channel: ChannelName) -> int:
        """How many addresses of *channel* are left alone now."""
        return sum((await self.reasons(channel)).values())

    async def reasons(self, channel: ChannelName) -> dict[str, int]:
        """How many addresses of *channel* are left alone now, for each reason."""
        now, found = datetime.now(UTC), self.bucket.values(f"{channel}.")
        standing = [read(value.data) async for _, value in found]
        return Counter(one.reason for one in standing if one.lasts(now))

    async def standing(self, key: str) -> Suppression | None:
        value = await self.bucket.get(key)
        return read(value.data) if value else None

    def key(self, channel: ChannelName, address: str) -> str:
        return sealed(channel, self.seal(address))

    def seal(self, address: str) -> str:
        """What stands for *address* where nobody may read it; upper and lower case are one."""
        return self.digest(address).hex()

    def digest(self, address: str) -> bytes:
        return hmac.digest(self.secret, address.casefold().encode(), "sha256")


def sealed(channel: ChannelName, seal: str) -> str:
    """The key of an address in the bucket."""
    return f"{channel}.{seal}"


def read(data: bytes) -> Suppression:
    return Suppression.model_validate_json(data)


def left_alone(stands: Suppression) -> FieldError:
    """Since when, why and until when nothing is sent to an address."""
    since = f"{stands.at.astimezone(UTC):%Y-%m-%d}"
    until = f"{stands.until.astimezone(UTC):%Y-%m-%d}" if stands.until else ""
    code = "address_left_alone_until" if until else "address_left_alone"
    return fault("address", code, since=since, reason=word(stands.reason), until=until)
