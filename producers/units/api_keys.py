"""API keys of units: `<prefix>_<unit>_<secret>` with 256 random bits, stored as SHA-256 alone."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from contracts.base.fields import Contract

UNIT_PATTERN = re.compile("[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
KEY_OVERLAP = timedelta(hours=24)
READ_PATIENCE_S = 4.0


class ApiKey(Contract):
    """One stored key; `until` is set when a newer key has replaced it."""

    hash: str
    created: AwareDatetime
    until: AwareDatetime | None = None

    def accepts(self, hashed: str, now: datetime) -> bool:
        same = hmac.compare_digest(self.hash, hashed)
        return same and (self.until is None or now < self.until)


def key_pattern(prefix: str) -> re.Pattern[str]:
    """The pattern of keys with this prefix; its only group is the unit."""
    return re.compile(rf"{prefix}_({UNIT_PATTERN.pattern})_[0-9a-f]{{64}}")


def new_key(prefix: str, unit: str, now: datetime) -> tuple[str, ApiKey]:
    """A key, to be shown once, and its stored form."""
    secret = f"{prefix}_{unit}_{secrets.token_hex(32)}"
    return secret, ApiKey(hash=hash_key(secret), created=now)


def with_new_key(keys: Sequence[ApiKey], key: ApiKey, overlap: timedelta) -> tuple[ApiKey, ...]:
    """The keys with *key* as the new one; the old ones end after *overlap*."""
    end = key.created + overlap
    ending = (old.model_copy(update={"until": min(old.until or end, end)}) for old in keys)
    living = (old for old in ending if old.until and old.until > key.created)
    return *living, key


def hash_key(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()
