"""Stores with compare-and-set: shared values, and the encrypted token grant."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from cryptography.fernet import Fernet, InvalidToken

from channels.errors import Unreachable
from channels.zalo.client.response import json_object, known_fields
from channels.zalo.errors import RowOutcome, StaleValue, WrongKey

NO_REVISION = 0
"""The revision of a key that does not exist."""
_TRIES = 50
T = TypeVar("T")


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
    refused_since: float = 0.0  # the first of the refusals in a row that may pass
    refusals: int = 0
    retry_at: float = 0.0  # no process refreshes before
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


@dataclass
class SharedValue(Generic[T]):
    """A value that all processes of an app update by compare-and-set."""

    store: KeyValueStore
    key: str
    decode: Callable[[bytes], T]
    encode: Callable[[T], bytes]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    cached: StoredValue | None = None
    has_local_change: bool = False

    async def read(self) -> T:
        """The stored value. Raises Unreachable."""
        return self.decode((await self.load()).data)

    async def update(self, change: Callable[[T], T]) -> T:
        """Apply *change*: in turn within this process, by compare-and-set between processes.

        The cached value is tried first. It may be out of date, so only a fresh value refuses or
        stays as it is. Raises Unreachable, and the RowOutcome of *change*.
        """
        async with self.lock:
            for turn in range(_TRIES):
                fresh = turn > 0 or self.cached is None
                stored = await self.load() if fresh or self.cached is None else self.cached
                before = self.decode(stored.data)
                try:
                    after = change(before)
                    if after != before or self.has_local_change:
                        return await self.write(after, stored.revision)
                    if fresh:
                        return after
                except RowOutcome:
                    if fresh:
                        raise
                except StaleValue:
                    continue
        raise Unreachable("too many writers at once", retry_after_s=1.0)

    def update_locally(self, change: Callable[[T], T]) -> None:
        """Apply *change* to the cached value alone; the next update stores both."""
        cached = self.cached or StoredValue(b"", NO_REVISION)
        self.cached = replace(cached, data=self.encode(change(self.decode(cached.data))))
        self.has_local_change = True

    async def write(self, value: T, revision: int) -> T:
        """Write over the given revision. Raises StaleValue, Unreachable."""
        data = self.encode(value)
        self.cached = StoredValue(data, await self.store.swap(self.key, data, revision))
        self.has_local_change = False
        return value

    async def load(self) -> StoredValue:
        stored = await self.store.get(self.key) or StoredValue(b"", NO_REVISION)
        self.cached, self.has_local_change = stored, False
        return stored
