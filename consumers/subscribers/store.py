"""Subscriber store: bucket `subscribers`, by address or by id, one record or many at a time.

`s.<id>` is the subscriber's record, `a.<keyed hash of the address>` holds the id. Both are
written in one atomic batch, so an address belongs to one subscriber whatever runs at once. An
address that its subscriber has exchanged for another holds `-` and the id, and no import brings
it back. `m.<id>` lists the address keys that refer to a subscriber who has left or changed
addresses; an erasure purges them too. `f.<name>` is a pending change: see
`consumers.subscribers.closing_mail`."""

import hmac
import secrets
from base64 import b32encode
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, Self, TypeVar

from consumers.key_file import KeyFile
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import BatchEntry, Bus, NoReply, RevisionConflict

MAX_TRIES = 20
MAX_SILENCES = 2
ID_BYTES = 10
UNKNOWN_ID = "nobody"
MOVED_PREFIX = b"-"
"""How begins what an address names whose reader has another one now; the reader's id follows."""

T = TypeVar("T")
Transition = Callable[[Subscriber], Subscriber]
ExtraEntries = Callable[[str], Sequence[BatchEntry]]
"""What is stored with a move; it is told whose empty record the move leaves behind (`""`: none)."""


class AddressEntry(NamedTuple):
    """What the bucket knows of an address; revisions are 0 for what is absent."""

    subscriber: Subscriber | None = None
    address_revision: int = 0
    subscriber_revision: int = 0
    is_moved: bool = False


class AddressTaken(Exception):
    """The address is another reader's."""


class SubscriberStore:
    """Reads and changes the bucket. Raises BusError."""

    def __init__(self, bus: Bus, hash_secret: bytes) -> None:
        self.bus = bus
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.hash_secret = hash_secret

    @classmethod
    def from_key_file(cls, bus: Bus, keys: KeyFile) -> Self:
        """With the key under which addresses lie there."""
        return cls(bus, keys.derive("addresses"))

    def key_of_address(self, email: str) -> str:
        """The key of an address: without the secret nobody can test whether somebody is here."""
        return f"a.{self.keyed_hash(email.casefold())}"

    def keyed_hash(self, text: str) -> str:
        """What stands for something personal where it must not be read; 52 characters."""
        return base32(hmac.digest(self.hash_secret, text.encode(), sha256))

    async def find_by_address(self, email: str) -> Subscriber | None:
        """Whose address it is. Two reads, whether somebody is there or not: it takes as long."""
        key = self.key_of_address(email)
        named = await self.bucket.get(key)
        return await self.find_by_id(named.data.decode() if named else UNKNOWN_ID)

    async def find_by_id(self, id: str) -> Subscriber | None:
        value = await self.bucket.get(f"s.{id}")
        return Subscriber.model_validate_json(value.data) if value else None

    async def find_active(self, id: str, address_key: str) -> Subscriber | None:
        """The reader with this id, as long as they read at the address with the key *address*."""
        person = await self.find_by_id(id)
        at_home = person and person.active and self.key_of_address(person.email) == address_key
        return person if at_home else None

    async def update(self, id: str, transition: Transition) -> Subscriber | None:
        """Replace a person's record by what *move* makes of it; None where there is nobody."""

        async def attempt(_: bool) -> Subscriber | None:
            value = await self.bucket.get(f"s.{id}")
            if value is None:
                return None
            before = Subscriber.model_validate_json(value.data)
            after = transition(before)
            if after != before:
                await self.bucket.swap(f"s.{id}", encode(after), value.revision)
            return after

        return await retry_on_conflict(attempt)

    async def upsert(
        self, email: str, transition: Callable[[Subscriber | None], Subscriber]
    ) -> None:
        """Store what *make* makes of whoever has the address; both keys, or none."""
        key = self.key_of_address(email)

        async def attempt(again: bool) -> None:
            held = (await self.load_entries([key], with_purged=again))[key]
            if entries := changed_entries(key, transition(held.subscriber), held):
                await self.bucket.batch(entries)

        await retry_on_conflict(attempt)

    async def deactivate(self, id: str, now: datetime, extra: BatchEntry | None = None) -> bool:
        """Let a reader go, and store *told* with that; False where nobody reads (any more)."""

        async def attempt(again: bool) -> bool:
            value = await self.bucket.get(f"s.{id}")
            if value is None:
                return False
            person = Subscriber.model_validate_json(value.data)
            if not person.active:
                return again and person.left_at == now
            gone = BatchEntry(f"s.{id}", encode(person.after_leaving(now)), value.revision)
            mine = await self.list_entry_with(id, self.key_of_address(person.email))
            await self.bucket.batch([gone, mine, *([extra] if extra else [])])
            return True

        return await retry_on_conflict(attempt)

    async def listed_keys(self, id: str) -> list[str]:
        """The addresses in the list of a person, by key."""
        value = await self.bucket.get(f"m.{id}")
        return value.data.decode().split() if value else []

    async def list_entry_with(self, id: str, key: str) -> BatchEntry:
        """The list with *key* in it; it changes only together with the person's record."""
        known = dict.fromkeys([*await self.listed_keys(id), key])
        return BatchEntry(f"m.{id}", " ".join(known).encode())

    async def change_address(
        self, id: str, old: str, new: str, extra: ExtraEntries = lambda _: ()
    ) -> bool:
        """Give the reader of *old* the address *new*; False if *id* is not at *old* (any more).

        Where it is done already, it is done. Raises Taken when *new* is somebody's who reads.
        """
        key, left = self.key_of_address(new), self.key_of_address(old)

        async def attempt(_: bool) -> bool:
            value = await self.bucket.get(f"s.{id}")
            person = Subscriber.model_validate_json(value.data) if value else None
            if value is None or person is None or person.email.casefold() != old.casefold():
                return person is not None and person.email == new
            held = await self.load_entries([key, left], with_purged=True)
            there = held[key].subscriber
            if there and there.active and there.id != id:
                raise AddressTaken
            moved = encode(person.model_copy(update={"email": new}))
            entries = [
                BatchEntry(left, MOVED_PREFIX + id.encode(), held[left].address_revision),
                BatchEntry(key, id.encode(), held[key].address_revision),
                BatchEntry(f"s.{id}", moved, value.revision),
                await self.list_entry_with(id, left),
            ]
            followed = extra(there.id if there and there.id != id else "")
            await self.bucket.batch([*(entries if key != left else entries[1:]), *followed])
            return True

        return await retry_on_conflict(attempt)

    async def purge_inactive(self, id: str) -> bool:
        """Purge the empty record of somebody who has left; False where somebody reads (again)."""
        value = await self.bucket.get(f"s.{id}")
        if value is None:
            return True
        if Subscriber.model_validate_json(value.data).active:
            return False
        try:
            await self.bucket.purge_if(f"s.{id}", value.revision)
        except RevisionConflict:  # it is gone, or they have just come back
            return await self.find_by_id(id) is None
        return True

    async def erase(self, id: str, email: str) -> None:
        """Purge a person and the keys of their addresses; the person first, whatever happens then.

        The key of *email* goes last: as long as it stands, `left_over` finds what is left.
        """
        await self.bucket.purge(f"s.{id}")
        crash_point("readers.erased")
        await self.purge_address_keys(id)
        await self.bucket.purge(self.key_of_address(email))

    async def purge_address_keys(self, id: str) -> None:
        """Purge the addresses in a purged reader's list that name them, or have before a move."""
        names = await self.listed_keys(id)
        for said in (
            MOVED_PREFIX + id.encode(),
            id.encode(),
        ):  # `left_over` finds the rest by the last
            for key in names:
                await self.purge_key_if(key, said)
        if names:
            await self.bucket.purge(f"m.{id}")

    async def purge_key_if(self, key: str, expected: bytes) -> None:
        """Purge an address, if that is what it says."""
        value = await self.bucket.get(key)
        if value and value.data == expected:
            with suppress(RevisionConflict):  # it is gone, or somebody has just subscribed with it
                await self.bucket.purge_if(key, value.revision)

    async def purge_leftovers(self, email: str) -> bool:
        """Purge an address, and others, of a person whom an erasure has purged before it.

        Whether it was there.
        """
        named = await self.bucket.get(self.key_of_address(email))
        if (
            named is None
            or named.data.startswith(MOVED_PREFIX)
            or await self.find_by_id(named.data.decode())
        ):
            return False
        await self.purge_address_keys(named.data.decode())
        await self.purge_key_if(self.key_of_address(email), named.data)
        return True

    async def load_entries(
        self, keys: Sequence[str], *, with_purged: bool
    ) -> dict[str, AddressEntry]:
        """What is known of addresses, by key; with *markers* also where a purge stands."""
        addresses = await self.bucket.get_many(keys)
        people = await self.bucket.get_many([f"s.{v.data.decode()}" for v in addresses.values()])
        known = {}
        for key in keys:
            if key not in addresses:
                known[key] = AddressEntry(
                    address_revision=await self.purge_revision(key) if with_purged else 0
                )
                continue
            person = people.get(f"s.{addresses[key].data.decode()}")
            known[key] = AddressEntry(
                Subscriber.model_validate_json(person.data) if person else None,
                addresses[key].revision,
                person.revision if person else 0,
                addresses[key].data.startswith(MOVED_PREFIX),
            )
        return known

    async def purge_revision(self, key: str) -> int:
        """The revision at which an address was purged; 0 when it never was there."""
        message = await self.bus.last_message(self.bucket.stream, f"$KV.{self.bucket.name}.{key}")
        return message.seq if message else 0


async def retry_on_conflict(attempt: Callable[[bool], Awaitable[T]]) -> T:
    """Repeat *attempt* while others are faster, and once when the bus is silent.

    It is told whether it is a repeat: then its last write may stand.
    """
    again, silent = False, 0
    for _ in range(MAX_TRIES):
        try:
            return await attempt(again)
        except NoReply:
            silent += 1
            if silent >= MAX_SILENCES:
                raise
        except RevisionConflict:
            pass
        again = True
    raise RevisionConflict(f"somebody else was faster {MAX_TRIES} times")


def changed_entries(key: str, wanted: Subscriber, known: AddressEntry) -> list[BatchEntry]:
    """What a batch has to write for one address: only what differs from what stands there."""
    if wanted == known.subscriber:
        return []
    entry = BatchEntry(f"s.{wanted.id}", encode(wanted), known.subscriber_revision)
    if known.subscriber is None:
        return [BatchEntry(key, wanted.id.encode(), known.address_revision), entry]
    return [entry]


def encode(subscriber: Subscriber) -> bytes:
    return subscriber.model_dump_json().encode()


def new_subscriber_id() -> str:
    """A random id: 80 bits, 16 characters; it says nothing about the person."""
    return base32(secrets.token_bytes(ID_BYTES))


def base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()
