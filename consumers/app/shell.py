"""FastStream as the shell of the consumers: subscribers on durables that already exist."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub

from consumers.arrivals import decode
from consumers.settle import Bury, Settle
from contracts.subjects import Consumer, Stream

PULL_S = 1.0
GRACE_S = 10.0


class BrokerClosed(Exception):
    """The server refused the consumers' connection for good; only a restart helps."""


class Watched:
    """Notices that the client library has given its connection up, which no retry mends."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def on_closed(self) -> None:
        self.ended.set()

    async def run(self) -> None:
        """Raises BrokerClosed when the connection ends before the process does."""
        await self.ended.wait()
        raise BrokerClosed


def broker(url: str, bury: Bury, watched: Watched, creds_file: Path | None = None) -> NatsBroker:
    """A broker with our one decoder and our one middleware. Its own logger stays silent."""
    options: dict[str, Any] = {"user_credentials": str(creds_file)} if creds_file else {}
    return NatsBroker(
        url.split(","),
        decoder=decode,
        middlewares=[partial(Settle, bury=bury)],
        graceful_timeout=GRACE_S,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=5,
        max_outstanding_pings=2,
        closed_cb=watched.on_closed,
        logger=None,
        **options,
    )


def subscribe(
    broker: NatsBroker,
    stream: Stream,
    consumer: Consumer,
    handler: Callable[..., Awaitable[None]],
    copies: int = 1,
) -> None:
    """Run *handler* for what *consumer* delivers. A subscriber is serial: one for each at once."""
    heard = stream.subjects if consumer.subject == ">" else (consumer.subject,)
    for number in range(copies):
        broker.subscriber(
            consumer.subject,
            stream=JStream(stream.name, declare=False),  # topology is applied elsewhere, once
            durable=consumer.durable,
            pull_sub=PullSub(batch_size=1, timeout=PULL_S),
            ack_policy=AckPolicy.MANUAL,  # `settle` acknowledges
            title=" ".join((consumer.durable, *heard)),
            include_in_schema=number == 0,
        )(handler)
