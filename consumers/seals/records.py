"""Seals of the records from which deliveries follow, and of those that grant rights."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from pydantic import ValidationError

from consumers.key_file import KeyFile
from contracts import keys, subjects
from contracts.base.seals import Sealer
from contracts.records import Ownership
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

    The gateway, which has no key file, numbers dossiers among the records of items, and, as the
    importer does, claims new items for their units.
    """
    for name in SEALED_BUCKETS:
        seals = BucketSeals(name, sealer(key_file, name), until)
        if name == subjects.PUBLISHED.name:
            seals = replace(seals, exempt=keys.is_case, claim=_is_claim)
        seals.attach(bus)


def refuse_writes(bus: Bus, refusal: Exception) -> None:
    """Let *bus* only read sealed records: without the key, what it wrote would be refused."""
    for name in SEALED_BUCKETS:
        bus.bucket_types[name] = partial(ReadOnlyBucket, refusal=refusal)


def _is_claim(data: bytes) -> bool:
    """Whether a record says whose the item is, and nothing else."""
    try:
        owner = Ownership.model_validate_json(data)
    except ValidationError:
        return False
    return data == Ownership(unit=owner.unit).model_dump_json().encode()
