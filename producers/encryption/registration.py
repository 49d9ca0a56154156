"""Which records are sealed, and the registration with a bus."""

from functools import partial

from contracts import subjects
from producers.bus import Bus
from producers.encryption.bucket import SealedBucket
from producers.encryption.keys import PersonKeys

SEALED_PREFIXES = {subjects.SUBSCRIBERS.name: ("s.", "f.")}
"""By bucket, the keys of records that hold addresses; the others hold ids and keyed hashes."""


def seal_buckets(bus: Bus, wrapping_key: bytes) -> PersonKeys:
    """Seal and open the records of people in every bucket that *bus* hands out from now on."""
    keys = PersonKeys(bus, wrapping_key)
    for name, prefixes in SEALED_PREFIXES.items():
        bus.bucket_types[name] = partial(SealedBucket, keys=keys, prefixes=prefixes)
    return keys
