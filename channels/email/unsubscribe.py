"""Tokens of unsubscribe links: each names its subscriber and can't be forged."""

import hmac
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Sequence

_PURPOSE = b"loa unsubscribe\x00"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class HmacSigner:
    """Signs with the first key, accepts all of them, so that keys can be replaced."""

    def __init__(self, *keys: bytes) -> None:
        if not keys or any(len(key) < 16 for key in keys):
            raise ValueError("an unsubscribe key has 16 bytes at least")
        self.keys: Sequence[bytes] = keys

    def token(self, subscriber_id: str) -> str:
        """Token of `<public_url>/huy/<token>`: letters, digits, `-`, `_` and `.` only."""
        encoded_id = _encode_base64url(subscriber_id.encode())
        return f"{encoded_id}.{sign(self.keys[0], encoded_id)}"

    def subscriber_of(self, token: str) -> str | None:
        """Subscriber of *token*; None for a forged or broken one."""
        encoded_id, _, signature = token.partition(".")
        given = signature.encode("ascii", "replace")
        if not token.isascii() or not any(
            hmac.compare_digest(given, sign(key, encoded_id).encode()) for key in self.keys
        ):
            return None
        return urlsafe_b64decode(encoded_id + "=" * (-len(encoded_id) % 4)).decode()


def sign(key: bytes, encoded_id: str) -> str:
    return _encode_base64url(hmac.digest(key, _PURPOSE + encoded_id.encode(), "sha256"))


def _encode_base64url(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=").decode()
