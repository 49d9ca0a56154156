"""Read each replica of a stream by itself, to find the messages that only others can read."""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

from producers.bus.bus import Bus
from producers.bus.connection import Connection, Reply
from producers.bus.errors import NoReply
from producers.bus.retry import retry_until
from producers.bus.watch import Feed, passing_consumer, pulling

MOST_NAMED = 1000
"""Missing messages of one stream after which reading ends."""
_PATIENCE_S = 60.0
_MOST_CONSUMERS = 100
"""Each is on one of three or five replicas, at random: one is missed once in 5 billion times."""
Info = Mapping[str, Any]


class _ReplicaFeed(Feed):
    """The messages that one replica can read; `pending`: how many it counts that are to come."""

    pending = 1

    async def next_seq(self) -> float:
        """The sequence of the next message; infinite behind the last.

        A replica that can't read what it counts sends a heartbeat instead, a second later.
        """
        msg = await self.next() if self.pending else None
        if msg is None:
            return math.inf
        self.pending = msg.metadata.num_pending
        return msg.metadata.sequence.stream


_Feeds = dict[str, _ReplicaFeed]
"""By the name of the server."""


class Missing(NamedTuple):
    """A message that the replica on *server* can't read, and another one can."""

    server: str
    seq: int


async def find_missing(bus: Bus, info: Info, start: int = 1) -> set[Missing]:
    """The messages that a replica can't read, up to the last one in *info*; at most MOST_NAMED.

    Each server reads and verifies all it has from sequence *start* on, and sends only headers.
    """
    attempt = partial(_compare, bus.connection, info, start)
    return await retry_until(attempt, _PATIENCE_S, bus.connection.closed)


async def _compare(link: Connection, info: Info, start: int) -> set[Missing]:
    missing = set[Missing]()
    last = info["state"]["last_seq"]
    async with _feeds(link, info, start) as feeds:
        heads = {server: await feed.next_seq() for server, feed in feeds.items()}
        while (low := min(heads.values())) <= last and len(missing) < MOST_NAMED:
            for server, seq in heads.items():
                if seq == low:
                    heads[server] = await feeds[server].next_seq()
                else:
                    missing.add(Missing(server, int(low)))
    return missing


@asynccontextmanager
async def _feeds(link: Connection, info: Info, start: int) -> AsyncIterator[_Feeds]:
    """A feed from each replica that is there. Raises NoReply if one gets no consumer."""
    stream, wanted = info["config"]["name"], _present_servers(info)
    async with AsyncExitStack() as stack:
        feeds: _Feeds = {}
        for _ in range(_MOST_CONSUMERS):
            created = await _create_consumer(link, stream, start)
            if (server := created["cluster"]["leader"]) in wanted - feeds.keys():
                feed = pulling(_ReplicaFeed, link, stream, created["name"])
                feeds[server] = await stack.enter_async_context(feed)
                feeds[server].pending = created["num_pending"]
            if feeds.keys() == wanted:
                break
        else:
            raise NoReply(f"{stream}: no consumer on {wanted - feeds.keys()}")
        yield feeds


def _present_servers(info: Info) -> set[str]:
    group = info["cluster"]
    others = {one["name"] for one in group.get("replicas", ()) if not one.get("offline")}
    return {group["leader"], *others}


async def _create_consumer(link: Connection, stream: str, start: int) -> Reply:
    """JetStream's reply on a consumer that reads one replica only, that of its leader."""
    name = uuid4().hex
    config = {"name": name, "headers_only": True, **passing_consumer(start, ">")}
    query = {"stream_name": stream, "config": config}
    return await link.api_request(f"CONSUMER.CREATE.{stream}.{name}", query)
