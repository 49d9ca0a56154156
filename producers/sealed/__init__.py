"""Records about people, sealed on the bus: one data key each, which an erasure destroys.

May import contracts, producers.bus and cryptography."""

from producers.sealed.bucket import SealedBucket
from producers.sealed.errors import KeyUnreadable
from producers.sealed.keys import PersonKeys
from producers.sealed.registration import SEALED_PREFIXES, seal_buckets
from producers.sealed.values import is_sealed

__all__ = [
    "SEALED_PREFIXES",
    "KeyUnreadable",
    "PersonKeys",
    "SealedBucket",
    "is_sealed",
    "seal_buckets",
]
