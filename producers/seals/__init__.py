"""Seals of records and messages: what a writer on the bus stores without the key has no effect.

May import contracts and producers.bus."""

from producers.seals.bucket import BucketSeals, ReadOnlyBucket, VerifiedBucket
from producers.seals.errors import NotSealed
from producers.seals.messages import (
    MESSAGE_ID_HEADER,
    MessageSeals,
    RefusedSeals,
    append_sealed,
    message_problem,
    publish_sealed,
)

__all__ = [
    "MESSAGE_ID_HEADER",
    "BucketSeals",
    "MessageSeals",
    "NotSealed",
    "ReadOnlyBucket",
    "RefusedSeals",
    "VerifiedBucket",
    "append_sealed",
    "message_problem",
    "publish_sealed",
]
