"""Records about people, sealed on the bus: one data key each, which an erasure destroys.

May import contracts, producers.bus and cryptography."""

from producers.encryption.bucket import SealedBucket
from producers.encryption.errors import KeyUnreadable
from producers.encryption.keys import PersonKeys
from producers.encryption.registration import SEALED_PREFIXES, seal_buckets
from producers.encryption.values import is_sealed

__all__ = [
    "SEALED_PREFIXES",
    "KeyUnreadable",
    "PersonKeys",
    "SealedBucket",
    "is_sealed",
    "seal_buckets",
]
