"""The bucket `subscribers`: who reads, found by address or by id, changed one at a time or many.

`s.<id>` is a person's wishes, `a.<keyed hash of the address>` names the id. Both are written in one
atomic batch, so an address has one person, whoever writes at once. An address that its reader has
left for another one names nobody, `-` and the id whose it was, and no import brings it back.
`m.<id>` lists the addresses that name a person who has left, or moved away from some: they go with
the person. `f.<name>` is what follows from a change: see `consumers.readers.farewells`.
"""

import hmac
import secrets
from base64 import b32encode
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, Self, TypeVar

from consumers.vault import KeyFile
from contracts import subjects
from contracts.crash import crash_point
from contracts.subscriber import Subscriber
from producers.bus import Bus, Conflict, Entry, Silence

TRIES = 20
SILENCES = 2
ID_BYTES = 10
NOBODY = "nobody"
MOVED = b"-"
"""How begins what an address names whose reader has another one now; the reader's id follows."""

T = TypeVar("T")
Move = Callable[[Subscriber], Subscriber]
Told = Callable[[str], Sequence[Entry]]
"""What is stored with a move; it is told whose empty record the move leaves behind (`""`: none)."""


class Held(NamedTuple):
    """What the bucket knows of an address; revisions are 0 for what is absent."""

    person: Subscriber | None = None
    address_revision: int = 0
    person_revision: int = 0
    moved: bool = False


class Taken(Exception):
    """The address is another reader's."""


class People:
    """Reads and changes the bucket. Raises BusError."""

    def __init__(self, bus: Bus, address_key: bytes) -> None:
        self.bus = bus
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.address_key = address_key

    @classmethod
    def opened(cls, bus: Bus, keys: KeyFile) -> Self:
        """With the key under which addresses lie there."""
        return cls(bus, keys.derive("addresses"))

    def address(self, email: str) -> str:
        """The key of an address: without the secret nobody can test whether somebody is here."""
        return f"a.{self.hashed(email.casefold())}"

    def hashed(self, text: str) -> str:
        """What stands for something personal where it must not be read; 52 characters."""
        return base32(hmac.digest(self.address_key, text.encode(), sha256))

    async def by_address(self, email: str) -> Subscriber | None:
        """Whose address it is. Two reads, whether somebody is there or not: it takes as long."""
        key = self.address(email)
        named = await self.bucket.get(key)
        return await self.by_id(named.data.decode() if named else NOBODY)

    async def by_id(self, id: str) -> Subscriber | None:
        value = await self.bucket.get(f"s.{id}")
        return Subscriber.model_validate_json(value.data) if value else None

    async def reading(self, id: str, address: str) -> Subscriber | None:
        """The reader with this id, as long as they read at the address with the key *address*."""
        person = await self.by_id(id)
        at_home = person and person.active and self.address(person.email) == address
        return person if at_home else None

    async def change(self, id: str, move: Move) -> Subscriber | None:
        """Replace a person's record by what *move* makes of it; None where there is nobody."""

        async def attempt(_: bool) -> Subscriber | None:
            value = await self.bucket.get(f"s.{id}")
            if value is None:
                return None
            before = Subscriber.model_validate_json(value.data)
            after = move(before)
            if after != before:
                await self.bucket.swap(f"s.{id}", stored(after), value.revision)
            return after

        return await insist(attempt)

    async def settle(self, email: str, make: Callable[[Subscriber | None], Subscriber]) -> None:
        """Store what *make* makes of whoever has the address; both keys, or none."""
        key = self.address(email)

        async def attempt(again: bool) -> None:
            held = (await self.held([key], markers=again))[key]
            if entries := writes(key, make(held.person), held):
                await self.bucket.batch(entries)

        await insist(attempt)

    async def leave(self, id: str, now: datetime, told: Entry | None = None) -> bool:
        """Let a reader go, and store *told* with that; False where nobody reads (any more)."""

        async def attempt(again: bool) -> bool:
            value = await self.bucket.get(f"s.{id}")
            if value is None:
                return False
            person = Subscriber.model_validate_json(value.data)
            if not person.active:
                return again and person.left_at == now
            gone = Entry(f"s.{id}", stored(person.gone(now)), value.revision)
            mine = await self.mine(id, self.address(person.email))
            await self.bucket.batch([gone, mine, *([told] if told else [])])
            return True

        return await insist(attempt)

    async def names(self, id: str) -> list[str]:
        """The addresses in the list of a person, by key."""
        value = await self.bucket.get(f"m.{id}")
        return value.data.decode().split() if value else []

    async def mine(self, id: str, key: str) -> Entry:
        """The list with *key* in it; it changes only together with the person's record."""
        known = dict.fromkeys([*await self.names(id), key])
        return Entry(f"m.{id}", " ".join(known).encode())

    async def move(self, id: str, old: str, new: str, told: Told = lambda _: ()) -> bool:
        """Give the reader of *old* the address *new*; False if *id* is not at *old* (any more).

        Where it is done already, it is done. Raises Taken when *new* is somebody's who reads.
        """
        key, left = self.address(new), self.address(old)

        async def attempt(_: bool) -> bool:
            value = await self.bucket.get(f"s.{id}")
            person = Subscriber.model_validate_json(value.data) if value else None
            if value is None or person is None or person.email.casefold() != old.casefold():
                return person is not None and person.email == new
            held = await self.held([key, left], markers=True)
            there = held[key].person
            if there and there.active and there.id != id:
                raise Taken
            moved = stored(person.model_copy(update={"email": new}))
            entries = [
                Entry(left, MOVED + id.encode(), held[left].address_revision),
                Entry(key, id.encode(), held[key].address_revision),
                Entry(f"s.{id}", moved, value.revision),
                await self.mine(id, left),
            ]
            followed = told(there.id if there and there.id != id else "")
            await self.bucket.batch([*(entries if key != left else entries[1:]), *followed])
            return True

        return await insist(attempt)

    async def forget(self, id: str) -> bool:
        """Purge the empty record of somebody who has left; False where somebody reads (again)."""
        value = await self.bucket.get(f"s.{id}")
        if value is None:
            return True
        if Subscriber.model_validate_json(value.data).active:
            return False
        try:
            await self.bucket.purge_if(f"s.{id}", value.revision)
        except Conflict:  # it is gone, or they have just come back
            return await self.by_id(id) is None
        return True

    async def erase(self, id: str, email: str) -> None:
        """Purge a person and the keys of their addresses; the person first, whatever happens then.

        The key of *email* goes last: as long as it stands, `left_over` finds what is left.
        """
        await self.bucket.purge(f"s.{id}")
        crash_point("readers.erased")
        await self.unname(id)
        await self.bucket.purge(self.address(email))

    async def unname(self, id: str) -> None:
        """Purge the addresses in a purged reader's list that name them, or have before a move."""
        names = await self.names(id)
        for said in (MOVED + id.encode(), id.encode()):  # `left_over` finds the rest by the last
            for key in names:
                await self.purge_of(key, said)
        if names:
            await self.bucket.purge(f"m.{id}")

    async def purge_of(self, key: str, said: bytes) -> None:
        """Purge an address, if that is what it says."""
        value = await self.bucket.get(key)
        if value and value.data == said:
            with suppress(Conflict):  # it is gone, or somebody has just subscribed with it
                await self.bucket.purge_if(key, value.revision)

    async def left_over(self, email: str) -> bool:
        """Purge an address, and others, of a person whom an erasure has purged before it.

        Whether it was there.
        """
        named = await self.bucket.get(self.address(email))
        if named is None or named.data.startswith(MOVED) or await self.by_id(named.data.decode()):
            return False
        await self.unname(named.data.decode())
        await self.purge_of(self.address(email), named.data)
        return True

    async def held(self, keys: Sequence[str], *, markers: bool) -> dict[str, Held]:
        """What is known of addresses, by key; with *markers* also where a purge stands."""
        addresses = await self.bucket.many(keys)
        people = await self.bucket.many([f"s.{v.data.decode()}" for v in addresses.values()])
        known = {}
        for key in keys:
            if key not in addresses:
                known[key] = Held(address_revision=await self.purged(key) if markers else 0)
                continue
            person = people.get(f"s.{addresses[key].data.decode()}")
            known[key] = Held(
                Subscriber.model_validate_json(person.data) if person else None,
                addresses[key].revision,
                person.revision if person else 0,
                addresses[key].data.startswith(MOVED),
            )
        return known

    async def purged(self, key: str) -> int:
        """The revision at which an address was purged; 0 when it never was there."""
        message = await self.bus.last(self.bucket.stream, f"$KV.{self.bucket.name}.{key}")
        return message.seq if message else 0


async def insist(attempt: Callable[[bool], Awaitable[T]]) -> T:
    """Repeat *attempt* while others are faster, and once when the bus is silent.

    It is told whether it is a repeat: then its last write may stand.
    """
    again, silent = False, 0
    for _ in range(TRIES):
        try:
            return await attempt(again)
        except Silence:
            silent += 1
            if silent >= SILENCES:
                raise
        except Conflict:
            pass
        again = True
    raise Conflict(f"somebody else was faster {TRIES} times")


def writes(key: str, wanted: Subscriber, held: Held) -> list[Entry]:
    """What a batch has to write for one address: only what differs from what stands there."""
    if wanted == held.person:
        return []
    entry = Entry(f"s.{wanted.id}", stored(wanted), held.person_revision)
    if held.person is None:
        return [Entry(key, wanted.id.encode(), held.address_revision), entry]
    return [entry]


def stored(person: Subscriber) -> bytes:
    return person.model_dump_json().encode()


def new_id() -> str:
    """A random id: 80 bits, 16 characters; it says nothing about the person."""
    return base32(secrets.token_bytes(ID_BYTES))


def base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()
