"""Data keys of people: bucket `person_keys`, each wrapped by a key of the key file.

`<bucket>.<key>` holds the data key of one record. It is written once, before the record, and never
again; a destroyed one is overwritten on the disk, where a purge would leave its bytes."""

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts import subjects
from producers.bus import BatchEntry, Bus, NoReply, RevisionConflict
from producers.encryption.errors import KeyUnreadable
from producers.encryption.values import open_sealed, seal

_DATA_KEY_BITS = 256
Ciphers = Mapping[str, AESGCM | None]
"""The ciphers of records by the name of their key; None for a key of another key file."""


class PersonKeys:
    """Makes, reads and destroys data keys. Raises BusError."""

    def __init__(self, bus: Bus, wrapping_key: bytes) -> None:
        self.bus = bus
        self.bucket = bus.stored_bucket(subjects.PERSON_KEYS.name)
        self._wrapping = AESGCM(wrapping_key)

    async def load(self, name: str) -> Ciphers:
        """Load one key from the leader; empty without one."""
        value = await self.bucket.get(name)
        return {name: self._unwrap(name, value.data)} if value else {}

    async def load_many(self, names: Sequence[str]) -> Ciphers:
        """Load keys; those that are absent, or new to the replica that answers, are left out."""
        values = await self.bucket.get_many(names)
        return {name: self._unwrap(name, value.data) for name, value in values.items()}

    async def ensure(self, names: Sequence[str]) -> dict[str, AESGCM]:
        """Load keys, and make those that are absent. Raises KeyUnreadable."""
        found = dict(await self.load_many(names))
        absent = [name for name in names if name not in found]
        if absent:
            found |= await self._store({n: AESGCM.generate_key(_DATA_KEY_BITS) for n in absent})
        return {name: usable(name, cipher) for name, cipher in found.items()}

    async def make(self, names: Sequence[str]) -> dict[str, AESGCM]:
        """Make the keys of new records without asking for them first. Raises KeyUnreadable.

        Where one is there already, say after a write whose answer was lost, it is used.
        """
        fresh = {name: AESGCM.generate_key(_DATA_KEY_BITS) for name in names}
        try:
            await self._commit(fresh)
        except (RevisionConflict, NoReply):
            return await self.ensure(names)
        return {name: AESGCM(key) for name, key in fresh.items()}

    async def destroy(self, name: str) -> None:
        """Overwrite a key on the disk; without it, no copy of its record can be read."""
        subject = f"$KV.{self.bucket.name}.{name}"
        if message := await self.bus.last_message(self.bucket.stream, subject):
            await self.bus.erase_message(self.bucket.stream, message.seq)

    async def _store(self, fresh: Mapping[str, bytes]) -> Ciphers:
        """Store new keys, in one commit unless another process makes one of them too."""
        try:
            await self._commit(fresh)
        except (RevisionConflict, NoReply):
            return {name: await self._create(name, key) for name, key in fresh.items()}
        return {name: AESGCM(key) for name, key in fresh.items()}

    async def _commit(self, fresh: Mapping[str, bytes]) -> None:
        await self.bucket.batch([BatchEntry(*self._wrap(*pair), 0) for pair in fresh.items()])

    async def _create(self, name: str, key: bytes) -> AESGCM | None:
        """Create a key, or read the one that was first."""
        try:
            await self.bucket.create(*self._wrap(name, key))
        except RevisionConflict:
            return (await self.load(name)).get(name)
        return AESGCM(key)

    def _wrap(self, name: str, key: bytes) -> tuple[str, bytes]:
        return name, seal(self._wrapping, name, key)

    def _unwrap(self, name: str, wrapped: bytes) -> AESGCM | None:
        key = open_sealed(self._wrapping, name, wrapped)
        return AESGCM(key) if key else None


def usable(name: str, cipher: AESGCM | None) -> AESGCM:
    """The cipher of a key. Raises KeyUnreadable for a key of another key file."""
    if cipher is None:
        raise KeyUnreadable(f"person_keys.{name}: wrapped with another key file")
    return cipher
