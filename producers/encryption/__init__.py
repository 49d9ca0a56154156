"""Records about people, sealed on the bus.

A reader's record has a data key of its own, which an erasure destroys; contacts of case notices,
which expire, share one key a day.

May import contracts, producers.bus and cryptography."""

from producers.encryption.bucket import SealedBucket
from producers.encryption.day_keys import DayKeys
from producers.encryption.errors import KeyUnreadable
from producers.encryption.keys import PersonKeys
from producers.encryption.registration import SEALED_PREFIXES, seal_buckets, seal_notices
from producers.encryption.values import is_sealed

__all__ = [
    "SEALED_PREFIXES",
    "DayKeys",
    "KeyUnreadable",
    "PersonKeys",
    "SealedBucket",
    "is_sealed",
    "seal_buckets",
    "seal_notices",
]
