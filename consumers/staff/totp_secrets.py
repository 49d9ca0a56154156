"""TOTP secrets at rest: AES-GCM under a key of the key file, bound to their account."""

import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consumers.errors import KeyFileBroken

_NONCE_BYTES = 12


class TotpSecrets:
    """Encrypts and decrypts; *key* has 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self.cipher = AESGCM(key)

    def encrypt(self, account_id: str, secret: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return b64encode(nonce + self.cipher.encrypt(nonce, secret, account_id.encode())).decode()

    def decrypt(self, account_id: str, stored: str) -> bytes:
        """Raises KeyFileBroken for a value of another key, or of another account."""
        data = b64decode(stored)
        try:
            return self.cipher.decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], account_id.encode()
            )
        except InvalidTag as other:
            raise KeyFileBroken("a TOTP secret was encrypted with another key file") from other
