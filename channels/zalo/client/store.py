"""Where the token pair lies: encrypted, in a store that is handed in."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

from cryptography.fernet import Fernet, InvalidToken

from channels.zalo.client.errors import WrongKey
from channels.zalo.client.response import json_object

NO_REVISION = 0
"""The revision of what was never stored."""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """Encrypted bytes and the revision they were read at."""

    data: bytes
    revision: int


class KeyValueStore(Protocol):
    """A small key-value store with compare-and-set."""

    async def get(self, key: str) -> StoredValue | None:
        """What is stored now. Raises Unreachable."""

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        """Store over *revision* (0 = nothing there yet); returns the new one.

        Raises Stale when nothing was written, Unreachable when nobody knows.
        """


@dataclass(frozen=True, slots=True)
class TokenGrant:
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


class GrantCipher:
    """Encrypts grants with one Fernet key (32 bytes, URL-safe base64)."""

    def __init__(self, key: bytes) -> None:
        self.fernet = Fernet(key)

    def encrypt(self, grant: TokenGrant) -> bytes:
        return self.fernet.encrypt(json.dumps(asdict(grant)).encode())

    def decrypt(self, data: bytes) -> TokenGrant:
        """Raises OtherKey for another key's work."""
        try:
            stored = json_object(self.fernet.decrypt(data))
        except InvalidToken as error:
            raise WrongKey("the vault key does not fit the stored tokens") from error
        return decode_grant(stored or {})


def decode_grant(stored: Mapping[str, Any]) -> TokenGrant:
    """Read what this or another version stored: unknown fields are left out."""
    known = {field.name for field in fields(TokenGrant)}
    return TokenGrant(**{name: value for name, value in stored.items() if name in known})


class LocalStore:
    """The store of a process that shares its rate with nobody."""

    def __init__(self) -> None:
        self.stored: StoredValue | None = None

    async def get(self, _key: str) -> StoredValue | None:
        return self.stored

    async def swap(self, _key: str, data: bytes, revision: int) -> int:
        self.stored = StoredValue(data, revision + 1)
        return revision + 1
