"""Seals of the records from which deliveries follow, and of those that grant rights."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from consumers.key_file import KeyFile
from contracts import keys, subjects
from contracts.base.seals import Sealer
from producers.bus import Bus
from producers.seals import BucketSeals, ReadOnlyBucket

TakenOverUntil = Callable[[], Awaitable[datetime]]
SEALED_BUCKETS = tuple(
    bucket.name
    for bucket in (
        *(subjects.LEDGER, subjects.PUBLISHED, subjects.DESK),
        *(subjects.DIGESTS, subjects.UNITS, subjects.STAFF, subjects.SESSIONS),
    )
)


def sealer(key_file: KeyFile, bucket: str) -> Sealer:
    return Sealer(key_file.derive(f"seal bucket {bucket}"))


def seal_records(bus: Bus, key_file: KeyFile, until: TakenOverUntil) -> None:
    """Let *bus* seal and verify what `SEALED_BUCKETS` name.

    The gateway, which has no key file, numbers dossiers among the records of items.
    """
    for name in SEALED_BUCKETS:
        BucketSeals(name, sealer(key_file, name), until, _is_exempt(name)).attach(bus)


def refuse_writes(bus: Bus, refusal: Exception) -> None:
    """Let *bus* only read sealed records: without the key, what it wrote would be refused."""
    for name in SEALED_BUCKETS:
        bus.bucket_types[name] = partial(ReadOnlyBucket, refusal=refusal)


def _is_exempt(bucket: str) -> Callable[[str], bool]:
    return keys.is_case if bucket == subjects.PUBLISHED.name else lambda _: False
