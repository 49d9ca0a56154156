"""Encryption of a backup: files in chunks (AES-GCM), and a MAC over the manifest.

Every file has a key of its own, made of the key file, the backup's random id and the file's name.
A chunk's nonce is its number and whether it is the last one: a file that was changed, swapped, cut
or put into another order does not open."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consumers.operations.errors import BackupChanged

_CHUNK_BYTES = 256 << 10
_TAG_BYTES = 16
_NUMBER_BYTES = 11
_Write = Callable[[bytes], object]


class BackupCipher:
    """The keys of one backup."""

    def __init__(self, secret: bytes, backup_id: str) -> None:
        self._secret = hmac.digest(secret, f"backup {backup_id}".encode(), hashlib.sha256)

    def manifest_mac(self, manifest: bytes) -> str:
        key = hmac.digest(self._secret, b"manifest", hashlib.sha256)
        return hmac.new(key, manifest, hashlib.sha256).hexdigest()

    def file_cipher(self, name: str) -> AESGCM:
        return AESGCM(hmac.digest(self._secret, f"file {name}".encode(), hashlib.sha256))


class ChunkEncryptor:
    """Encrypts bytes and writes them in chunks; `finish` writes the last chunk."""

    def __init__(self, cipher: AESGCM, write: _Write) -> None:
        self._cipher, self._write = cipher, write
        self._waiting, self._number = bytearray(), 0

    def write(self, piece: bytes) -> None:
        self._waiting += piece
        while len(self._waiting) > _CHUNK_BYTES:
            self._write_chunk(bytes(self._waiting[:_CHUNK_BYTES]), is_last=False)
            del self._waiting[:_CHUNK_BYTES]

    def finish(self) -> None:
        self._write_chunk(bytes(self._waiting), is_last=True)

    def _write_chunk(self, chunk: bytes, *, is_last: bool) -> None:
        self._write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), chunk, None))
        self._number += 1


def decrypt_chunks(cipher: AESGCM, file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's content. Raises BackupChanged."""
    number, chunk = 0, file.read(_CHUNK_BYTES + _TAG_BYTES)
    while True:
        following = file.read(_CHUNK_BYTES + _TAG_BYTES)
        try:
            yield cipher.decrypt(_nonce(number, is_last=not following), chunk, None)
        except (InvalidTag, ValueError) as error:
            raise BackupChanged(f"chunk {number}") from error
        if not following:
            return
        number, chunk = number + 1, following


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big") + bytes([is_last])
