"""A bucket that seals what it writes, and tells records that another writer stored.

A seal covers the key, the value, and the revision that the value replaced. The server stores a
value only over the revision that its header expects, so an older value can't be stored again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from contracts.base.seals import SEAL_HEADER, Sealer, SealState
from producers.bus import BatchEntry, Bucket, Bus, Change, Message, RevisionConflict, Value
from producers.bus.connection import READ_PATIENCE_S, Connection
from producers.bus.publish import EXPECTED_REVISION_HEADER
from producers.seals.errors import NotSealed
from producers.texts import get_text

log = structlog.get_logger()
_PUT_TIMEOUT_S = 5.0
_ABSENT = b"0"
"""The revision that a first write expects, which the server has compared."""


@dataclass(frozen=True)
class BucketSeals:
    """The seals of one bucket's records.

    Records stored until *taken_over_until* come from before the seals, or from before the present
    key. Records whose key is *exempt* have other writers and need no seal. A service without the
    key may make a record that is a *claim*, but change none.
    """

    name: str
    sealer: Sealer
    taken_over_until: Callable[[], Awaitable[datetime]]
    exempt: Callable[[str], bool] = lambda _: False
    claim: Callable[[bytes], bool] = lambda _: False
    refused: dict[str, str] = field(default_factory=dict)
    """Keys of records that were not read, and the reasons."""

    def attach(self, bus: Bus) -> None:
        """Seal and verify the records of the bucket that *bus* hands out from now on."""
        bus.bucket_types[self.name] = lambda link, _: VerifiedBucket(link, self)

    def headers(self, key: str, data: bytes, revision: int) -> Mapping[str, str]:
        """The seal of *data*, which replaces *revision*."""
        if self.exempt(key):
            return {}
        return {SEAL_HEADER: self.sealer.seal(self._place(key), data, str(revision).encode())}

    async def problem(self, key: str, message: Message) -> str:
        """The code of the reason why Loa did not write *message*; empty for none."""
        if self.exempt(key):
            return ""
        replaced = message.headers.get(EXPECTED_REVISION_HEADER, "").encode(errors="replace")
        seal = message.headers.get(SEAL_HEADER, "")
        state = self.sealer.verify(seal, self._place(key), message.data, replaced)
        if state is SealState.VALID:
            return ""
        if state is SealState.MISSING and replaced == _ABSENT and self.claim(message.data):
            return ""
        if state is not SealState.WRONG and message.time <= await self.taken_over_until():
            return ""
        return f"seal_{state.value}"

    async def accepts(self, key: str, message: Message) -> bool:
        """Whether Loa wrote *message*; another writer's is an alarm in the log, once."""
        problem = await self.problem(key, message)
        if problem and self.refused.get(key) != problem:
            log.error("record_not_sealed", bucket=self.name, key=key, reason=problem)
        if problem:
            self.refused[key] = problem
        return not problem

    def _place(self, key: str) -> bytes:
        return f"{self.name}.{key}".encode()


class VerifiedBucket(Bucket):
    """A bucket without the records of other writers: lists leave them out, `get` raises NotSealed.

    A delete marker is a record, too. Every write is a compare-and-set.
    """

    def __init__(self, link: Connection, seals: BucketSeals) -> None:
        super().__init__(link, seals.name)
        self.seals = seals

    async def get(self, key: str, *, patience_s: float = READ_PATIENCE_S) -> Value | None:
        """As `Bucket.get`. Raises NotSealed."""
        message = await self._last_message(key, patience_s)
        if message is None:
            return None
        if not await self._is_genuine(message):
            text = get_text("record", "not_sealed", record=f"{self.name}.{key}")
            raise NotSealed(text.as_field_error(SEAL_HEADER), message.seq)
        return None if message.is_deleted else Value(message.data, message.seq, message.time)

    def is_refused(self, key: str) -> bool:
        """Whether the record of *key* was another writer's when it was read last."""
        return key in self.seals.refused

    async def put(self, key: str, data: bytes) -> int:
        """Replace the stored record, also another writer's. One attempt; raises like `swap`."""
        message = await self._last_message(key, READ_PATIENCE_S)
        return await self._replace(key, data, message.seq if message else 0, _PUT_TIMEOUT_S)

    async def purge(self, key: str) -> int:
        """As `Bucket.purge`; the marker names the revision that it replaces, like every write."""
        while True:
            message = await self._last_message(key, READ_PATIENCE_S)
            headers = self._purge_headers(key, message.seq if message else 0)
            with suppress(RevisionConflict):
                return await self._publish(key, b"", headers)

    async def opened(self, changes: Sequence[Change]) -> list[Change]:
        """Changes of `watch` without those of other writers."""
        return [one for one in changes if not one.message or await self._is_genuine(one.message)]

    async def batch(self, entries: Sequence[BatchEntry], *, timeout_s: float = 10.0) -> int:
        return await super().batch([self._sealed(one) for one in entries], timeout_s=timeout_s)

    def _sealed(self, entry: BatchEntry) -> BatchEntry:
        if entry.expected_revision is None:
            raise ValueError(f"{entry.key}: a sealed record needs the revision that it replaces")
        return replace(entry, headers=self._proof(entry.key, entry.data, entry.expected_revision))

    def _proof(self, key: str, data: bytes, revision: int) -> Mapping[str, str]:
        return self.seals.headers(key, data, revision)

    async def _is_genuine(self, message: Message) -> bool:
        return await self.seals.accepts(self._key(message), message)


class ReadOnlyBucket(Bucket):
    """A bucket of sealed records on a machine without the key: a write raises *refusal*."""

    def __init__(self, link: Connection, name: str, refusal: Exception) -> None:
        super().__init__(link, name)
        self.refusal = refusal

    async def put(self, key: str, data: bytes) -> int:  # noqa: ARG002 -- never written
        raise self.refusal

    async def purge(self, key: str) -> int:  # noqa: ARG002
        raise self.refusal

    async def batch(self, entries: Sequence[BatchEntry], *, timeout_s: float = 10.0) -> int:  # noqa: ARG002
        raise self.refusal

    def _proof(self, key: str, data: bytes, revision: int) -> Mapping[str, str]:  # noqa: ARG002
        raise self.refusal
