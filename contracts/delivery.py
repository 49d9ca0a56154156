"""Channels, lanes and statuses of a delivery, and the keys of plans and batches."""

from enum import StrEnum
from typing import NamedTuple


class ChannelName(StrEnum):
    PORTAL = "portal"
    EMAIL = "email"
    ZALO = "zalo"


class Lane(StrEnum):
    """A lane never waits behind a lower one; listed highest first.

    `NOTICE` is for what concerns one person: no unit may ask for it.
    """

    URGENT = "urgent"
    NOTICE = "notice"
    NORMAL = "normal"
    BULK = "bulk"

    @property
    def rank(self) -> int:
        """0 is the most urgent."""
        return list(Lane).index(self)


class Status(StrEnum):
    """The public status of one row. The last eight are terminal."""

    PENDING = "pending"
    SENDING = "sending"
    DEFERRED = "deferred"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    MAYBE_SENT = "maybe_sent"
    UNKNOWN = "unknown"


OPEN = frozenset({Status.PENDING, Status.SENDING, Status.DEFERRED, Status.IN_DOUBT})


class PlanKey(NamedTuple):
    """One publication on one channel; its text form is part of every ledger key."""

    channel: ChannelName
    content_id: str
    revision: int

    def __str__(self) -> str:
        return f"{self.channel}.{self.content_id}.{self.revision}"

    @classmethod
    def parse(cls, text: str) -> "PlanKey":
        """Read the text form. Raises ValueError for anything else."""
        channel, content_id, revision = text.split(".")
        return cls(ChannelName(channel), content_id, int(revision))


class BatchKey(NamedTuple):
    """Up to 500 recipients of one publication on one channel."""

    channel: ChannelName
    content_id: str
    revision: int
    number: int

    @property
    def plan(self) -> PlanKey:
        return PlanKey(self.channel, self.content_id, self.revision)

    def __str__(self) -> str:
        return f"{self.plan}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> "BatchKey":
        """Read the text form. Raises ValueError for anything else."""
        channel, content_id, revision, number = text.split(".")
        return cls(ChannelName(channel), content_id, int(revision), int(number))
