"""The object store of uploads: content in pieces, each object named by the hash of its content.

The layout is that of JetStream's object stores: pieces on `$O.<bucket>.C.<id>`, and what an object
is on `$O.<bucket>.M.<name>`, written last. nats-py's own object store is not used: it reads with a
push consumer, which takes a right that no service has, and a piece whose acknowledgement was lost
would be stored twice. What an object is has a seal; its pieces are proven by its name.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts import subjects
from contracts.base.crash_points import crash_point
from producers.bus import Bus, Message, RevisionConflict
from producers.bus.errors import DamagedObject
from producers.seals import RefusedSeals

_STREAM = subjects.UPLOADS.name
_BUCKET = _STREAM.removeprefix("OBJ_")
_EXPECTED_HEADER = "Nats-Expected-Last-Subject-Sequence"
_MAX_TRIES = 5
_NEW_FOR = timedelta(days=1)
"""How long an object counts as new without being written again."""


class ObjectInfo(BaseModel):
    """An object's description, as JetStream's object stores write it; `nuid` names its pieces."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    bucket: str = _BUCKET
    nuid: str
    size: int
    chunks: int
    digest: str
    metadata: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object, and the sequence and time of the message that says what it is."""

    info: ObjectInfo
    seq: int
    at: datetime


@dataclass(frozen=True)
class ObjectStore:
    """Every method raises BusError."""

    bus: Bus

    async def put(self, name: str, pieces: Iterable[bytes], facts: dict[str, str]) -> None:
        """Store content under *name*, its SHA-256 in hex; what is there already counts as new."""
        stored: ObjectInfo | None = None
        for _ in range(_MAX_TRIES):
            found, last = await self._find(name)
            if found and datetime.now(UTC) - found.at < _NEW_FOR:
                return
            info = found.info if found else stored or await self._store_pieces(name, pieces)
            stored = info
            with suppress(RevisionConflict):
                await self._write(info.model_copy(update={"metadata": facts}), last)
                return
        raise RevisionConflict(f"{name} changed {_MAX_TRIES} times")

    async def find(self, name: str) -> StoredObject | None:
        """The object of this name that Loa has stored."""
        return (await self._find(name))[0]

    async def read(self, found: StoredObject) -> AsyncIterator[bytes]:
        """The pieces of the content. Raises DamagedObject behind the last one if they are wrong."""
        digest, size = hashlib.sha256(), 0
        async for message in self.bus.scan(_STREAM, subjects.upload_piece(found.info.nuid)):
            digest.update(message.data)
            size += len(message.data)
            yield message.data
        if size != found.info.size or digest.hexdigest() != found.info.name:
            raise DamagedObject(f"object {found.info.name}: its content has changed")

    async def objects(self) -> AsyncIterator[StoredObject]:
        """Every object, the one that was stored first in front; foreign ones are left out."""
        newest: dict[str, StoredObject] = {}
        async for message in self.bus.scan(_STREAM, subjects.ALL_UPLOADS):
            if found := await self._parse(message):
                newest[found.info.name] = found
        for one in newest.values():
            yield one

    async def delete(self, found: StoredObject) -> bool:
        """Erase an object; False if it was stored anew since it was found."""
        async for message in self.bus.scan(_STREAM, subjects.upload(found.info.name)):
            if message.seq <= found.seq:
                await self.bus.erase_message(_STREAM, message.seq)
        crash_point("uploads.unnamed")
        if await self.find(found.info.name):
            return False
        await self._erase_pieces(found.info.nuid)
        return True

    async def strays(
        self, before: datetime
    ) -> AsyncIterator[tuple[datetime, Callable[[], Awaitable[bool]]]]:
        """Pieces that belong to no object, of writers that were killed before then.

        Yields since when they are there, and what erases them.
        """
        known = {subjects.upload_piece(one.info.nuid) async for one in self.objects()}
        stored = await self.bus.count_by_subject(_STREAM, subjects.ALL_UPLOAD_PIECES)
        for subject in stored.keys() - known:
            first = await anext(self.bus.scan(_STREAM, subject), None)
            if first and first.time < before:
                yield first.time, partial(self._erase_pieces, subject.rpartition(".")[2])

    async def _store_pieces(self, name: str, pieces: Iterable[bytes]) -> ObjectInfo:
        nuid, digest, size, count = secrets.token_hex(11), hashlib.sha256(), 0, 0
        for piece in pieces:
            subject, msg_id = subjects.upload_piece(nuid), f"{nuid}.{count}"
            await self.bus.publish(subject, piece, msg_id=msg_id)
            digest.update(piece)
            size, count = size + len(piece), count + 1
        if digest.hexdigest() != name:
            raise DamagedObject(f"object {name}: its content has changed")
        crash_point("uploads.pieces_stored")
        written = "SHA-256=" + urlsafe_b64encode(digest.digest()).decode()
        return ObjectInfo(name=name, nuid=nuid, size=size, chunks=count, digest=written)

    async def _write(self, info: ObjectInfo, last: int) -> None:
        """Write what an object is behind message *last* of its name. Raises RevisionConflict."""
        subject, body = subjects.upload(info.name), info.model_dump_json().encode()
        seals, msg_id = self.bus.seals_of(subject), secrets.token_hex(11)
        headers = dict(seals.headers(subject, body, msg_id)) if seals else {}
        headers[_EXPECTED_HEADER] = str(last)
        await self.bus.publish(subject, body, msg_id=msg_id, headers=headers)
        crash_point("uploads.stored")

    async def _erase_pieces(self, nuid: str) -> bool:
        sequences = [one.seq async for one in self.bus.scan(_STREAM, subjects.upload_piece(nuid))]
        for seq in sequences:
            await self.bus.erase_message(_STREAM, seq)
        return bool(sequences)

    async def _find(self, name: str) -> tuple[StoredObject | None, int]:
        """The object, and the sequence of the last message of its name; it may be a foreign one."""
        subject = subjects.upload(name)
        message = await self.bus.last_message(_STREAM, subject)
        if message is None:
            return None, 0
        found = await self._parse(message)
        if found is None:
            async for earlier in self.bus.scan(_STREAM, subject):
                found = await self._parse(earlier) or found
        return found, message.seq

    async def _parse(self, message: Message) -> StoredObject | None:
        """Object that *message* holds; None if Loa did not write it."""
        seals = self.bus.seals_of(message.subject)
        if seals and not isinstance(seals, RefusedSeals) and await seals.problem(message):
            return None
        try:
            info = ObjectInfo.model_validate_json(message.data)
        except ValidationError:
            return None
        if message.subject != subjects.upload(info.name):
            return None
        return StoredObject(info, message.seq, message.time)
