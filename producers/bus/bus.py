"""The bus API for other packages: publish, schedule, buckets, stored messages."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, Self

from nats.aio.client import Client
from nats.js import JetStreamContext

from producers.access import Access
from producers.bus import messages, snapshot
from producers.bus.connection import Connection, connect
from producers.bus.errors import BusError
from producers.bus.kv import Bucket
from producers.bus.messages import Message
from producers.bus.publish import Ack, publish_with_retry, timer_headers
from producers.bus.snapshot import Snapshot
from producers.bus.watch import Pull, pull_from

_ALREADY_GONE_CODES = (10043, 10057)  # no such sequence (any more), deleted before


class SealsMessages(Protocol):
    """The seals of one kind of message; see `producers.seals.messages`."""

    def headers(self, subject: str, body: bytes, msg_id: str = "") -> Mapping[str, str]: ...

    def own_id(self, name: str) -> str: ...

    async def problem(self, message: Message) -> str: ...


class Bus:
    """One connection to JetStream. Every write is acknowledged, or an error is raised."""

    def __init__(self, link: Connection) -> None:
        self.connection = link
        self.bucket_types: dict[str, Callable[[Connection, str], Bucket]] = {}
        """Buckets that are not read and written as stored; see `producers.encryption`."""
        self.message_seals: dict[str, SealsMessages] = {}
        """Seals of messages, by the first or the first two words of their subjects."""
        self.replicas = 1
        """How many servers of a cluster keep each stream that this client makes."""
        self.placement_tags: tuple[str, ...] = ()
        """Tags that each of those servers has."""

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str = "loa",
        access: Access | None = None,
        patience_s: float = 30.0,
        replicas: int = 1,
        placement_tags: Sequence[str] = (),
    ) -> Self:
        """Connect to a server, or to one of several separated by commas.

        Raises NoReply if none answers within *patience_s*, AccessRefused at once where one refuses
        *access*. Reconnects without limit later.
        """
        bus = cls(await connect(url, name, access or Access(), patience_s))
        bus.replicas, bus.placement_tags = replicas, tuple(placement_tags)
        return bus

    async def close(self) -> None:
        """Close the connection; pending requests end with NoReply."""
        await self.connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def nc(self) -> Client:
        """The NATS client, for calls without a method here."""
        return self.connection.nc

    @property
    def js(self) -> JetStreamContext:
        """nats-py's own JetStream calls on the same connection."""
        return self.connection.nc.jetstream(timeout=5.0)

    async def publish(
        self,
        subject: str,
        body: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 5.0,
        patience_s: float = 30.0,
    ) -> Ack:
        """Store one message. With *msg_id*, a repeat within the stream's window is stored once.

        Raises NoReply without an answer within *patience_s* (the message may be stored),
        StorageFull or BusError if the server refuses it.
        """
        all_headers = dict(headers or {})
        if msg_id is not None:
            all_headers["Nats-Msg-Id"] = msg_id
        return await publish_with_retry(
            self.connection, subject, body, all_headers, timeout_s=timeout_s, patience_s=patience_s
        )

    async def schedule(self, at: datetime, subject: str, target: str, body: bytes) -> Ack:
        """Publish *body* to *target* at *at*, by the server; the same *subject* replaces."""
        return await publish_with_retry(self.connection, subject, body, timer_headers(at, target))

    @property
    def server_version(self) -> str:
        """The version of the server that this client is connected to."""
        found = self.connection.nc.connected_server_version
        return f"{found.major}.{found.minor}.{found.patch}"

    def bucket(self, name: str) -> Bucket:
        return self.bucket_types.get(name, Bucket)(self.connection, name)

    def seals_of(self, subject: str) -> SealsMessages | None:
        """The seals of messages on *subject*, if they have some and this process has the key."""
        first, _, rest = subject.partition(".")
        two = f"{first}.{rest.partition('.')[0]}"
        return self.message_seals.get(two) or self.message_seals.get(first)

    def stored_bucket(self, name: str) -> Bucket:
        """A bucket with its values as stored: sealed ones stay sealed."""
        return Bucket(self.connection, name)

    async def get_message(self, stream: str, seq: int) -> Message | None:
        """The message with sequence *seq*, from the leader."""
        return await messages.read_message(self.connection, stream, {"seq": seq})

    async def last_message(self, stream: str, subject: str) -> Message | None:
        """The latest message on *subject*, from the leader."""
        return await messages.read_message(self.connection, stream, {"last_by_subj": subject})

    async def next_message(self, stream: str, seq: int) -> Message | None:
        """The first message from sequence *seq* on, from the leader."""
        query = {"seq": seq, "next_by_subj": ">"}
        return await messages.read_message(self.connection, stream, query)

    async def erase_message(self, stream: str, seq: int) -> None:
        """Remove one message from *stream*, and from its disk; it may be gone already."""
        try:
            await self.connection.repeatable_api_request(
                f"STREAM.MSG.DELETE.{stream}", {"seq": seq}
            )
        except BusError as error:
            if error.err_code not in _ALREADY_GONE_CODES:
                raise

    def scan(self, stream: str, subject: str = ">", start: int = 1) -> AsyncIterator[Message]:
        """Every stored message on *subject* from sequence *start*, in order, up to the end."""
        return messages.scan_messages(self.connection, stream, subject, start)

    def scan_backwards(
        self, stream: str, last: int, subject: str = ">", first: int = 1
    ) -> AsyncIterator[Message]:
        """Like `scan`, from sequence *last* back to *first*."""
        return messages.scan_backwards(self.connection, stream, subject, (first, last))

    async def first_seq_since(self, stream: str, moment: datetime) -> int | None:
        """The sequence of the first message at or after *moment*; None without one."""
        return await messages.first_seq_since(self.connection, stream, moment)

    async def count_since(self, stream: str, subject: str, moment: datetime) -> int:
        """The number of messages on *subject* at or after *moment*, without reading them."""
        return await messages.count_since(self.connection, stream, subject, moment)

    async def stream_info(self, stream: str) -> dict[str, Any]:
        """JetStream's reply: `config`, `state`. Raises BusError 10059 for an unknown stream."""
        return await self.connection.repeatable_api_request(f"STREAM.INFO.{stream}")

    async def count_by_subject(self, stream: str, subject: str = ">") -> dict[str, int]:
        """The number of messages on each subject of *stream* that *subject* matches."""
        counts: dict[str, int] = {}
        while True:  # the server counts in pages
            query = {"subjects_filter": subject, "offset": len(counts)}
            info = await self.connection.repeatable_api_request(f"STREAM.INFO.{stream}", query)
            page = info["state"].get("subjects") or {}
            counts |= page
            if not page or len(counts) >= info.get("total", 0):
                return counts

    async def consumer_info(self, stream: str, durable: str) -> dict[str, Any]:
        """JetStream's reply: `config`, `num_pending`, `num_ack_pending`, `ack_floor` ..."""
        return await self.connection.repeatable_api_request(f"CONSUMER.INFO.{stream}.{durable}")

    def pull(self, stream: str, durable: str) -> AbstractAsyncContextManager[Pull]:
        """Like `watch.pull_from`."""
        return pull_from(self.connection, stream, durable)

    async def save_snapshot(self, stream: str, sink: Callable[[bytes], object]) -> Snapshot:
        """Like `snapshot.save_snapshot`."""
        return await snapshot.save_snapshot(self.connection, stream, sink)

    async def restore_snapshot(self, stream: str, saved: Snapshot, pieces: Iterable[bytes]) -> None:
        """Like `snapshot.restore_snapshot`."""
        await snapshot.restore_snapshot(self.connection, stream, saved, pieces)
