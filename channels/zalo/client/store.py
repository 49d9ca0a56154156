"""Key-value stores with compare-and-set, and the encrypted token grant kept in one."""

import json
from dataclasses import asdict, dataclass
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken

from channels.zalo.client.response import json_object, known_fields
from channels.zalo.errors import WrongKey

NO_REVISION = 0
"""The revision of a key that does not exist."""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A stored value and the revision it was read at."""

    data: bytes
    revision: int


class KeyValueStore(Protocol):
    """A small key-value store with compare-and-set."""

    async def get(self, key: str) -> StoredValue | None:
        """The stored value. Raises Unreachable."""

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        """Write over *revision* (0: no value yet); returns the new revision.

        Raises StaleValue when the value was not written, Unreachable when the result is unknown.
        """


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """Tokens that the Official Account granted. Times are seconds since the epoch."""

    access_token: str = ""
    refresh_token: str = ""
    expires_at: float = 0.0
    obtained_at: float = 0.0
    pending_at: float = 0.0  # start of a refresh whose result is unknown
    lost: str = ""  # why an OA admin has to consent again
    previous_access_token: str = ""
    previous_refresh_token: str = ""

    @property
    def missing_consent(self) -> str:
        """Why no token can be had from this grant; empty for a usable one."""
        return self.lost or ("" if self.access_token else "no consent yet")

    def __repr__(self) -> str:
        return f"Grant(expires_at={self.expires_at}, lost={self.lost!r})"


class GrantCipher:
    """Encrypts grants with one Fernet key (32 bytes, URL-safe base64)."""

    def __init__(self, key: bytes) -> None:
        self.fernet = Fernet(key)

    def encrypt(self, grant: TokenGrant) -> bytes:
        return self.fernet.encrypt(json.dumps(asdict(grant)).encode())

    def decrypt(self, data: bytes) -> TokenGrant:
        """Raises WrongKey for a grant that another key encrypted."""
        try:
            stored = json_object(self.fernet.decrypt(data))
        except InvalidToken as error:
            raise WrongKey("the vault key does not fit the stored tokens") from error
        return TokenGrant(**known_fields(TokenGrant, stored or {}))


class LocalStore:
    """A store for a single process and a single key."""

    def __init__(self) -> None:
        self.stored: StoredValue | None = None

    async def get(self, _key: str) -> StoredValue | None:
        return self.stored

    async def swap(self, _key: str, data: bytes, revision: int) -> int:
        self.stored = StoredValue(data, revision + 1)
        return revision + 1
