"""Time-based one-time passwords (RFC 6238): six digits, 30 s, SHA-1, as authenticator apps do."""

import base64
import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consumers.errors import KeyFileBroken
from producers.encryption.values import open_sealed, seal

_STEP_S = 30
_DIGITS = 6
_WINDOW = 1
_SECRET_BYTES = 20


def new_secret() -> bytes:
    return secrets.token_bytes(_SECRET_BYTES)


def one_time_code(secret: bytes, step: int, digits: int = _DIGITS) -> str:
    """The code of a time step (RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    start = digest[-1] & 0xF
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}}"


def current_step(now: float) -> int:
    return int(now) // _STEP_S


def matching_step(secret: bytes, code: str, now: float, used: int) -> int | None:
    """The time step of *code*, one step early or late at most; None for a wrong or used code.

    Steps up to *used* are refused, so that a code works once. Every step is compared.
    """
    given = "".join(code.split()).encode("utf-8", "replace")
    present = current_step(now)
    steps = range(present - _WINDOW, present + _WINDOW + 1)
    codes = [(step, one_time_code(secret, step).encode()) for step in steps]
    matches = [step for step, right in codes if hmac.compare_digest(right, given)]
    return next((step for step in matches if step > used), None)


class TotpSecrets:
    """Encrypts secrets for storage, each bound to its account; *key* has 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, account_id: str, secret: bytes) -> str:
        return base64.b64encode(seal(self._cipher, account_id, secret)).decode()

    def decrypt(self, account_id: str, stored: str) -> bytes:
        """Raises KeyFileBroken for a value of another key, or of another account."""
        secret = open_sealed(self._cipher, account_id, base64.b64decode(stored))
        if secret is None:
            raise KeyFileBroken("a TOTP secret was encrypted with another key file")
        return secret
