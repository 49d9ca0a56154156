"""Encrypted, expiring tokens for links in mail and for sessions; some are valid only once.

The token carries its own content, so nothing is stored about an address that never opened the
link. Each purpose has its own key: a token of one purpose is invalid for any other."""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import NamedTuple, TypeVar

from cryptography.fernet import Fernet, InvalidToken
from pydantic import BaseModel

from consumers.subscribers.store import base32
from contracts import subjects
from contracts.base.times import Clock, utc_time
from contracts.subscriptions.errors import LinkProblem, LinkRefused
from producers.bus import Bus, RevisionConflict

T = TypeVar("T", bound=BaseModel)
_MAX_TOKEN_LENGTH = 6000
_USED_PREFIX = "used."


class TokenPurpose(Enum):
    """The purposes of tokens, with their lifetimes."""

    CONFIRM = "confirm", timedelta(hours=72)
    CHANGE = "change", timedelta(hours=72)
    MANAGE = "manage", timedelta(hours=1)
    SESSION = "session", timedelta(hours=1)

    @property
    def lifetime(self) -> timedelta:
        return self.value[1]


class LinkOwner(BaseModel):
    """A subscriber at the address with this key; a change of address invalidates the token."""

    id: str
    address: str


class AddressChange(BaseModel):
    """A subscriber's change from one address to another."""

    id: str
    old: str
    new: str


class IssuedToken(NamedTuple):
    """A token and its expiry."""

    token: str
    expires_at: datetime


class LinkTokens:
    """Issues and reads tokens; *derive* returns the key of a purpose."""

    def __init__(self, derive: Callable[[str], bytes], clock: Clock) -> None:
        secrets = {purpose: derive(f"link {purpose.value[0]}") for purpose in TokenPurpose}
        self.fernets = {name: Fernet(urlsafe_b64encode(key)) for name, key in secrets.items()}
        self.clock = clock

    def issue(self, purpose: TokenPurpose, payload: BaseModel) -> IssuedToken:
        now = int(self.clock())
        packed = zlib.compress(payload.model_dump_json(exclude_defaults=True).encode(), 9)
        token = self.fernets[purpose].encrypt_at_time(packed, now).rstrip(b"=").decode()
        return IssuedToken(token, utc_time(now) + purpose.lifetime)

    def read(self, purpose: TokenPurpose, token: str, model: type[T]) -> T:
        """Read the payload of a token. Raises LinkRefused."""
        whole = token.encode("ascii", "replace") + b"=" * (-len(token) % 4)
        try:
            is_canonical = urlsafe_b64encode(urlsafe_b64decode(whole)) == whole
            if len(token) > _MAX_TOKEN_LENGTH or not is_canonical:
                raise InvalidToken  # another spelling of a token would count as another token
            packed = self.fernets[purpose].decrypt(whole)
            began = self.fernets[purpose].extract_timestamp(whole)
        except (InvalidToken, binascii.Error) as forged:
            raise LinkRefused(LinkProblem.FORGED) from forged
        if self.clock() >= began + purpose.lifetime.total_seconds():
            raise LinkRefused(LinkProblem.EXPIRED)
        return model.model_validate_json(zlib.decompress(packed))


def token_digest(token: str) -> str:
    """Return the digest that is stored in place of a token."""
    return base32(sha256(token.encode()).digest())[:40]


@dataclass
class TokenUses:
    """Used links and their browsers: bucket `notices`, kept longer than any token is valid."""

    bus: Bus

    async def used_by(self, token: str) -> str | None:
        """Return the digest of the first browser that used a token; None if unused."""
        value = await self.bus.bucket(subjects.NOTICES.name).get(_USED_PREFIX + token_digest(token))
        return value.data.decode() if value else None

    async def record(self, token: str, browser: str = "") -> None:
        """Record the first use of a token; *browser* where the token is bound to one."""
        bucket = self.bus.bucket(subjects.NOTICES.name)
        with suppress(RevisionConflict):
            await bucket.create(_USED_PREFIX + token_digest(token), browser.encode())

    async def claim(self, token: str, browser: str) -> None:
        """Bind a token to the first browser that uses it. Raises LinkRefused."""
        await self.record(token, token_digest(browser))
        await self.check(token, browser)

    async def check(self, token: str, browser: str) -> None:
        """Check that no other browser has used a token. Raises LinkRefused."""
        if await self.used_by(token) not in (None, token_digest(browser)):
            raise LinkRefused(LinkProblem.USED)
