"""The key file: the secret from which every key is derived, and its fingerprint on the bus."""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from channels.portal.storage.atomic_files import sync_folder
from consumers.errors import KeyFileBroken
from consumers.messages import field_error
from consumers.private_files import write_new
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import utc_time
from contracts.errors import FieldError, Invalid
from producers.bus import Bus, RevisionConflict
from producers.encryption import DayKeys, PersonKeys, seal_buckets, seal_notices
from producers.encryption.maintenance import forget_days_of_other_key, forget_records_of_other_key

_KEY_BYTES = 32

FINGERPRINT_KEY = "fingerprint"
KEY_FILE_FIELD = "vault.key"
FINGERPRINT_PURPOSE = "fingerprint"


class DerivedKeys(Protocol):
    """Keys of all purposes, or of a few."""

    def derive(self, purpose: str) -> bytes: ...

    def fingerprint(self) -> bytes:
        """The mark on the bus that tells the key file of its data from others."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One secret of 32 bytes from which every other key is derived."""

    secret: bytes = field(repr=False)
    path: Path = field(default=Path(KEY_FILE_FIELD), compare=False)

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> "KeyFile":
        """Read the file, or create it: readable by its owner only, synced before it is used.

        Raises KeyFileBroken for anything else; a new key would make what is stored unreadable.
        Without *create* a missing file raises Invalid.
        """
        if not path.exists():
            if not create:
                raise Invalid(field_error(KEY_FILE_FIELD, "key_missing", value=path))
            _create_key_file(path)
        try:
            secret = bytes.fromhex(path.read_text("ascii").strip())
        except ValueError:
            secret = b""
        if len(secret) != _KEY_BYTES:
            raise KeyFileBroken(f"{path} does not hold {_KEY_BYTES} bytes in hexadecimal", path)
        return cls(secret, path)

    def mismatch(self) -> FieldError:
        """The error of a key that is not that of the data: its file, and when that was changed."""
        return field_error(KEY_FILE_FIELD, "key_of_other_data", **self.described())

    def described(self) -> dict[str, object]:
        """The file, and when it was changed."""
        changed: object = "?"
        with suppress(OSError):
            changed = utc_time(round(self.path.stat().st_mtime))
        return {"value": str(self.path.absolute()), "changed": changed}

    def derive(self, purpose: str) -> bytes:
        """Derive the 32-byte key of one purpose; always the same."""
        return hmac.digest(self.secret, f"loa {purpose}".encode(), hashlib.sha256)

    def notices_key(self) -> bytes:
        """The key of case notices; `deploy/prepare` makes it, too, for a gateway without more."""
        return self._part("notices")

    def receipts_key(self) -> bytes:
        """The key of Zalo's receipts; `deploy/prepare` makes it, too, for the webhook alone."""
        return self._part("receipts")

    def fingerprint(self) -> bytes:
        return self.derive(FINGERPRINT_PURPOSE).hex().encode()

    def part(self, purposes: Collection[str]) -> "KeyFilePart":
        """The keys of *purposes* alone; `deploy/prepare` makes such a file, too."""
        return KeyFilePart({purpose: self.derive(purpose) for purpose in purposes})

    def _part(self, name: str) -> bytes:
        return hashlib.sha256(f"loa {name} {self.secret.hex()}".encode()).digest()

    def fernet_key(self) -> bytes:
        """The key of the vault, in the form that Fernet takes."""
        return urlsafe_b64encode(self.derive("vault"))


@dataclass(frozen=True, slots=True)
class KeyFilePart:
    """Keys of a few purposes, from which no other follows.

    In a file each has a line: in hexadecimal, with its purpose behind it.
    """

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def open(cls, path: Path, purposes: Collection[str]) -> "KeyFilePart":
        """Read the file. Raises Invalid where it can't be read, or a key is missing."""
        try:
            lines = (line.partition(" ") for line in path.read_text("ascii").splitlines())
            part = cls({purpose: bytes.fromhex(key) for key, _, purpose in lines})
        except (OSError, ValueError):
            part = cls({})
        if any(len(part.keys.get(purpose, b"")) != _KEY_BYTES for purpose in purposes):
            raise Invalid(part_of_other_data(path))
        return part

    def derive(self, purpose: str) -> bytes:
        return self.keys[purpose]

    def fingerprint(self) -> bytes:
        return self.derive(FINGERPRINT_PURPOSE).hex().encode()


def part_of_other_data(path: Path) -> FieldError:
    """The error of a part of the key file that is broken, or not of the data's."""
    return field_error(path.name, "key_part_of_other_data")


def _create_key_file(path: Path) -> None:
    """Write a new key beside *path* and link it there, so that only one process wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_new(draft, secrets.token_hex(_KEY_BYTES).encode())
    crash_point("vault.key_written")
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    sync_folder(path.parent)


async def open_key_file(bus: Bus, path: Path) -> KeyFile:
    """Open the key of the data on *bus*; created only if the bus has no fingerprint.

    Raises Invalid when the file is missing or another one, KeyFileBroken, BusError.
    """
    fingerprint = await bus.bucket(subjects.VAULT.name).get(FINGERPRINT_KEY)
    keys = KeyFile.open(path, create=fingerprint is None)
    await register_key(bus, keys)
    seal_people(bus, keys)
    return keys


async def find_key_file(bus: Bus, path: Path) -> KeyFile | None:
    """Open the key of the data on *bus*; None if the bus has no fingerprint.

    Raises Invalid when the file is missing or another one, KeyFileBroken, BusError.
    """
    stored = await bus.bucket(subjects.VAULT.name).get(FINGERPRINT_KEY)
    if stored is None:
        return None
    keys = KeyFile.open(path, create=False)
    if await is_refuted(bus, keys):
        raise Invalid(keys.mismatch())
    return keys


async def is_refuted(bus: Bus, keys: DerivedKeys) -> bool:
    """Whether the bus has the fingerprint of another key. Raises BusError."""
    stored = await bus.bucket(subjects.VAULT.name).get(FINGERPRINT_KEY)
    return stored is not None and not hmac.compare_digest(stored.data, keys.fingerprint())


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """The keys of what a bus holds about people: one for each reader, one a day for notices."""

    people: PersonKeys
    notices: DayKeys


def seal_people(bus: Bus, keys: KeyFile) -> SealingKeys:
    """Let *bus* seal what it stores about people, and open it for its readers."""
    people = seal_buckets(bus, keys.derive("people"))
    return SealingKeys(people, seal_notices(bus, keys.notices_key()))


async def seal_notices_only(bus: Bus, path: Path) -> None:
    """Let *bus* seal the contacts of case notices with the key at *path*, which opens no more.

    Raises Invalid for a part of another key file: no service could open what it seals.
    """
    days = seal_notices(bus, KeyFile.open(path, create=False).secret)
    if await days.is_refuted():
        raise Invalid(part_of_other_data(path))


async def register_key(bus: Bus, key_file: KeyFile) -> None:
    """Store the key's fingerprint on a bus without one. Raises Invalid for another key's."""
    bucket, fingerprint = bus.bucket(subjects.VAULT.name), key_file.fingerprint()
    stored = await bucket.get(FINGERPRINT_KEY)
    if stored is None:
        with suppress(RevisionConflict):  # another process was first, maybe with another key
            await bucket.create(FINGERPRINT_KEY, fingerprint)
        stored = await bucket.get(FINGERPRINT_KEY)
    if stored is None or not hmac.compare_digest(stored.data, fingerprint):
        raise Invalid(key_file.mismatch())


async def replace_key(bus: Bus, path: Path) -> int:
    """Register the key at *path*, created if missing, as the key of the data on *bus*.

    Records that only the lost key could open are purged before, so that no Loa starts with some
    that it can't read; returns their number.
    """
    keys = KeyFile.open(path)
    sealing = seal_people(bus, keys)
    count = await forget_records_of_other_key(bus, sealing.people)
    count += await forget_days_of_other_key(bus, sealing.notices)
    if await sealing.notices.is_refuted():
        await sealing.notices.forget_proof()
    await bus.bucket(subjects.VAULT.name).put(FINGERPRINT_KEY, keys.fingerprint())
    return count
