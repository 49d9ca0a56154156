"""The key file, and what is kept under its protection: provider tokens, encrypted, on the bus."""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from channels.errors import Unreachable
from channels.zalo.notebook import Note
from channels.zalo.vault import NEVER, Sealed, Stale
from consumers.faults import fault
from contracts import subjects
from contracts.crash import crash_point
from contracts.errors import Invalid
from producers.bus import Bus, BusError, Conflict, Silence

KEY_BYTES = 32
TRIES = 3
FINGERPRINT = "fingerprint"
FIELD = "vault.key"


class KeyFileBroken(Exception):
    """The key file is not what Loa wrote; an operator has to put the right one back."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One secret of 32 bytes from which every other key is derived."""

    secret: bytes = field(repr=False)

    @classmethod
    def open(cls, path: Path, *, make: bool = True) -> "KeyFile":
        """Read the file, or make it: readable by its owner only, on the disk before it is used.

        Raises KeyFileBroken for anything else; a new key would make what is stored unreadable.
        Without *make* a missing file raises Invalid.
        """
        if not path.exists():
            if not make:
                raise Invalid(fault(FIELD, "key_missing", value=path))
            create(path)
        try:
            secret = bytes.fromhex(path.read_text("ascii").strip())
        except ValueError:
            secret = b""
        if len(secret) != KEY_BYTES:
            raise KeyFileBroken(f"{path} does not hold {KEY_BYTES} bytes in hexadecimal")
        return cls(secret)

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose; the same for ever."""
        return hmac.digest(self.secret, f"loa {purpose}".encode(), hashlib.sha256)

    def fingerprint(self) -> bytes:
        """Which key this is, for whoever may not know it."""
        return self.derive("fingerprint").hex().encode()

    def fernet(self) -> bytes:
        """The key of the vault, in the form that Fernet takes."""
        return urlsafe_b64encode(self.derive("vault"))


def create(path: Path) -> None:
    """Write a new key beside *path* and link it there: of two processes one is first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(file, secrets.token_hex(KEY_BYTES).encode())
    os.fsync(file)
    os.close(file)
    crash_point("vault.key_written")
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


async def belonging(bus: Bus, path: Path) -> KeyFile:
    """The key of what *bus* holds; made only where the bus has never seen one.

    Raises Invalid when the file is missing or another one, KeyFileBroken, BusError.
    """
    known = await bus.bucket(subjects.VAULT.name).get(FINGERPRINT)
    keys = KeyFile.open(path, make=known is None)
    await claim(bus, keys)
    return keys


async def claim(bus: Bus, keys: KeyFile) -> None:
    """Leave the key's fingerprint on a bus that has none. Raises Invalid where another's stands."""
    bucket, mine = bus.bucket(subjects.VAULT.name), keys.fingerprint()
    known = await bucket.get(FINGERPRINT)
    if known is None:
        with suppress(Conflict):  # another process was first; whose key it has is seen below
            await bucket.create(FINGERPRINT, mine)
        known = await bucket.get(FINGERPRINT)
    if known is None or not hmac.compare_digest(known.data, mine):
        raise Invalid(fault(FIELD, "key_of_other_data"))


async def accept(bus: Bus, path: Path) -> None:
    """Take the key at *path*, made if need be, for the key of what *bus* holds from now on."""
    keys = KeyFile.open(path)
    await bus.bucket(subjects.VAULT.name).put(FINGERPRINT, keys.fingerprint())


class BusVault:
    """The Zalo channel's vault: bucket `vault`, or *bucket* for what needs no encryption."""

    def __init__(self, bus: Bus, bucket: str = subjects.VAULT.name) -> None:
        self.bucket = bus.bucket(bucket)

    async def get(self, key: str) -> Sealed | None:
        try:
            value = await self.bucket.get(key)
        except BusError as away:
            raise Unreachable("bus") from away
        return Sealed(value.data, value.revision) if value else None

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        try:
            if revision == NEVER:
                return await self.bucket.create(key, data)
            return await self.bucket.swap(key, data, revision)
        except Conflict as lost:
            raise Stale from lost
        except BusError as away:
            raise Unreachable("bus") from away


class BusNotebook:
    """The Zalo channel's notebook: bucket `ledger`, key `note.zalo.<app_id>.<content_id>`."""

    def __init__(self, bus: Bus, app_id: str) -> None:
        self.bucket = bus.bucket(subjects.LEDGER.name)
        self.prefix = f"note.zalo.{app_id}."

    async def read(self, content_id: str) -> Note | None:
        try:
            value = await self.bucket.get(self.prefix + content_id)
        except BusError as away:
            raise Unreachable("bus") from away
        return Note.decode(value.data, value.revision) if value else None

    async def all(self) -> AsyncIterator[tuple[str, Note]]:
        try:
            async for key, value in self.bucket.values(self.prefix):
                yield key.removeprefix(self.prefix), Note.decode(value.data, value.revision)
        except BusError as away:
            raise Unreachable("bus") from away

    async def write(self, content_id: str, note: Note) -> Note:
        try:
            revision = await self.store(self.prefix + content_id, note.encode(), note.at)
        except Conflict as lost:
            raise Unreachable("the note was changed meanwhile") from lost
        except BusError as away:
            raise Unreachable("bus") from away
        return replace(note, at=revision)

    async def store(self, key: str, data: bytes, revision: int) -> int:
        """Replace *revision* by *data*. Raises Conflict, except over our own unanswered write."""
        doubted = False
        for _ in range(TRIES):
            try:
                return await self.once(key, data, revision)
            except Silence:
                doubted = True
            except Conflict:
                if not doubted:
                    raise
            found = await self.bucket.get(key)
            if found and found.data == data:
                return found.revision
            if (found.revision if found else 0) != revision:
                raise Conflict(f"{key} was changed meanwhile")
        raise Silence(f"{key}: no answer to {TRIES} writes")

    async def once(self, key: str, data: bytes, revision: int) -> int:
        if revision:
            return await self.bucket.swap(key, data, revision)
        return await self.bucket.create(key, data)
