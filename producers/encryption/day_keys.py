"""A bucket whose records expire by themselves, sealed with one key a day.

A key for each record would cost the door one more synced write, and the expiry of a record a search
for its key. So the records of a day (UTC) share the key `person_keys.<bucket>.<day>`, which is
destroyed once all of them have expired. A record that is purged before is overwritten on the disk
itself. The day is part of the value: what is written again under it expires with it."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from producers.bus import BatchEntry, Bucket, Bus, RevisionConflict, Value, topology
from producers.bus.connection import READ_PATIENCE_S, Connection
from producers.bus.retry import retry_until
from producers.encryption.keys import PersonKeys, usable
from producers.encryption.values import day_of, is_sealed, open_sealed, seal

_PROOF = "proof"
_MARGIN = timedelta(days=1)
"""A record may be written a moment after the day under whose key it was sealed."""


@dataclass
class DayKeys:
    """The keys of one bucket by day, kept in memory: some thirty. Raises BusError."""

    keys: PersonKeys
    bucket_name: str
    clock: Clock = time.time
    known: dict[str, AESGCM] = field(default_factory=dict)

    def today(self) -> str:
        return utc_now(self.clock).date().isoformat()

    async def cipher(self, day: str) -> AESGCM:
        """The key of a day, made if absent. Raises KeyUnreadable for one of another key file."""
        if day not in self.known:
            name = self._name(day)
            self.known[day] = (await self.keys.ensure([name]))[name]
            crash_point("notices.key_made")
        return self.known[day]

    async def load(self, days: Iterable[str]) -> Mapping[str, AESGCM]:
        """The keys of some days; destroyed ones are left out. Raises KeyUnreadable."""
        for day in {*days} - self.known.keys():
            name = self._name(day)
            for cipher in (await self.keys.load(name)).values():
                self.known[day] = usable(name, cipher)
        return self.known

    async def prove(self) -> None:
        """Store a key by which others can tell whether theirs is the key file of this data."""
        await self.keys.ensure([self._proof])

    async def is_refuted(self) -> bool:
        """Whether the proof was made with another key file; False without a proof."""
        found = await self.keys.load(self._proof)
        return self._proof in found and found[self._proof] is None

    async def forget_proof(self) -> None:
        await self.keys.destroy(self._proof)

    @property
    def _proof(self) -> str:
        return f"{_PROOF}.{self.bucket_name}"

    async def destroy_expired(self, bus: Bus) -> int:
        """Destroy the keys of days whose records have all expired, by the server's own clock."""
        info = await bus.stream_info(bus.stored_bucket(self.bucket_name).stream)
        age = topology.age_of(info["config"])
        last = (datetime.fromisoformat(info["ts"]) - age - _MARGIN).date()
        prefix, count = f"{self.bucket_name}.", 0
        for name in await self.keys.bucket.keys(prefix) if age else []:
            if date.fromisoformat(name.removeprefix(prefix)) < last:
                await self.keys.destroy(name)
                crash_point("notices.key_destroyed")
                self.known.pop(name.removeprefix(prefix), None)
                count += 1
        return count

    def _name(self, day: str) -> str:
        return f"{self.bucket_name}.{day}"


class ExpiringSealedBucket(Bucket):
    """A bucket that seals the records of people, whose keys have no dot.

    A record whose day's key is destroyed is absent. One that was changed is returned as it is
    stored, which no reader takes for a record. `watch` and `changes` yield values as stored.
    """

    def __init__(self, link: Connection, name: str, bus: Bus, day_keys: DayKeys) -> None:
        super().__init__(link, name)
        self.bus, self.day_keys = bus, day_keys

    @staticmethod
    def is_record(key: str) -> bool:
        """Whether *key* is that of a record about a person."""
        return "." not in key

    async def get(self, key: str, *, patience_s: float = READ_PATIENCE_S) -> Value | None:
        value = await super().get(key, patience_s=patience_s)
        return (await self._open_values({key: value})).get(key) if value else None

    async def get_many(self, keys: Sequence[str], *, min_seq: int = 0) -> dict[str, Value]:
        return await self._open_values(await super().get_many(keys, min_seq=min_seq))

    async def values(self, prefix: str = "", *, start: int = 1) -> AsyncIterator[tuple[str, Value]]:
        async for key, value in super().values(prefix, start=start):
            for item in (await self._open_values({key: value})).items():
                yield item

    async def create(self, key: str, data: bytes, *, timeout_s: float = 5.0) -> int:
        return await super().create(key, await self.seal_value(key, data), timeout_s=timeout_s)

    async def swap(self, key: str, data: bytes, revision: int, *, timeout_s: float = 5.0) -> int:
        if not revision:
            return await self.create(key, data, timeout_s=timeout_s)
        sealed = await self.seal_value(key, data)
        return await super().swap(key, sealed, revision, timeout_s=timeout_s)

    async def put(self, key: str, data: bytes) -> int:
        return await super().put(key, await self.seal_value(key, data))

    async def batch(self, entries: Sequence[BatchEntry], *, timeout_s: float = 10.0) -> int:
        sealed = [replace(e, data=await self.seal_value(e.key, e.data)) for e in entries]
        return await super().batch(sealed, timeout_s=timeout_s)

    async def purge(self, key: str) -> int:
        """Overwrite a record on the disk, then leave the mark of its removal.

        A record that is made meanwhile stays.
        """
        message = await self._last_message(key, READ_PATIENCE_S)
        if message and message.is_deleted:
            return message.seq
        revision = message.seq if message else 0
        try:
            purge = partial(self.purge_if, key, revision)
            return await retry_until(purge, READ_PATIENCE_S, self._link.closed)
        except RevisionConflict as made:
            return made.revision or revision

    async def purge_if(self, key: str, revision: int) -> int:
        if revision:
            await self.bus.erase_message(self.stream, revision)
        return await super().purge_if(key, 0)

    async def seal_value(self, key: str, data: bytes, day: str = "") -> bytes:
        """Seal a record that is plain with the key of *day*, or of today."""
        if is_sealed(data) or not self.is_record(key):
            return data
        day = day or self.day_keys.today()
        return seal(await self.day_keys.cipher(day), f"{self.name}.{key}", data, day)

    async def _open_values(self, values: Mapping[str, Value]) -> dict[str, Value]:
        days = {key: day_of(value.data) for key, value in values.items()}
        ciphers = await self.day_keys.load({day for day in days.values() if day})
        opened = {}
        for key, value in values.items():
            if not (day := days[key]):
                opened[key] = value
            elif cipher := ciphers.get(day):
                plain = open_sealed(cipher, f"{self.name}.{key}", value.data)
                opened[key] = value if plain is None else replace(value, data=plain)
        return opened
