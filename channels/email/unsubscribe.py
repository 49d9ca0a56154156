"""The link that ends a subscription: it names its subscriber and can't be forged."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Protocol

PURPOSE = b"loa unsubscribe\x00"


class Signer(Protocol):
    """Makes the token of `<public_url>/huy/<token>`."""

    def token(self, subscriber_id: str) -> str:
        """Letters, digits, `-`, `_` and `.` only; the same for ever under the same key."""


class HmacSigner:
    """Signs with the first key, accepts all of them, so that keys can be replaced."""

    def __init__(self, *keys: bytes) -> None:
        if not keys or any(len(key) < 16 for key in keys):
            raise ValueError("an unsubscribe key has 16 bytes at least")
        self.keys: Sequence[bytes] = keys

    def token(self, subscriber_id: str) -> str:
        named = encode(subscriber_id.encode())
        return f"{named}.{seal(self.keys[0], named)}"

    def subscriber(self, token: str) -> str | None:
        """Whose token it is; None for a forged or broken one."""
        named, _, signature = token.partition(".")
        given = signature.encode("ascii", "replace")
        if not token.isascii() or not any(
            hmac.compare_digest(given, seal(key, named).encode()) for key in self.keys
        ):
            return None
        return urlsafe_b64decode(named + "=" * (-len(named) % 4)).decode()


def seal(key: bytes, named: str) -> str:
    return encode(hmac.digest(key, PURPOSE + named.encode(), "sha256"))


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
