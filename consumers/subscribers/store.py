"""Subscriber store: bucket `subscribers`, by address or by id, one record or many at a time.

`s.<id>` is the subscriber's record, `a.<keyed hash of the address>` holds the id. Both are
written in one atomic batch, so an address belongs to one subscriber in any race. An
address that its subscriber has exchanged for another holds `-` and the id, and no import brings
it back. `m.<id>` lists the address keys that refer to a subscriber who has left or changed
addresses; an erasure purges them too. `f.<name>` is a pending change: see
`consumers.subscribers.closing_mail`."""

import hmac
import secrets
from base64 import b32encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, Self, TypeVar

from consumers.key_file import KeyFile, seal_people
from consumers.subscribers.errors import AddressTaken
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.subscriptions.subscriber import ConsentWay, Subscriber
from producers.bus import BatchEntry, Bucket, Bus, NoReply, RevisionConflict, records
from producers.bus.messages import chunked
from producers.bus.records import Versioned

MAX_TRIES = 20
_MAX_SILENCES = 2
_CHUNK_SIZE = 500
_ID_BYTES = 10
UNKNOWN_ID = "nobody"
_MOVED_PREFIX = b"-"
"""Prefix of an address entry whose subscriber has another address now; the id follows."""

T = TypeVar("T")
Transition = Callable[[Subscriber], Subscriber]
BuildEntry = Callable[[str], BatchEntry]
"""Builds an entry to store with a change of address; takes the id of the replaced record."""


class AddressEntry(NamedTuple):
    """The bucket's entries for an address; a revision is 0 where the entry is absent."""

    subscriber: Subscriber | None = None
    address_revision: int = 0
    subscriber_revision: int = 0
    is_moved: bool = False


class SubscriberStore:
    """Reads and changes the bucket. Raises BusError."""

    def __init__(self, bus: Bus, hash_secret: bytes) -> None:
        self.bus = bus
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.hash_secret = hash_secret

    @classmethod
    def from_key_file(cls, bus: Bus, keys: KeyFile) -> Self:
        seal_people(bus, keys)
        return cls(bus, keys.derive("addresses"))

    def key_of_address(self, email: str) -> str:
        """Return the key of an address; without the secret it can't be tested."""
        return f"a.{self.keyed_hash(email.casefold())}"

    def keyed_hash(self, text: str) -> str:
        """Return the hash that replaces personal data in keys; 52 characters."""
        return base32(hmac.digest(self.hash_secret, text.encode(), sha256))

    async def find_by_address(self, email: str) -> Subscriber | None:
        """Find a subscriber by address, with two reads in any case: equally long if unknown."""
        key = self.key_of_address(email)
        entry = await self.bucket.get(key)
        return await self.find_by_id(entry.data.decode() if entry else UNKNOWN_ID)

    async def find_by_id(self, id: str) -> Subscriber | None:
        return (await self.read(id)).value

    async def read(self, id: str) -> Versioned[Subscriber | None]:
        return await records.read(self.bucket, f"s.{id}", Subscriber)

    async def find_active(self, id: str, address_key: str) -> Subscriber | None:
        """Find an active subscriber by id whose address has the key *address_key*."""
        subscriber = await self.find_by_id(id)
        if subscriber is None or not subscriber.active:
            return None
        return subscriber if self.key_of_address(subscriber.email) == address_key else None

    async def update(self, id: str, transition: Transition) -> Subscriber | None:
        """Apply *transition* to a record and store the result; None if there is no record."""

        async def attempt(_: bool) -> Subscriber | None:
            before = await self.read(id)
            if before.value is None:
                return None
            after = transition(before.value)
            if after != before.value:
                await self.bucket.swap(f"s.{id}", encode(after), before.revision)
            return after

        return await _retry_on_conflict(attempt)

    async def upsert(self, email: str, change: Callable[[Subscriber | None], Subscriber]) -> None:
        """Apply *change* to the subscriber of an address; store both keys or none."""
        key = self.key_of_address(email)

        async def attempt(is_repeat: bool) -> None:
            entry = (await self.load_entries([key], with_purged=is_repeat))[key]
            if entries := changed_entries(key, change(entry.subscriber), entry):
                await self.bucket.batch(entries)

        await _retry_on_conflict(attempt)

    async def deactivate(
        self, id: str, now: datetime, by: ConsentWay, extra: BatchEntry | None = None
    ) -> bool:
        """Deactivate a subscriber and store *extra* with it; False if not active."""

        async def attempt(is_repeat: bool) -> bool:
            stored = await self.read(id)
            subscriber = stored.value
            if subscriber is None:
                return False
            if not subscriber.active:
                return is_repeat and subscriber.left_at == now
            left = encode(subscriber.after_leaving(now, by))
            inactive = BatchEntry(f"s.{id}", left, stored.revision)
            key_list = await self.list_entry_with(id, self.key_of_address(subscriber.email))
            await self.bucket.batch([inactive, key_list, *([extra] if extra else [])])
            return True

        return await _retry_on_conflict(attempt)

    async def listed_keys(self, id: str) -> list[str]:
        value = await self.bucket.get(f"m.{id}")
        return value.data.decode().split() if value else []

    async def list_entry_with(self, id: str, key: str) -> BatchEntry:
        """Build the list with *key* added; it changes only together with the record."""
        keys = dict.fromkeys([*await self.listed_keys(id), key])
        return BatchEntry(f"m.{id}", " ".join(keys).encode())

    async def change_address(
        self, id: str, old: str, new: str, extra: BuildEntry | None = None
    ) -> bool:
        """Replace *old* by *new*; False if *id* is not at *old* any more. A repeat succeeds.

        Raises AddressTaken when *new* belongs to another active subscriber.
        """
        new_key, old_key = self.key_of_address(new), self.key_of_address(old)

        async def attempt(_: bool) -> bool:
            before = await self.read(id)
            if (subscriber := before.value) is None or not same_address(subscriber.email, old):
                return subscriber is not None and subscriber.email == new
            stored = await self.load_entries([new_key, old_key], with_purged=True)
            owner = stored[new_key].subscriber
            if owner and owner.active and owner.id != id:
                raise AddressTaken
            changed = subscriber.model_copy(update={"email": new})
            entries = [
                BatchEntry(old_key, _MOVED_PREFIX + id.encode(), stored[old_key].address_revision),
                BatchEntry(new_key, id.encode(), stored[new_key].address_revision),
                BatchEntry(f"s.{id}", encode(changed), before.revision),
                await self.list_entry_with(id, old_key),
            ]
            if extra:
                entries.append(extra(owner.id if owner and owner.id != id else ""))
            await self.bucket.batch(entries if new_key != old_key else entries[1:])
            return True

        return await _retry_on_conflict(attempt)

    async def purge_inactive(self, id: str) -> bool:
        """Purge the record of an inactive subscriber; False if active again."""
        stored = await self.read(id)
        if stored.value is None:
            return True
        if stored.value.active:
            return False
        try:
            await self.bucket.purge_if(f"s.{id}", stored.revision)
        except RevisionConflict:  # purged, or just active again
            return await self.find_by_id(id) is None
        return True

    async def erase(self, id: str, email: str) -> None:
        """Purge a subscriber's record first, then the keys of their addresses.

        The key of *email* goes last: `purge_leftovers` starts from it after a crash.
        """
        await self.bucket.purge(f"s.{id}")
        crash_point("readers.erased")
        await self.purge_address_keys(id)
        await self.bucket.purge(self.key_of_address(email))

    async def purge_address_keys(self, id: str) -> None:
        """Purge the listed addresses that name a purged subscriber, also former ones."""
        names = await self.listed_keys(id)
        # The key of the current address goes last: `purge_leftovers` starts from it.
        for expected in (_MOVED_PREFIX + id.encode(), id.encode()):
            for key in names:
                await self.purge_key_if(key, expected)
        if names:
            await self.bucket.purge(f"m.{id}")

    async def purge_key_if(self, key: str, expected: bytes) -> None:
        value = await self.bucket.get(key)
        if value and value.data == expected:
            with suppress(RevisionConflict):  # purged, or just used by a new subscriber
                await self.bucket.purge_if(key, value.revision)

    async def purge_leftovers(self, email: str) -> bool:
        """Purge the address keys that an interrupted erasure has left; True if there were any."""
        entry = await self.bucket.get(self.key_of_address(email))
        if entry is None or entry.data.startswith(_MOVED_PREFIX):
            return False
        if await self.find_by_id(entry.data.decode()):
            return False
        await self.purge_address_keys(entry.data.decode())
        await self.purge_key_if(self.key_of_address(email), entry.data)
        return True

    async def load_entries(self, keys: Sequence[str], with_purged: bool) -> dict[str, AddressEntry]:
        """Load address entries by key; with *with_purged* also the revisions of purges."""
        addresses = await self.bucket.get_many(keys)
        owners = [f"s.{entry.data.decode()}" for entry in addresses.values()]
        subscribers = await self.bucket.get_many(owners)
        entries = {}
        for key in keys:
            if key not in addresses:
                purged = await self.purge_revision(key) if with_purged else 0
                entries[key] = AddressEntry(address_revision=purged)
                continue
            subscriber = subscribers.get(f"s.{addresses[key].data.decode()}")
            entries[key] = AddressEntry(
                Subscriber.model_validate_json(subscriber.data) if subscriber else None,
                addresses[key].revision,
                subscriber.revision if subscriber else 0,
                addresses[key].data.startswith(_MOVED_PREFIX),
            )
        return entries

    async def purge_revision(self, key: str) -> int:
        """Return the revision at which an address was purged; 0 if it never existed."""
        message = await self.bus.last_message(self.bucket.stream, f"$KV.{self.bucket.name}.{key}")
        return message.seq if message else 0


async def former_readers(bucket: Bucket) -> AsyncIterator[Subscriber]:
    """Every reader who has left; the records of those who stay are neither read nor opened."""
    async for lists in chunked(bucket.values("m."), _CHUNK_SIZE):
        ids = [key.removeprefix("m.") for key, _ in lists]
        for value in (await bucket.get_many([f"s.{id}" for id in ids])).values():
            reader = records.parse(Subscriber, value.data)
            if reader and not reader.active:
                yield reader


async def _retry_on_conflict(attempt: Callable[[bool], Awaitable[T]]) -> T:
    """Repeat *attempt* after conflicts, and once after silence of the bus.

    The argument is True on a repeat: then the last write may have succeeded.
    """
    is_repeat, silent = False, 0
    for _ in range(MAX_TRIES):
        try:
            return await attempt(is_repeat)
        except NoReply:
            silent += 1
            if silent >= _MAX_SILENCES:
                raise
        except RevisionConflict:
            pass
        is_repeat = True
    raise RevisionConflict(f"another write was faster {MAX_TRIES} times")


def changed_entries(key: str, wanted: Subscriber, known: AddressEntry) -> list[BatchEntry]:
    """Return the entries that differ from the stored ones for one address."""
    if wanted == known.subscriber:
        return []
    entry = BatchEntry(f"s.{wanted.id}", encode(wanted), known.subscriber_revision)
    if known.subscriber is None:
        return [BatchEntry(key, wanted.id.encode(), known.address_revision), entry]
    return [entry]


def same_address(one: str, other: str) -> bool:
    """Whether two spellings mean one mailbox, as in `key_of_address`."""
    return one.casefold() == other.casefold()


def encode(subscriber: Subscriber) -> bytes:
    return subscriber.model_dump_json().encode()


def new_subscriber_id() -> str:
    """Return a random id of 80 bits in 16 characters."""
    return base32(secrets.token_bytes(_ID_BYTES))


def base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()
