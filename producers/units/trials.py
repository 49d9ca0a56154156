"""Keys with which a unit sends trials, and the guests who get them.

A key is `loatrial_<unit>_<secret>`, and lies in a bucket of its own: neither pattern takes a key of
the other kind, and neither bucket has one.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from contracts import subjects
from contracts.errors import Conflict, Invalid
from contracts.records import Record
from contracts.trials.records import MOST_GUESTS, Guest, GuestList, guests_key, keyring_key
from producers.bus import Bus, GroupedReads
from producers.bus.records import Versioned, read, update_or_create
from producers.seals import NotSealed
from producers.texts import get_text
from producers.units.api_keys import (
    READ_PATIENCE_S,
    ApiKey,
    hash_key,
    key_pattern,
    new_key,
    with_new_key,
)

_PREFIX = "loatrial"
_KEY = key_pattern(_PREFIX)
R = TypeVar("R", bound=Record)


def is_trial_key(api_key: str) -> bool:
    """Whether *api_key* has the form of a key for trials."""
    return _KEY.fullmatch(api_key) is not None


class TrialKeyring(Record):
    """Bucket `trial_units`, key `keys.<unit>`."""

    keys: tuple[ApiKey, ...] = ()


class TrialAccess:
    """The bucket `trial_units`. Every change is a compare-and-set; raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.TRIAL_UNITS.name)
        self.reads = GroupedReads(self.bucket)

    async def renew_key(self, unit: str, now: datetime, overlap: timedelta) -> str:
        """Make a key; the ones before it end after *overlap*."""
        secret, key = new_key(_PREFIX, unit, now)

        def change(known: TrialKeyring) -> TrialKeyring:
            return known.model_copy(update={"keys": with_new_key(known.keys, key, overlap)})

        await self._change(keyring_key(unit), TrialKeyring, change)
        return secret

    async def revoke_keys(self, unit: str) -> None:
        """End every key of *unit* for trials."""
        await self._change(keyring_key(unit), TrialKeyring, lambda _: TrialKeyring())

    async def unit_of(self, api_key: str, now: datetime) -> str | None:
        """The unit that *api_key* lets send trials; None for any other key."""
        parts = _KEY.fullmatch(api_key)
        keys = await self.keys(parts[1]) if parts else ()
        hashed = hash_key(api_key)
        return parts[1] if parts and any(key.accepts(hashed, now) for key in keys) else None

    async def guests(self, unit: str) -> tuple[Guest, ...]:
        """The guests of *unit*, the longest first. Raises NotSealed for another writer's list."""
        value = await self.bucket.get(guests_key(unit))
        return GuestList.model_validate_json(value.data).guests if value else ()

    async def add_guest(self, unit: str, guest: Guest) -> None:
        """Add a guest, who may be one already. Raises Conflict for more than `MOST_GUESTS`."""

        def change(known: GuestList) -> GuestList:
            if known.find(guest.id):
                return known
            if len(known.guests) >= MOST_GUESTS:
                full = get_text("unit", "guests_full", unit=unit, limit=MOST_GUESTS)
                raise Conflict(full.as_field_error("address"))
            return known.model_copy(update={"guests": (*known.guests, guest)})

        await self._change(guests_key(unit), GuestList, change)

    async def remove_guest(self, unit: str, guest_id: str) -> None:
        """Remove a guest. Raises Invalid for an address that is not on the list."""

        def change(known: GuestList) -> GuestList:
            if known.find(guest_id) is None:
                raise Invalid(get_text("unit", "no_guest", unit=unit).as_field_error("address"))
            left = tuple(one for one in known.guests if one.id != guest_id)
            return known.model_copy(update={"guests": left})

        await self._change(guests_key(unit), GuestList, change)

    async def keys(self, unit: str) -> tuple[ApiKey, ...]:
        """The keys of *unit*; none where another writer made them."""
        try:
            value = await self.reads.get(keyring_key(unit), patience_s=READ_PATIENCE_S)
        except NotSealed:
            return ()
        return TrialKeyring.model_validate_json(value.data).keys if value else ()

    async def _change(self, key: str, kind: type[R], change: Callable[[R], R]) -> None:
        """Change a record; one that another writer made is replaced."""
        known: Versioned[R | None]
        try:
            known = await read(self.bucket, key, kind)
        except NotSealed as forged:
            known = Versioned(None, forged.revision)
        await update_or_create(self.bucket, key, kind, change, known, is_idempotent=False)
