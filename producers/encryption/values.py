"""AES-GCM values: a marker byte, a day for one of a day's key, a nonce, and the ciphertext, bound
to its place."""

import re
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MARKER, _DAY_MARKER, _RENEWED_MARKER = b"\x01", b"\x02", b"\x03"
"""The first byte of a value that is sealed with its own key, a day's, or its second one."""
_DAY_LENGTH = len("2026-11-29")
_DAY_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NONCE_BYTES = 12


def is_sealed(data: bytes) -> bool:
    return data.startswith((_MARKER, _DAY_MARKER, _RENEWED_MARKER))


def is_renewed(data: bytes) -> bool:
    """Whether a value is sealed with the second key of its record."""
    return data.startswith(_RENEWED_MARKER)


def day_of(data: bytes) -> str:
    """The day whose key opens a sealed value; empty for any other value."""
    day = data[1 : 1 + _DAY_LENGTH].decode("ascii", "replace")
    return day if data.startswith(_DAY_MARKER) and _DAY_PATTERN.fullmatch(day) else ""


def seal(cipher: AESGCM, place: str, data: bytes, day: str = "") -> bytes:
    """Encrypt *data*; it can be opened at the same *place* only."""
    head = _DAY_MARKER + day.encode() if day else _MARKER
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return head + nonce + cipher.encrypt(nonce, data, (place + day).encode())


def seal_renewed(cipher: AESGCM, place: str, data: bytes) -> bytes:
    """Encrypt *data* with the second key of its record."""
    return _RENEWED_MARKER + seal(cipher, place, data)[1:]


def open_sealed(cipher: AESGCM, place: str, data: bytes) -> bytes | None:
    """Decrypt a sealed value; None if it was changed, moved, or sealed with another key."""
    day = day_of(data)
    start = 1 + len(day)
    nonce, rest = data[start : start + _NONCE_BYTES], data[start + _NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, rest, (place + day).encode())
    except (InvalidTag, ValueError):  # ValueError: cut short
        return None
