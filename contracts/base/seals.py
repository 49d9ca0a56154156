"""Seals: prove that a holder of a key wrote these bytes for one purpose."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from enum import Enum

SEAL_HEADER = "Loa-Seal"
_VERSION = "v1"
_KEY_ID_LENGTH = 8


class SealState(Enum):
    """The result of a verification."""

    VALID = "valid"
    MISSING = "missing"
    OTHER_KEY = "other_key"
    """Made with another key, or by a newer version."""
    WRONG = "wrong"


class Sealer:
    """Seals with the key of one purpose: `v1.<key id>.<HMAC-SHA-256>`.

    The key id tells a seal of a replaced key from a forged one.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.key_id = hmac.digest(key, b"key id", hashlib.sha256).hex()[:_KEY_ID_LENGTH]

    def seal(self, *parts: bytes) -> str:
        """Seal *parts*, in this order and with these borders."""
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        code = hmac.digest(self._key, framed, hashlib.sha256)
        return f"{_VERSION}.{self.key_id}.{urlsafe_b64encode(code).decode().rstrip('=')}"

    def verify(self, seal: str, *parts: bytes) -> SealState:
        """Compare *seal* with that of *parts*, in constant time."""
        if not seal:
            return SealState.MISSING
        if hmac.compare_digest(seal.encode(errors="replace"), self.seal(*parts).encode()):
            return SealState.VALID
        version, _, rest = seal.partition(".")
        is_own = version == _VERSION and rest.partition(".")[0] == self.key_id
        return SealState.WRONG if is_own or not rest else SealState.OTHER_KEY
