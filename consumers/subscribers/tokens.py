"""Encrypted, expiring tokens for links in mail and for sessions; some are valid only once.

The token carries its own content, so nothing is stored about an address that never opened the
link. Each purpose has its own key: a token of one purpose is invalid for any other."""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import NamedTuple, TypeVar

from cryptography.fernet import Fernet, InvalidToken
from pydantic import BaseModel

from consumers.subscribers.store import base32
from contracts import subjects
from contracts.subscriptions.signup import LinkProblem, LinkRefused
from producers.bus import Bus, RevisionConflict

T = TypeVar("T", bound=BaseModel)
MAX_TOKEN_LENGTH = 6000
USED_PREFIX = "used."


class TokenPurpose(Enum):
    """What a token is good for, and how long."""

    CONFIRM = "confirm", timedelta(hours=72)
    CHANGE = "change", timedelta(hours=72)
    MANAGE = "manage", timedelta(hours=1)
    SESSION = "session", timedelta(hours=1)

    @property
    def lifetime(self) -> timedelta:
        return self.value[1]


class LinkOwner(BaseModel):
    """A reader, while the address with this key is theirs: who moves away shuts the door."""

    id: str
    address: str


class AddressChange(BaseModel):
    """A reader's way from one address to another."""

    id: str
    old: str
    new: str


class IssuedToken(NamedTuple):
    """A token and when it ends."""

    token: str
    expires_at: datetime


class LinkTokens:
    """Makes and reads tokens; *derive* gives the key of a purpose."""

    def __init__(self, derive: Callable[[str], bytes], clock: Callable[[], float]) -> None:
        self.fernets = {
            one: Fernet(urlsafe_b64encode(derive(f"link {one.value[0]}"))) for one in TokenPurpose
        }
        self.clock = clock

    def issue(self, purpose: TokenPurpose, payload: BaseModel) -> IssuedToken:
        now = int(self.clock())
        packed = zlib.compress(payload.model_dump_json(exclude_defaults=True).encode(), 9)
        token = self.fernets[purpose].encrypt_at_time(packed, now).rstrip(b"=").decode()
        return IssuedToken(token, datetime.fromtimestamp(now, UTC) + purpose.lifetime)

    def read(self, purpose: TokenPurpose, token: str, model: type[T]) -> T:
        """What a token says. Raises LinkRefused."""
        whole = token.encode("ascii", "replace") + b"=" * (-len(token) % 4)
        try:
            if len(token) > MAX_TOKEN_LENGTH:
                raise InvalidToken
            if urlsafe_b64encode(urlsafe_b64decode(whole)) != whole:
                raise InvalidToken  # another spelling of a token would count as another link
            packed = self.fernets[purpose].decrypt(whole)
            began = self.fernets[purpose].extract_timestamp(whole)
        except (InvalidToken, binascii.Error) as forged:
            raise LinkRefused(LinkProblem.FORGED) from forged
        if self.clock() >= began + purpose.lifetime.total_seconds():
            raise LinkRefused(LinkProblem.EXPIRED)
        return model.model_validate_json(zlib.decompress(packed))


def token_digest(token: str) -> str:
    """What is remembered of a token: nobody can make the token of it."""
    return base32(sha256(token.encode()).digest())[:40]


@dataclass
class TokenUses:
    """Which links were followed, and by whom: bucket `notices`, for longer than any link lasts."""

    bus: Bus

    async def used_by(self, token: str) -> str | None:
        """Which browser followed a link first, as `note` was told; None: nobody has."""
        value = await self.bus.bucket(subjects.NOTICES.name).get(USED_PREFIX + token_digest(token))
        return value.data.decode() if value else None

    async def record(self, token: str, browser: str = "") -> None:
        """It has been followed, unless it was before; *browser* where it matters which one did."""
        bucket = self.bus.bucket(subjects.NOTICES.name)
        try:
            await bucket.create(USED_PREFIX + token_digest(token), browser.encode())
        except RevisionConflict:
            return

    async def claim(self, token: str, browser: str) -> None:
        """Follow a link that belongs to the first browser that does. Raises LinkRefused."""
        await self.record(token, token_digest(browser))
        await self.check(token, browser)

    async def check(self, token: str, browser: str) -> None:
        """Whether no other browser has followed a link. Raises LinkRefused."""
        if await self.used_by(token) not in (None, token_digest(browser)):
            raise LinkRefused(LinkProblem.USED)
