"""AES-GCM values: a marker byte, a nonce, and the ciphertext bound to its place."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MARKER = b"\x01"
"""The first byte of a sealed value of this format; no plain value (JSON) begins with it."""
_NONCE_BYTES = 12


def is_sealed(data: bytes) -> bool:
    return data.startswith(_MARKER)


def seal(cipher: AESGCM, place: str, data: bytes) -> bytes:
    """Encrypt *data*; it can be opened at the same *place* only."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _MARKER + nonce + cipher.encrypt(nonce, data, place.encode())


def open_sealed(cipher: AESGCM, place: str, data: bytes) -> bytes | None:
    """Decrypt a sealed value; None if it was changed, moved, or sealed with another key."""
    nonce, rest = data[1 : 1 + _NONCE_BYTES], data[1 + _NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, rest, place.encode())
    except (InvalidTag, ValueError):  # ValueError: cut short
        return None
