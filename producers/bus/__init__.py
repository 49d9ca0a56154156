"""The bus: the one place that talks to NATS JetStream.

It owns the connection, publishing with acknowledgement, the KV buckets and the topology.
May import: contracts, nats, tenacity, structlog. The other rooms know only what is exported here;
`topology` and `monitor` are for whoever sets a server up.
"""

from producers.bus.batch import Entry
from producers.bus.bus import Bus
from producers.bus.errors import BusError, Conflict, Full, Silence, Unfit
from producers.bus.kv import BadKey, Bucket, Value
from producers.bus.link import closing
from producers.bus.messages import Message
from producers.bus.publish import Ack
from producers.bus.snapshot import Snapshot
from producers.bus.watch import Change, Watch

__all__ = [
    "Ack",
    "BadKey",
    "Bucket",
    "Bus",
    "BusError",
    "Change",
    "Conflict",
    "Entry",
    "Full",
    "Message",
    "Silence",
    "Snapshot",
    "Unfit",
    "Value",
    "Watch",
    "closing",
]
