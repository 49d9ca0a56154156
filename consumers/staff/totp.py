"""Time-based one-time passwords (RFC 6238): six digits, 30 s, SHA-1, as authenticator apps do."""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote

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


def text_secret(secret: bytes) -> str:
    """The secret as people type it into an authenticator app."""
    return base64.b32encode(secret).decode()


def setup_uri(secret: bytes, login: str, issuer: str = "Loa") -> str:
    """The address that authenticator apps read from a QR code."""
    return f"otpauth://totp/{quote(issuer)}:{quote(login)}?secret={text_secret(secret)}&issuer={quote(issuer)}"
