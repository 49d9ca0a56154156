"""Data keys without a record, and records without a data key."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from producers.bus import Bus, Value
from producers.bus.messages import chunked
from producers.encryption.bucket import RENEWED_SUFFIX
from producers.encryption.day_keys import DayKeys
from producers.encryption.keys import PersonKeys
from producers.encryption.registration import SEALED_PREFIXES
from producers.encryption.values import day_of, is_renewed, is_sealed

_UNUSED_FOR = timedelta(days=1)
"""A key is made before its record: a younger one may be about to be used."""
_CHUNK_SIZE = 500


async def destroy_unused_keys(bus: Bus, keys: PersonKeys, now: datetime) -> int:
    """Destroy keys whose record an erasure had purged when it was killed; return their number."""
    unused = 0
    async for chunk in chunked(keys.bucket.values(), _CHUNK_SIZE):
        names = [name for name, value in chunk if now - value.created > _UNUSED_FOR]
        for name in await _without_record(bus, names):
            await keys.destroy(name)
            unused += 1
    return unused


async def _without_record(bus: Bus, names: Sequence[str]) -> list[str]:
    unused = []
    for bucket_name in SEALED_PREFIXES:
        prefix, bucket = f"{bucket_name}.", bus.stored_bucket(bucket_name)
        wanted = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        present = await bucket.get_many([key.removesuffix(RENEWED_SUFFIX) for key in wanted])
        for key in wanted:
            if _is_used(key, present.get(key.removesuffix(RENEWED_SUFFIX))):
                continue
            leader = await bucket.get(key.removesuffix(RENEWED_SUFFIX))  # a replica may be behind
            if not _is_used(key, leader):
                unused.append(prefix + key)
    return unused


def _is_used(key: str, record: Value | None) -> bool:
    """Whether a data key may be needed; the first one of a renewed record: see `renew_key`."""
    if record is None:
        return False
    return is_renewed(record.data) or not key.endswith(RENEWED_SUFFIX)


async def purge_records_without_key(bus: Bus) -> int:
    """Purge sealed records that no key opens: they were erased while a backup was made.

    Only for a bus without other writers, whose keys are complete.
    """
    keys, count = bus.stored_bucket("person_keys"), 0
    for bucket_name in SEALED_PREFIXES:
        bucket = bus.stored_bucket(bucket_name)
        async for chunk in chunked(bucket.values(), _CHUNK_SIZE):
            names = {_key_name(bucket_name, *pair): pair[0] for pair in chunk if _is_sealed(pair)}
            present = await keys.get_many(list(names))
            for name in names.keys() - present.keys():
                await bucket.purge(names[name])
                count += 1
    return count


def _is_sealed(pair: tuple[str, Value]) -> bool:
    return is_sealed(pair[1].data)


def _key_name(bucket_name: str, key: str, value: Value) -> str:
    """The name of the key with which a value is sealed."""
    return f"{bucket_name}.{key}{RENEWED_SUFFIX if is_renewed(value.data) else ''}"


async def forget_records_of_other_key(bus: Bus, keys: PersonKeys) -> int:
    """Purge records whose data keys the key file does not open, keys too; return their number."""
    count = 0
    async for chunk in chunked(keys.bucket.values(), _CHUNK_SIZE):
        own = [name for name, _ in chunk if name.partition(".")[0] in SEALED_PREFIXES]
        opened = await keys.load_many(own)
        for name in own:
            if opened.get(name) or (await keys.load(name)).get(name):
                continue
            bucket_name, _, key = name.partition(".")
            await bus.stored_bucket(bucket_name).purge(key.removesuffix(RENEWED_SUFFIX))
            await keys.destroy(name)
            count += 1
    return count


async def forget_days_of_other_key(bus: Bus, days: DayKeys) -> int:
    """Purge records of days whose keys the key file does not open; return their number."""
    stored, prefix, count = bus.stored_bucket(days.bucket_name), f"{days.bucket_name}.", 0
    names = await days.keys.bucket.keys(prefix)
    lost = [name for name in names if (await days.keys.load(name)).get(name) is None]
    async for key, value in stored.values():
        if prefix + day_of(value.data) in lost:
            await stored.purge(key)
            count += 1
    for name in lost:
        await days.keys.destroy(name)
    return count
