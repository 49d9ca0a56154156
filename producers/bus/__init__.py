"""The bus: the only package that talks to NATS JetStream.

It owns the connection, publishing with acknowledgement, the KV buckets and the topology.
May import contracts, producers.access, nats and structlog. Other packages use the names exported
here, and `records`; set-up code also uses `topology` and `monitoring_endpoint`.
"""

from producers.bus.bus import Bus
from producers.bus.client import closing_client, create_client, discard_client
from producers.bus.errors import (
    AccessRefused,
    BusError,
    Denied,
    ForeignSettings,
    InvalidKey,
    NoReply,
    RevisionConflict,
    StorageFull,
    TooFewServers,
    UnfitServer,
    UntrustedServer,
)
from producers.bus.grouped.reads import GroupedReads
from producers.bus.kv import Bucket, Value
from producers.bus.messages import Message
from producers.bus.publish import Ack, BatchEntry
from producers.bus.snapshot import Snapshot
from producers.bus.watch import Change, Watch

__all__ = [
    "AccessRefused",
    "Ack",
    "BatchEntry",
    "Bucket",
    "Bus",
    "BusError",
    "Change",
    "Denied",
    "ForeignSettings",
    "GroupedReads",
    "InvalidKey",
    "Message",
    "NoReply",
    "RevisionConflict",
    "Snapshot",
    "StorageFull",
    "TooFewServers",
    "UnfitServer",
    "UntrustedServer",
    "Value",
    "Watch",
    "closing_client",
    "create_client",
    "discard_client",
]
