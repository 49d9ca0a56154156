"""Seals of records from which deliveries follow or that grant rights, of receipts, acts, audit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError

from consumers.key_file import FINGERPRINT_PURPOSE, DerivedKeys, KeyFile
from consumers.seals.publications import PURPOSE, PublicationSeals
from contracts import keys, subjects
from contracts.base.seals import Sealer
from contracts.delivery import ChannelName
from contracts.records import Ownership
from producers.bus import Bus
from producers.seals import BucketSeals, MessageSeals, ReadOnlyBucket, RefusedSeals

Moment = Callable[[], Awaitable[datetime]]
SEALED_FIRST = tuple(
    bucket.name
    for bucket in (
        *(subjects.LEDGER, subjects.PUBLISHED),
        *(subjects.DIGESTS, subjects.UNITS, subjects.STAFF, subjects.SESSIONS),
    )
)
SEALED_LATER = tuple(
    bucket.name
    for bucket in (
        *(subjects.SUPPRESSED, subjects.STAFF_MAIL),
        *(subjects.TRIAL_UNITS, subjects.CALLBACKS),
    )
)
"""Sealed since RECEIPTS and AUDIT are, or newer than those."""
SEALED_BUCKETS = SEALED_FIRST + SEALED_LATER
_RECEIPTS = subjects.RECEIPTS.subjects[0].partition(".")[0]
_ZALO_RECEIPTS = f"{_RECEIPTS}.{ChannelName.ZALO}"
_MAIL_RECEIPTS = f"{_RECEIPTS}.{ChannelName.EMAIL}"
_ACTS = subjects.EDITORIAL.subjects[0].partition(".")[0]
_FACTS = subjects.FACTS.subjects[0].partition(".")[0]
_STATUS = subjects.STATUS_SUBJECT
_UPLOADS = subjects.ALL_UPLOADS.rpartition(".M.")[0]
_FORMER = tuple(bucket.name for bucket in subjects.FORMER_BUCKETS)
NOTHING_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
TAKE_OVER_PURPOSE = "seal take-over"


async def nothing_before() -> datetime:
    return NOTHING_BEFORE


@dataclass(frozen=True)
class TakenOverUntil:
    """The times until which records need no seal, and what was sealed later needs none."""

    records: Moment
    later: Moment

    @classmethod
    def by(cls, seals: Callable[[], Awaitable[PublicationSeals]]) -> "TakenOverUntil":
        """The times of the record that *seals* opens."""

        async def records() -> datetime:
            return (await seals()).taken_over_until

        async def later() -> datetime:
            return (await seals()).later_until

        return cls(records, later)


def _bucket_purpose(bucket: str) -> str:
    return f"seal bucket {bucket}"


def _messages_purpose(kind: str) -> str:
    return f"seal messages {kind}"


REPLICA_PURPOSES = (
    *(FINGERPRINT_PURPOSE, PURPOSE, TAKE_OVER_PURPOSE),
    *(_bucket_purpose(subjects.LEDGER.name), _messages_purpose(_UPLOADS)),
)
"""Keys that tell what a replica of the portal reads from what Loa has not written."""


def sealer(keys: DerivedKeys, bucket: str) -> Sealer:
    return Sealer(keys.derive(_bucket_purpose(bucket)))


def seal_zalo_receipts(bus: Bus, key: bytes, until: Moment = nothing_before) -> None:
    """Let *bus* seal and verify what Zalo tells; *key* seals nothing else."""
    bus.message_seals[_ZALO_RECEIPTS] = MessageSeals(Sealer(key), until)


def seal_records(bus: Bus, key_file: KeyFile, until: TakenOverUntil) -> None:
    """Let *bus* seal and verify what `SEALED_BUCKETS` name, receipts, both logs of acts,
    facts, those for units too, and uploads.

    Receipts have a key for each channel, so that the webhook can't forge what comes back of mail.
    The gateway, which has no key file, numbers dossiers among the records of items, and, as the
    importer does, claims new items for their units.
    """
    for name in (*SEALED_BUCKETS, *_FORMER):
        moment = until.later if name in SEALED_LATER else until.records
        seals = BucketSeals(name, sealer(key_file, name), moment)
        if name == subjects.PUBLISHED.name:
            seals = replace(seals, exempt=keys.is_case, claim=_is_claim)
        seals.attach(bus)
    seal_zalo_receipts(bus, key_file.receipts_key(), until.later)
    for kind in (_MAIL_RECEIPTS, subjects.AUDIT_RECORD, _ACTS, _FACTS, _STATUS, _UPLOADS):
        _seal_messages(bus, key_file, kind, until.later)


def seal_replica_records(bus: Bus, keys: DerivedKeys, until: TakenOverUntil) -> None:
    """Let *bus* verify what a replica of the portal reads besides publications."""
    name = subjects.LEDGER.name
    BucketSeals(name, sealer(keys, name), until.records).attach(bus)
    _seal_messages(bus, keys, _UPLOADS, until.later)


def _seal_messages(bus: Bus, keys: DerivedKeys, kind: str, until: Moment) -> None:
    key = keys.derive(_messages_purpose(kind))
    bus.message_seals[kind] = MessageSeals(Sealer(key), until)


def refuse_writes(bus: Bus, refusal: Exception) -> None:
    """Let *bus* only read sealed records: without the key, what it wrote would be refused.

    So an act that the audit log has to record is not done either.
    """
    for kind in (subjects.AUDIT_RECORD, _ACTS, _FACTS, _STATUS, _UPLOADS):
        bus.message_seals[kind] = RefusedSeals(refusal)
    for name in (*SEALED_BUCKETS, *_FORMER):
        bus.bucket_types[name] = partial(ReadOnlyBucket, refusal=refusal)


def _is_claim(data: bytes) -> bool:
    """Whether a record says whose the item is, and nothing else."""
    try:
        owner = Ownership.model_validate_json(data)
    except ValidationError:
        return False
    return data == Ownership(unit=owner.unit).model_dump_json().encode()
