"""Links in letters, and sessions: encrypted, good for a while, and some of them only once.

Whatever a link is for stands in the link itself, so that nothing is kept of somebody who never
opened it. Each purpose has a key of its own: no link can be taken for another.
"""

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

from consumers.readers.people import base32
from contracts import subjects
from contracts.links import LinkRefused, Why
from producers.bus import Bus, Conflict

T = TypeVar("T", bound=BaseModel)
TOKEN_MAX = 6000
USED = "used."


class Purpose(Enum):
    """What a token is good for, and how long."""

    CONFIRM = "confirm", timedelta(hours=72)
    CHANGE = "change", timedelta(hours=72)
    MANAGE = "manage", timedelta(hours=1)
    SESSION = "session", timedelta(hours=1)

    @property
    def life(self) -> timedelta:
        return self.value[1]


class Whose(BaseModel):
    """A reader, while the address with this key is theirs: who moves away shuts the door."""

    id: str
    address: str


class Change(BaseModel):
    """A reader's way from one address to another."""

    id: str
    old: str
    new: str


class Link(NamedTuple):
    """A token and when it ends."""

    token: str
    ends: datetime


class Links:
    """Makes and reads tokens; *derive* gives the key of a purpose."""

    def __init__(self, derive: Callable[[str], bytes], clock: Callable[[], float]) -> None:
        self.fernets = {
            one: Fernet(urlsafe_b64encode(derive(f"link {one.value[0]}"))) for one in Purpose
        }
        self.clock = clock

    def make(self, purpose: Purpose, said: BaseModel) -> Link:
        now = int(self.clock())
        packed = zlib.compress(said.model_dump_json(exclude_defaults=True).encode(), 9)
        token = self.fernets[purpose].encrypt_at_time(packed, now).rstrip(b"=").decode()
        return Link(token, datetime.fromtimestamp(now, UTC) + purpose.life)

    def read(self, purpose: Purpose, token: str, kind: type[T]) -> T:
        """What a token says. Raises LinkRefused."""
        whole = token.encode("ascii", "replace") + b"=" * (-len(token) % 4)
        try:
            if len(token) > TOKEN_MAX:
                raise InvalidToken
            if urlsafe_b64encode(urlsafe_b64decode(whole)) != whole:
                raise InvalidToken  # another spelling of a token would count as another link
            packed = self.fernets[purpose].decrypt(whole)
            began = self.fernets[purpose].extract_timestamp(whole)
        except (InvalidToken, binascii.Error) as forged:
            raise LinkRefused(Why.FORGED) from forged
        if self.clock() >= began + purpose.life.total_seconds():
            raise LinkRefused(Why.EXPIRED)
        return kind.model_validate_json(zlib.decompress(packed))


def mark(token: str) -> str:
    """What is remembered of a token: nobody can make the token of it."""
    return base32(sha256(token.encode()).digest())[:40]


@dataclass
class Uses:
    """Which links were followed, and by whom: bucket `notices`, for longer than any link lasts."""

    bus: Bus

    async def by(self, token: str) -> str | None:
        """Which browser followed a link first, as `note` was told; None: nobody has."""
        value = await self.bus.bucket(subjects.NOTICES.name).get(USED + mark(token))
        return value.data.decode() if value else None

    async def note(self, token: str, browser: str = "") -> None:
        """It has been followed, unless it was before; *browser* where it matters which one did."""
        bucket = self.bus.bucket(subjects.NOTICES.name)
        try:
            await bucket.create(USED + mark(token), browser.encode())
        except Conflict:
            return

    async def take(self, token: str, browser: str) -> None:
        """Follow a link that belongs to the first browser that does. Raises LinkRefused."""
        await self.note(token, mark(browser))
        await self.check(token, browser)

    async def check(self, token: str, browser: str) -> None:
        """Whether no other browser has followed a link. Raises LinkRefused."""
        if await self.by(token) not in (None, mark(browser)):
            raise LinkRefused(Why.USED)
