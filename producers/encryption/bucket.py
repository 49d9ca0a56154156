"""A bucket whose records about people are sealed: callers read and write them plain.

The value goes before its key: a reader never meets a record whose key is destroyed, and
`consumers.subscribers.sealing` destroys a key that a crash has left without its record."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from producers.bus import BatchEntry, Bucket, Change, RevisionConflict, Value
from producers.bus.connection import READ_PATIENCE_S, Connection
from producers.bus.messages import chunked
from producers.encryption.keys import Ciphers, PersonKeys, usable
from producers.encryption.values import is_renewed, is_sealed, open_sealed, seal, seal_renewed

_CHUNK_SIZE = 256
RENEWED_SUFFIX = ".renewed"
"""Of the name of a record's second key: see `SealedBucket.renew_key`."""


class SealedBucket(Bucket):
    """A bucket that seals the values of keys with one of *prefixes*.

    A value that can't be opened (changed, moved, its key lost) is returned as it is stored, which
    no reader takes for a record. `watch` and `changes` yield values as stored: see `opened`.
    With another key file than the records', reads and writes raise KeyUnreadable.
    """

    def __init__(
        self, link: Connection, name: str, keys: PersonKeys, prefixes: tuple[str, ...]
    ) -> None:
        super().__init__(link, name)
        self.keys_of_people = keys
        self.prefixes = prefixes

    async def get(self, key: str, *, patience_s: float = READ_PATIENCE_S) -> Value | None:
        """As `Bucket.get`; a present and an absent record take equally many requests."""
        if not key.startswith(self.prefixes):
            return await super().get(key, patience_s=patience_s)
        value, ciphers = await self._read_both(key, patience_s)
        is_open = not value or not is_sealed(value.data)
        if value and not is_open and self._key_name(key, value.data) not in ciphers:
            # made or erased between the two
            value, ciphers = await self._read_both(key, patience_s)
        return value and replace(value, data=self._open(key, value.data, ciphers))

    async def get_many(self, keys: Sequence[str], *, min_seq: int = 0) -> dict[str, Value]:
        return await self._open_values(await super().get_many(keys, min_seq=min_seq))

    async def values(self, prefix: str = "", *, start: int = 1) -> AsyncIterator[tuple[str, Value]]:
        async for key, value in self._open_in_chunks(super().values(prefix, start=start)):
            yield key, value

    async def newest_values(
        self, pattern: str = ">", *, before: int = 0
    ) -> AsyncIterator[tuple[str, Value]]:
        newest = super().newest_values(pattern, before=before)
        async for key, value in self._open_in_chunks(newest):
            yield key, value

    async def _open_in_chunks(
        self, stored: AsyncIterator[tuple[str, Value]]
    ) -> AsyncIterator[tuple[str, Value]]:
        async for chunk in chunked(stored, _CHUNK_SIZE):
            for item in (await self._open_values(dict(chunk))).items():
                yield item

    async def opened(self, changes: Sequence[Change]) -> list[Change]:
        sealed = [one for one in changes if one.data and is_sealed(one.data)]
        ciphers = await self._ciphers([self._key_name(one.key, one.data or b"") for one in sealed])
        return [await self._opened_change(change, ciphers) for change in changes]

    async def create(self, key: str, data: bytes, *, timeout_s: float = 5.0) -> int:
        return await super().create(key, await self._seal(key, data), timeout_s=timeout_s)

    async def swap(self, key: str, data: bytes, revision: int, *, timeout_s: float = 5.0) -> int:
        sealed = await self._seal(key, data)
        return await super().swap(key, sealed, revision, timeout_s=timeout_s)

    async def put(self, key: str, data: bytes) -> int:
        return await super().put(key, await self._seal(key, data))

    async def batch(self, entries: Sequence[BatchEntry], *, timeout_s: float = 10.0) -> int:
        ciphers = await self._keys_for([e for e in entries if self._is_open(e.key, e.data)])
        sealed = [self._sealed_entry(entry, ciphers) for entry in entries]
        return await super().batch(sealed, timeout_s=timeout_s)

    async def purge(self, key: str) -> int:
        """Purge a record, then destroy its key."""
        revision = await super().purge(key)
        await self._destroy_key(key)
        return revision

    async def purge_if(self, key: str, revision: int) -> int:
        purged_at = await super().purge_if(key, revision)
        await self._destroy_key(key)
        return purged_at

    async def renew_key(self, key: str) -> bool:
        """Seal a record with a second key and destroy its first; False if that was done before.

        Older versions of the record, which the server may still have on its disk, can't be read
        any more. All writes of the record have to name the revision that they replace.
        """
        stored, name = await super().get(key), self._name(key)
        if stored is None or not is_sealed(stored.data):
            return False
        first = (await self.keys_of_people.load(name)).get(name)
        if first is None and is_renewed(stored.data):
            return False
        if not is_renewed(stored.data):
            stored = await self._seal_renewed(key, stored, usable(name, first))
        await self.keys_of_people.destroy(name)
        try:  # a write that read the record before may have used the first key: let it read again
            await super().swap(key, stored.data, stored.revision)
        except RevisionConflict:
            await self._rescue(key, first)
        return True

    async def _seal_renewed(self, key: str, stored: Value, first: AESGCM) -> Value:
        """Replace a value by the same one under a fresh second key."""
        name, renewed = self._name(key), self._name(key) + RENEWED_SUFFIX
        plain = open_sealed(first, name, stored.data)
        if plain is None:
            raise RevisionConflict(f"{name}: its key does not open it")
        await self.keys_of_people.destroy(renewed)  # that of an earlier time
        cipher = (await self.keys_of_people.ensure([renewed]))[renewed]
        data = seal_renewed(cipher, renewed, plain)
        revision = await super().swap(key, data, stored.revision)
        return replace(stored, data=data, revision=revision)

    async def _rescue(self, key: str, first: AESGCM | None) -> None:
        """Seal anew what was written meanwhile with the key that is destroyed now."""
        stored, name = await super().get(key), self._name(key)
        if stored and first and is_sealed(stored.data) and not is_renewed(stored.data):
            plain = open_sealed(first, name, stored.data)
            if plain is not None:
                await self.swap(key, plain, stored.revision)

    def _name(self, key: str) -> str:
        return f"{self.name}.{key}"

    def _key_name(self, key: str, data: bytes) -> str:
        """The name of the key with which a value is sealed."""
        return self._name(key) + (RENEWED_SUFFIX if is_renewed(data) else "")

    def _is_open(self, key: str, data: bytes) -> bool:
        """Whether *data* has to be sealed under *key*."""
        return key.startswith(self.prefixes) and not is_sealed(data)

    async def _read_both(self, key: str, patience_s: float) -> tuple[Value | None, Ciphers]:
        read, load = super().get(key, patience_s=patience_s), self.keys_of_people.load
        first, second = load(self._name(key)), load(self._name(key) + RENEWED_SUFFIX)
        value, one, other = await asyncio.gather(read, first, second)
        return value, {**one, **other}

    async def _ciphers(self, names: Sequence[str]) -> Ciphers:
        return await self.keys_of_people.load_many(list(dict.fromkeys(names))) if names else {}

    async def _open_values(self, values: dict[str, Value]) -> dict[str, Value]:
        sealed = [(key, value.data) for key, value in values.items() if is_sealed(value.data)]
        ciphers = await self._ciphers([self._key_name(*one) for one in sealed])
        opened: dict[str, Value] = {}
        for key, value in values.items():
            if is_sealed(value.data) and self._key_name(key, value.data) not in ciphers:
                present = await self.get(key)  # None: erased meanwhile
            else:
                present = replace(value, data=self._open(key, value.data, ciphers))
            if present:
                opened[key] = present
        return opened

    async def _opened_change(self, change: Change, ciphers: Ciphers) -> Change:
        """One change with its value in plain; of a record erased meanwhile its absence.

        A key that another writer has replaced closes this one record, and holds up no other.
        """
        if change.data is None or not is_sealed(change.data):
            return change
        name = self._key_name(change.key, change.data)
        if name in ciphers and ciphers[name] is None:
            return change
        if name in ciphers:
            return change._replace(data=self._open(change.key, change.data, ciphers))
        value = await self.get(change.key)
        return change._replace(data=value.data if value else None)

    def _open(self, key: str, data: bytes, ciphers: Ciphers) -> bytes:
        name = self._key_name(key, data)
        if not is_sealed(data) or name not in ciphers:
            return data
        plain = open_sealed(usable(name, ciphers[name]), name, data)
        return data if plain is None else plain

    async def _seal(self, key: str, data: bytes) -> bytes:
        if not self._is_open(key, data):
            return data
        name = self._name(key)
        return seal((await self.keys_of_people.ensure([name]))[name], name, data)

    async def _keys_for(self, entries: Sequence[BatchEntry]) -> Ciphers:
        """The keys of records to write; those of new ones are made without a look first."""
        new = [self._name(entry.key) for entry in entries if entry.expected_revision == 0]
        other = [self._name(entry.key) for entry in entries if entry.expected_revision != 0]
        ciphers = await self.keys_of_people.make(new) if new else {}
        return ciphers | (await self.keys_of_people.ensure(other) if other else {})

    def _sealed_entry(self, entry: BatchEntry, ciphers: Ciphers) -> BatchEntry:
        name = self._name(entry.key)
        cipher = ciphers.get(name)
        return replace(entry, data=seal(cipher, name, entry.data)) if cipher else entry

    async def _destroy_key(self, key: str) -> None:
        if key.startswith(self.prefixes):
            await self.keys_of_people.destroy(self._name(key))
            await self.keys_of_people.destroy(self._name(key) + RENEWED_SUFFIX)
