"""A KV bucket: values that change by compare-and-set and are read from the leader."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from producers.bus import messages
from producers.bus.connection import READ_PATIENCE_S, Connection, Reply
from producers.bus.errors import InvalidKey, RevisionConflict
from producers.bus.messages import Message
from producers.bus.publish import (
    EXPECTED_REVISION_HEADER,
    BatchEntry,
    commit_batch,
    publish_once,
    publish_with_retry,
)
from producers.bus.watch import Change, Watch

_KEY_PATTERN = re.compile(r"[-/_=A-Za-z0-9]+(?:\.[-/_=A-Za-z0-9]+)*")
_PURGE_HEADERS = {"KV-Operation": "PURGE", "Nats-Rollup": "sub"}
_MAX_KEYS_PER_REQUEST = 500


@dataclass(frozen=True, slots=True)
class Value:
    """A key's value; the next `swap` must expect `revision`."""

    data: bytes
    revision: int
    created: datetime


class Bucket:
    """One bucket. A purged, deleted or expired key is absent, and may be created again."""

    def __init__(self, link: Connection, name: str) -> None:
        self.name = name
        self.stream = f"KV_{name}"
        self._link = link
        self._prefix = f"$KV.{name}."

    async def get(self, key: str, *, patience_s: float = READ_PATIENCE_S) -> Value | None:
        """The leader's value: it reflects every acknowledged write."""
        message = await self._last_message(key, patience_s)
        return None if message is None or message.is_deleted else _value(message)

    async def create(self, key: str, data: bytes, *, timeout_s: float = 5.0) -> int:
        """Create a key that must be absent. Raises RevisionConflict, or NoReply like `swap`."""
        try:
            return await self._replace(key, data, 0, timeout_s)
        except RevisionConflict as lost:
            message = await self._last_message(key, READ_PATIENCE_S)
            if message is not None and not message.is_deleted:
                raise RevisionConflict(str(lost), lost.err_code, message.seq) from None
        return await self._replace(key, data, message.seq if message else 0, timeout_s)

    async def swap(self, key: str, data: bytes, revision: int, *, timeout_s: float = 5.0) -> int:
        """Replace exactly *revision*, or create the key at 0; return the new revision. One attempt.

        Raises RevisionConflict if the write is definitely lost. After NoReply the value may be
        stored, not stored, or still in flight, and a read can overtake it: repeat the same write,
        and on RevisionConflict check whether the stored value is yours.
        """
        if not revision:
            return await self.create(key, data, timeout_s=timeout_s)
        return await self._replace(key, data, revision, timeout_s)

    async def put(self, key: str, data: bytes) -> int:
        """Store unconditionally; return the revision."""
        return await self._publish(key, data, {})

    async def purge(self, key: str) -> int:
        """Remove the value from disk; watchers get a delete marker."""
        return await self._publish(key, b"", _PURGE_HEADERS)

    async def purge_if(self, key: str, revision: int) -> int:
        """Purge exactly *revision*. One attempt; raises RevisionConflict or NoReply like `swap`."""
        headers = self._purge_headers(key, revision)
        return (await publish_once(self._link, self._subject(key), b"", headers, 5.0)).seq

    async def get_many(self, keys: Sequence[str], *, min_seq: int = 0) -> dict[str, Value]:
        """The values of *keys*, as of the leader's last change and of *min_seq* at least.

        Absent keys are left out.
        """
        values: dict[str, Value] = {}
        for first in range(0, len(keys), _MAX_KEYS_PER_REQUEST):
            subjects = [self._subject(key) for key in keys[first : first + _MAX_KEYS_PER_REQUEST]]
            found = await messages.last_messages(self._link, self.stream, subjects, min_seq)
            for message in found:
                if not message.is_deleted and await self._is_genuine(message):
                    values[self._key(message)] = _value(message)
        return values

    def is_refused(self, key: str) -> bool:  # noqa: ARG002 -- none is
        """Whether `get` raises for *key*, which lists leave out; see `producers.seals`."""
        return False

    async def keys(self, prefix: str = "") -> list[str]:
        """Every key that starts with *prefix*, oldest change first."""
        return list(dict.fromkeys([key async for key, _ in self.values(prefix)]))

    async def values(self, prefix: str = "", *, start: int = 1) -> AsyncIterator[tuple[str, Value]]:
        """Every value whose key starts with *prefix*; a value changed meanwhile may come again.

        Values last changed before sequence *start* are left out.
        """
        whole, _, _ = prefix.rpartition(".")
        subject = f"{self._prefix}{whole}.>" if whole else ">"
        async for message in messages.scan_messages(self._link, self.stream, subject, start):
            key = self._key(message)
            is_wanted = key.startswith(prefix) and not message.is_deleted
            if is_wanted and await self._is_genuine(message):
                yield key, _value(message)

    async def newest_values(
        self, pattern: str = ">", *, before: int = 0
    ) -> AsyncIterator[tuple[str, Value]]:
        """Values with keys of *pattern*, the last changed first; read on only as far as asked.

        Those last changed before sequence *before*, if that is given. A value that changes
        meanwhile comes at its old place or not at all.
        """
        subject, state = f"{self._prefix}{pattern}", (await self._info())["state"]
        last = int(state["last_seq"])
        span = int(state["first_seq"]), min(last, before - 1) if before else last
        async for message in messages.scan_backwards(self._link, self.stream, subject, span):
            if not message.is_deleted and await self._is_genuine(message):
                yield self._key(message), _value(message)

    async def last_seq(self) -> int:
        """The sequence of the bucket's latest change."""
        return int((await self._info())["state"]["last_seq"])

    async def _info(self) -> Reply:
        return await self._link.repeatable_api_request(f"STREAM.INFO.{self.stream}")

    async def first_seq_since(self, moment: datetime) -> int:
        """The sequence of the first change at or after *moment*; behind the last without one."""
        first = await messages.first_seq_since(self._link, self.stream, moment)
        return first or await self.last_seq() + 1

    async def changes(self, start: int) -> AsyncIterator[Change]:
        """Every change from sequence *start* on, purges too, until the leader has no later one.

        A value that is replaced meanwhile may be left out, but not its later one. Raises BusError.
        """
        while message := await self._next_message(start):
            if await self._is_genuine(message):
                yield self._change(message)
            start = message.seq + 1
            async for message in messages.scan_messages(self._link, self.stream, ">", start):
                if await self._is_genuine(message):
                    yield self._change(message)
                start = message.seq + 1

    def watch(self, start: int, pattern: str = ">") -> Watch:
        """Every change of keys of *pattern* from sequence *start* on, purges too, in order."""
        return Watch(self._link, self.name, start, pattern)

    async def next_change(self, start: int, pattern: str = ">") -> Change | None:
        """The leader's first change of keys of *pattern* from sequence *start* on."""
        message = await self._next_message(start, pattern)
        return self._change(message) if message else None

    async def opened(self, changes: Sequence[Change]) -> list[Change]:
        """Changes of `watch` or `changes` with their values in plain."""
        return list(changes)

    async def batch(self, entries: Sequence[BatchEntry], *, timeout_s: float = 10.0) -> int:
        """Store all of *entries* or none; return the last one's revision.

        Raises RevisionConflict if one expectation fails, NoReply like `swap`. Only for buckets
        declared atomic.
        """
        for entry in entries:
            self._subject(entry.key)
        return await commit_batch(self._link, self._prefix, entries, timeout_s)

    async def _last_message(self, key: str, patience_s: float) -> Message | None:
        query = {"last_by_subj": self._subject(key)}
        return await messages.read_message(self._link, self.stream, query, patience_s)

    async def _next_message(self, start: int, pattern: str = "") -> Message | None:
        subject = f"{self._prefix}{pattern}" if pattern else ">"
        query = {"seq": start, "next_by_subj": subject}
        return await messages.read_message(self._link, self.stream, query)

    async def _replace(self, key: str, data: bytes, revision: int, timeout_s: float) -> int:
        headers = {EXPECTED_REVISION_HEADER: str(revision), **self._proof(key, data, revision)}
        return (await publish_once(self._link, self._subject(key), data, headers, timeout_s)).seq

    def _purge_headers(self, key: str, revision: int) -> Mapping[str, str]:
        expected = {EXPECTED_REVISION_HEADER: str(revision)}
        return {**_PURGE_HEADERS, **expected, **self._proof(key, b"", revision)}

    def _proof(self, key: str, data: bytes, revision: int) -> Mapping[str, str]:  # noqa: ARG002 -- none
        """Headers that prove the writer; see `producers.seals`."""
        return {}

    async def _is_genuine(self, message: Message) -> bool:  # noqa: ARG002 -- each is
        """Whether *message*, a value or a delete marker, may be read; see `producers.seals`."""
        return True

    async def _publish(self, key: str, data: bytes, headers: Mapping[str, str]) -> int:
        headers = {**headers, "Nats-Msg-Id": uuid4().hex}
        return (await publish_with_retry(self._link, self._subject(key), data, headers)).seq

    def _subject(self, key: str) -> str:
        if not _KEY_PATTERN.fullmatch(key):
            raise InvalidKey(f"{key!r} can't be a key")
        return self._prefix + key

    def _change(self, message: Message) -> Change:
        data = None if message.is_deleted else message.data
        return Change(self._key(message), data, message.seq, message)

    def _key(self, message: Message) -> str:
        return message.subject.removeprefix(self._prefix)


def _value(message: Message) -> Value:
    return Value(message.data, message.seq, message.time)
