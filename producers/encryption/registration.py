"""Which records are sealed, and the registration with a bus."""

from functools import partial

from contracts import subjects
from producers.bus import Bus
from producers.encryption.bucket import SealedBucket
from producers.encryption.day_keys import DayKeys, ExpiringSealedBucket
from producers.encryption.keys import PersonKeys

SEALED_PREFIXES = {subjects.SUBSCRIBERS.name: ("s.", "f.")}
"""By bucket, the keys of records that hold addresses; the others hold ids and keyed hashes."""


def holds_person(bucket_name: str, key: str) -> bool:
    """Whether *key* is that of a record about a person, which is sealed."""
    if bucket_name == subjects.NOTICES.name:
        return ExpiringSealedBucket.is_record(key)
    return key.startswith(SEALED_PREFIXES[bucket_name])


def seal_buckets(bus: Bus, wrapping_key: bytes) -> PersonKeys:
    """Seal and open the records of people in every bucket that *bus* hands out from now on."""
    keys = PersonKeys(bus, wrapping_key)
    for name, prefixes in SEALED_PREFIXES.items():
        bus.bucket_types[name] = partial(SealedBucket, keys=keys, prefixes=prefixes)
    return keys


def seal_notices(bus: Bus, wrapping_key: bytes) -> DayKeys:
    """Seal and open the contacts of case notices and the letters, from now on."""
    name = subjects.NOTICES.name
    keys = DayKeys(PersonKeys(bus, wrapping_key), name)
    bus.bucket_types[name] = partial(ExpiringSealedBucket, bus=bus, day_keys=keys)
    return keys
