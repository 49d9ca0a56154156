"""Follow a bucket, over reconnects and server restarts; pull from a durable consumer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from time import monotonic
from typing import NamedTuple, TypeVar
from uuid import uuid4

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from producers.bus.connection import Connection, Reply
from producers.bus.errors import NoReply
from producers.bus.messages import Message

_HEARTBEAT_S = 1.0
_SILENT_AFTER_S = 3.0
_PULL_EXPIRY_S = 30.0
_RESUME_PAUSE_S = 0.2
_NANOSECONDS = 1_000_000_000
_ACK_PREFIX = "$JS.ACK."

log = structlog.get_logger()


class Change(NamedTuple):
    """A key's new value; `data` is None after a purge or expiry. *message*: as it is stored."""

    key: str
    data: bytes | None
    seq: int
    message: Message | None = None


class Watch:
    """The changes of one bucket from a sequence on; iteration ends when the bus is closed.

    Only keys that *pattern* matches come.

    Lost messages are requested again from the last yielded change on, so none is skipped and
    none comes twice.
    """

    def __init__(self, link: Connection, bucket: str, start: int, pattern: str = ">") -> None:
        self._link = link
        self._bucket = bucket
        self._pattern = pattern
        self._prefix = f"$KV.{bucket}."
        self._next = max(start, 1)
        self._last_message_at = monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the last message of the server, which sends a heartbeat every second."""
        return monotonic() - self._last_message_at

    async def __aiter__(self) -> AsyncIterator[Change]:
        while not self._link.closed.is_set():
            try:
                async with _following(self._link, self._bucket, self._config()) as feed:
                    while True:
                        msg = await feed.next()
                        self._last_message_at = monotonic()
                        if msg is not None:
                            yield self._change(msg)
            except NoReply as error:
                log.warning("watch_resumed", bucket=self._bucket, seq=self._next, why=str(error))
                await asyncio.sleep(_RESUME_PAUSE_S)

    def _config(self) -> Reply:
        return passing_consumer(self._next, f"{self._prefix}{self._pattern}")

    def _change(self, msg: Msg) -> Change:
        seq = msg.metadata.sequence.stream
        self._next = seq + 1
        stored = Message(msg.subject, seq, msg.data, msg.headers or {}, msg.metadata.timestamp)
        data = None if stored.is_deleted else msg.data
        return Change(msg.subject.removeprefix(self._prefix), data, seq, stored)


class Pull:
    """Pulls from one consumer, message by message; a missing heartbeat raises NoReply."""

    size = 1

    def __init__(self, link: Connection, call: str, inbox: str) -> None:
        self._link = link
        self._call = call
        self._inbox = inbox
        self.messages: asyncio.Queue[Msg] = asyncio.Queue()
        self._losses = link.disconnects
        self._due = 0

    async def next(self) -> Msg | None:
        """The next message, or None for a heartbeat."""
        if not self._due:
            await self._pull()
        msg = await self._next_message()
        if msg.reply.startswith(_ACK_PREFIX):  # a sender may have written a status into its headers
            self._due -= 1
            return msg
        status = (msg.headers or {}).get("Status")
        if status == "408":
            self._due = 0
        elif status != "100":
            raise NoReply(f"the server ended the pull with status {status}")
        return None

    async def _pull(self) -> None:
        query = {
            "batch": self.size,
            "expires": int(_PULL_EXPIRY_S * _NANOSECONDS),
            "idle_heartbeat": int(_HEARTBEAT_S * _NANOSECONDS),
        }
        async with self._link.awaiting_reply(self._call, _SILENT_AFTER_S):
            await self._link.nc.publish(self._call, json.dumps(query).encode(), reply=self._inbox)
        self._due = self.size

    async def _next_message(self) -> Msg:
        if not self.messages.empty():
            return self.messages.get_nowait()
        if self._losses != self._link.disconnects:
            raise NoReply("the connection was lost meanwhile")
        async with self._link.awaiting_reply(self._call, _SILENT_AFTER_S):
            return await self.messages.get()


class Feed(Pull):
    """Pulls many messages from an ephemeral consumer; a gap raises NoReply."""

    size = 256
    _delivered = 0

    async def next(self) -> Msg | None:
        msg = await super().next()
        if msg is not None:
            self._delivered += 1
            if msg.metadata.sequence.consumer != self._delivered:
                raise NoReply("a message was lost on the way")
        return msg


PullType = TypeVar("PullType", bound=Pull)


@asynccontextmanager
async def pulling(
    kind: type[PullType], link: Connection, stream: str, consumer: str
) -> AsyncIterator[PullType]:
    inbox = link.nc.new_inbox()
    pull = kind(link, f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", inbox)
    async with link.awaiting_reply(inbox, _SILENT_AFTER_S):
        subscription = await link.nc.subscribe(inbox, cb=pull.messages.put)
    try:
        yield pull
    finally:
        with suppress(NatsError):
            await subscription.unsubscribe()


def pull_from(link: Connection, stream: str, durable: str) -> AbstractAsyncContextManager[Pull]:
    """Pull from a durable consumer of *stream*. The caller acknowledges each message."""
    return pulling(Pull, link, stream, durable)


@asynccontextmanager
async def _following(link: Connection, bucket: str, config: Reply) -> AsyncIterator[Feed]:
    """A feed from an ephemeral consumer, which the server deletes when it is idle."""
    stream, name = f"KV_{bucket}", uuid4().hex
    created = {"stream_name": stream, "config": {"name": name, **config}}
    await link.api_request(f"CONSUMER.CREATE.{stream}.{name}", created)
    async with pulling(Feed, link, stream, name) as feed:
        yield feed


def passing_consumer(start: int, subject: str) -> Reply:
    """Config of a consumer on one replica, which the server deletes when it is idle."""
    return {
        "filter_subject": subject,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": start,
        "ack_policy": "none",
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": int(_PULL_EXPIRY_S * _NANOSECONDS),
    }
