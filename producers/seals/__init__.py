"""Seals of records in buckets: what a writer on the bus stores without the key has no effect.

May import contracts and producers.bus."""

from producers.seals.bucket import BucketSeals, ReadOnlyBucket, VerifiedBucket
from producers.seals.errors import NotSealed

__all__ = ["BucketSeals", "NotSealed", "ReadOnlyBucket", "VerifiedBucket"]
