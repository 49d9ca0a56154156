"""Where the token pair lies: encrypted, in a store that is handed in."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

from cryptography.fernet import Fernet, InvalidToken

from channels.errors import Misconfigured
from channels.zalo.envelope import json_object

NEVER = 0
"""The revision of what was never stored."""


class Stale(Exception):
    """The revision had moved on: nothing was written."""


class OtherKey(Misconfigured):
    """What is stored was sealed with another key: only a new consent helps, or the old key."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Encrypted bytes and the revision they were read at."""

    data: bytes
    revision: int


class Vault(Protocol):
    """A small key-value store with compare-and-set."""

    async def get(self, key: str) -> Sealed | None:
        """What is stored now. Raises Unreachable."""

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        """Store over *revision* (0 = nothing there yet); returns the new one.

        Raises Stale when nothing was written, Unreachable when nobody knows.
        """


@dataclass(frozen=True, slots=True)
class Grant:
    """What the Official Account granted us. Times are seconds since the epoch."""

    access_token: str = ""
    refresh_token: str = ""
    expires_at: float = 0.0
    obtained_at: float = 0.0
    pending_at: float = 0.0  # a refresh was begun then, and how it ended is not known
    lost: str = ""  # why an OA admin has to consent again
    previous_access_token: str = ""
    previous_refresh_token: str = ""

    def __repr__(self) -> str:
        return f"Grant(expires_at={self.expires_at}, lost={self.lost!r})"


class Seal:
    """Encrypts grants with one Fernet key (32 bytes, URL-safe base64)."""

    def __init__(self, key: bytes) -> None:
        self.fernet = Fernet(key)

    def close(self, grant: Grant) -> bytes:
        return self.fernet.encrypt(json.dumps(asdict(grant)).encode())

    def open(self, data: bytes) -> Grant:
        """Raises OtherKey for another key's work."""
        try:
            stored = json_object(self.fernet.decrypt(data))
        except InvalidToken as error:
            raise OtherKey("the vault key does not fit the stored tokens") from error
        return grant_of(stored or {})


def grant_of(stored: Mapping[str, Any]) -> Grant:
    """Read what this or another version stored: unknown fields are left out."""
    known = {field.name for field in fields(Grant)}
    return Grant(**{name: value for name, value in stored.items() if name in known})
