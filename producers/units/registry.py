"""Registered units and the keys that authenticate senders, over HTTP and on the bus.

A key is `loa_<unit>_<secret>` with 256 random bits; the key is printed once, and only its SHA-256
is stored. Of a key for the bus, only the public part is stored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from contracts import events, subjects
from contracts.base.crash_points import crash_point
from contracts.base.fields import Contract
from contracts.base.times import Clock, utc_now
from contracts.delivery import ChannelName
from contracts.errors import Conflict, Invalid, Unauthorized, field_error
from contracts.trials.records import Guest
from contracts.vocabulary import Vocabulary
from producers import bus as nats
from producers.bus import Bus, GroupedReads
from producers.bus.records import update
from producers.bus_access.key_files import create_seed, public_part
from producers.bus_access.unit_accounts import PUBLIC_KEY, UnitAccount
from producers.seals import NotSealed
from producers.texts import get_text
from producers.units.api_keys import (
    KEY_OVERLAP,
    READ_PATIENCE_S,
    UNIT_PATTERN,
    ApiKey,
    hash_key,
    key_pattern,
    new_key,
    with_new_key,
)
from producers.units.feed_settings import Feed
from producers.units.trials import TrialAccess, is_trial_key

ReleaseMode = Literal["automatic", "desk"]
NoticeChannels = Sequence[ChannelName]
_DEFAULT_NOTICE_CHANNELS = (ChannelName.ZALO, ChannelName.EMAIL)
_KEY_ID_LENGTH = 12
_PREFIX = "loa"
_KEY = key_pattern(_PREFIX)


class BusKey(Contract):
    """The public part of an nkey with which a unit signs in to the bus."""

    public: Annotated[str, Field(pattern=PUBLIC_KEY.pattern)]
    created: AwareDatetime

    @property
    def id(self) -> str:
        """The name by which the key is listed and revoked."""
        return self.public[:_KEY_ID_LENGTH]


class Registration(Contract):
    """Permissions and keys of a unit: release mode, urgent lane, notice channels, feeds."""

    release: ReleaseMode
    urgent: bool = False
    notices: tuple[ChannelName, ...] = _DEFAULT_NOTICE_CHANNELS
    """The channels of case notices, in order of preference."""
    keys: tuple[ApiKey, ...] = ()
    bus_keys: tuple[BusKey, ...] | None = None
    """Keys for the bus; None for a unit that never had one."""
    bus_ended: AwareDatetime | None = None
    """Since when the unit has no key for the bus any more."""
    feeds: tuple[Feed, ...] = ()
    """Imported feeds of the unit's own site."""

    def with_new_key(self, key: ApiKey, overlap: timedelta) -> "Registration":
        """The registration with *key* as the new key; the old ones end after *overlap*."""
        return self.model_copy(update={"keys": with_new_key(self.keys, key, overlap)})

    def with_bus_keys(self, keys: Sequence[BusKey], at: datetime) -> "Registration":
        """The registration with these keys for the bus, from *at* on."""
        ended = None if keys else self.bus_ended or at
        return self.model_copy(update={"bus_keys": tuple(keys), "bus_ended": ended})


@dataclass(frozen=True, slots=True)
class RegisteredUnit:
    """A registered unit and its registration."""

    unit: str
    registration: Registration


@dataclass(frozen=True, slots=True)
class TrialUnit:
    """A registered unit that has shown a key for trials: no kind of `RegisteredUnit`."""

    unit: str
    registration: Registration


Sender = RegisteredUnit | TrialUnit


class UnitRegistry:
    """The bucket `units`. Every change is a compare-and-set; raises BusError when the bus fails."""

    def __init__(self, bus: Bus, vocabulary: Vocabulary, clock: Clock) -> None:
        self.bucket = bus.bucket(subjects.UNITS.name)
        self.reads = GroupedReads(self.bucket)
        self.trials = TrialAccess(bus)
        self.vocabulary = vocabulary
        self.clock = clock

    async def add(
        self,
        unit: str,
        *,
        release: ReleaseMode,
        urgent: bool = False,
        notices: NoticeChannels = _DEFAULT_NOTICE_CHANNELS,
    ) -> str:
        """Register *unit* and return its key.

        Raises Invalid for a unit the vocabulary does not know, Conflict for a registered one. A
        registration that another writer made is replaced.
        """
        if wrong := events.unit_error("unit", unit, self.vocabulary):
            raise Invalid(wrong)
        secret, key = self._new_key(unit)
        added = Registration(release=release, urgent=urgent, notices=tuple(notices), keys=(key,))
        try:
            forged = await self._forged_revision(unit)
            await self.bucket.swap(unit, added.model_dump_json().encode(), forged)
            crash_point("units.added")
        except nats.RevisionConflict as error:
            raise Conflict(get_text("unit", "exists", unit=unit).as_field_error("unit")) from error
        return secret

    async def rotate(self, unit: str, *, now: bool = False) -> str:
        """Create a new key for *unit*; the old one is valid for 24 h more, with *now* not at all.

        Raises Invalid for a unit that is not registered.
        """
        found = await self.find(unit)
        if found and not found.keys:  # revoking may have ended before the trial keys
            await self.trials.revoke_keys(unit)
        secret, key = self._new_key(unit)
        overlap = timedelta() if now else KEY_OVERLAP
        await self._change(unit, lambda registration: registration.with_new_key(key, overlap))
        return secret

    async def update(self, unit: str, **rules: Any) -> Registration:
        """Change fields of the registration except the keys. Raises like `rotate`."""
        return await self._change(unit, lambda registration: registration.model_copy(update=rules))

    async def add_feed(self, unit: str, feed: Feed, *, replace: bool = False) -> None:
        """Register *feed* for import. Raises as `rotate`, Conflict if it is registered already."""

        def change(found: Registration) -> Registration:
            others = tuple(one for one in found.feeds if one.feed_id != feed.feed_id)
            if len(others) < len(found.feeds) and not replace:
                raise Conflict(get_text("import", "followed", url=feed.url).as_field_error("url"))
            return found.model_copy(update={"feeds": (*others, feed)})

        await self._change(unit, change)

    async def remove_feed(self, unit: str, feed_id: str) -> None:
        """Unregister a feed. Raises like `rotate`."""

        def change(found: Registration) -> Registration:
            feeds = tuple(one for one in found.feeds if one.feed_id != feed_id)
            return found.model_copy(update={"feeds": feeds})

        await self._change(unit, change)

    async def revoke(self, unit: str) -> None:
        """Invalidate all keys of *unit*, also those for the bus and for trials.

        Raises like `rotate`.
        """
        now = utc_now(self.clock)

        def change(found: Registration) -> Registration:
            ended = found.model_copy(update={"keys": ()})
            return ended if found.bus_keys is None else ended.with_bus_keys((), now)

        await self._change(unit, change)
        await self.trials.revoke_keys(unit)

    async def add_bus_key(self, unit: str) -> str:
        """Make one more key for the bus and return its seed. Raises like `rotate`."""
        seed = create_seed()
        key = BusKey(public=public_part(seed), created=utc_now(self.clock))

        def change(found: Registration) -> Registration:
            return found.with_bus_keys((*(found.bus_keys or ()), key), key.created)

        await self._change(unit, change)
        return seed.decode()

    async def revoke_bus_key(self, unit: str, key_id: str) -> None:
        """Take one key for the bus away. Raises like `rotate`, Invalid for an unknown key."""
        now = utc_now(self.clock)

        def change(found: Registration) -> Registration:
            keys = found.bus_keys or ()
            left = tuple(key for key in keys if key_id not in (key.id, key.public))
            if len(left) == len(keys):
                wrong = get_text("unit", "no_bus_key", unit=unit, value=key_id)
                raise Invalid(wrong.as_field_error("revoke"))
            return found.with_bus_keys(left, now)

        await self._change(unit, change)

    async def renew_trial_key(self, unit: str, *, now: bool = False) -> str:
        """Make a key for trials; those before it end as in `rotate`.

        Raises like `rotate`, and for a unit whose keys were revoked.
        """
        if not (await self.require(unit)).keys:
            raise Invalid(get_text("unit", "no_live_key", unit=unit).as_field_error("unit"))
        overlap = timedelta() if now else KEY_OVERLAP
        return await self.trials.renew_key(unit, utc_now(self.clock), overlap)

    async def revoke_trial_keys(self, unit: str) -> None:
        """Invalidate all keys of *unit* for trials. Raises like `rotate`."""
        await self.require(unit)
        await self.trials.revoke_keys(unit)

    async def add_guest(self, unit: str, guest: Guest) -> None:
        """Let a guest get the trials of *unit*. Raises like `rotate`, Conflict for one too many."""
        await self.require(unit)
        await self.trials.add_guest(unit, guest)

    async def remove_guest(self, unit: str, guest_id: str) -> None:
        """Send no trial to a guest any more. Raises like `rotate`, and for one who is none."""
        await self.require(unit)
        await self.trials.remove_guest(unit, guest_id)

    async def bus_accounts(self) -> list[UnitAccount]:
        """The units that have or had keys for the bus, by id."""
        return [
            UnitAccount(one.unit, tuple(key.public for key in one.registration.bus_keys))
            for one in await self.registered_units()
            if one.registration.bus_keys is not None and UNIT_PATTERN.fullmatch(one.unit)
        ]

    async def registered_units(self) -> list[RegisteredUnit]:
        """Every registered unit, by id."""
        registrations = {unit: _read(value.data) async for unit, value in self.bucket.values("")}
        return [RegisteredUnit(unit, registrations[unit]) for unit in sorted(registrations)]

    async def find(self, unit: str) -> Registration | None:
        """The registration; None without one, and for one that another writer made."""
        try:
            value = await self.reads.get(unit, patience_s=READ_PATIENCE_S)
        except NotSealed:
            return None
        return _read(value.data) if value else None

    async def require(self, unit: str) -> Registration:
        """Raises like `rotate`."""
        return _registered(unit, await self.find(unit))

    async def authenticate(self, api_key: str) -> RegisteredUnit:
        """The unit that *api_key* belongs to. Raises Unauthorized."""
        parts = _KEY.fullmatch(api_key)
        registration = await self.find(parts[1]) if parts else None
        hashed, now = hash_key(api_key), utc_now(self.clock)
        if parts and registration and any(key.accepts(hashed, now) for key in registration.keys):
            return RegisteredUnit(parts[1], registration)
        raise Unauthorized(field_error("Authorization", "wrong_key"))

    async def authenticate_sender(self, api_key: str) -> Sender:
        """The unit, and whether it sends in earnest or a trial. Raises Unauthorized."""
        if not is_trial_key(api_key):
            return await self.authenticate(api_key)
        unit = await self.trials.unit_of(api_key, utc_now(self.clock))
        registration = await self.find(unit) if unit else None
        if unit and registration and registration.keys:  # a revoked unit has none
            return TrialUnit(unit, registration)
        raise Unauthorized(field_error("Authorization", "wrong_key"))

    async def _change(
        self, unit: str, change: Callable[[Registration], Registration]
    ) -> Registration:
        def transition(registration: Registration | None) -> Registration:
            return change(_registered(unit, registration))

        changed = await update(self.bucket, unit, Registration, transition, is_idempotent=False)
        return changed.value

    async def _forged_revision(self, unit: str) -> int:
        """Where a registration that another writer made is stored; 0 for none."""
        try:
            await self.bucket.get(unit)
        except NotSealed as forged:
            return forged.revision
        return 0

    def _new_key(self, unit: str) -> tuple[str, ApiKey]:
        return new_key(_PREFIX, unit, utc_now(self.clock))


def _registered(unit: str, registration: Registration | None) -> Registration:
    """Raises Invalid without a registration."""
    if registration is None:
        raise Invalid(get_text("unit", "not_registered", unit=unit).as_field_error("unit"))
    return registration


def _read(data: bytes) -> Registration:
    return Registration.model_validate_json(data)
