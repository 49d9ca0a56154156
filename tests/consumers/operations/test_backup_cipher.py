"""Encrypted files: any other file than the one that was written does not open."""

import io

import pytest

from consumers.operations import backup_cipher
from consumers.operations.backup_cipher import BackupCipher, ChunkEncryptor, decrypt_chunks
from consumers.operations.errors import BackupChanged

CIPHER = BackupCipher(b"a secret", "id")
SIZE, STORED = 10, 26


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(backup_cipher, "_CHUNK_BYTES", SIZE)


def encrypted(content: bytes, name: str = "A") -> bytes:
    file = io.BytesIO()
    encryptor = ChunkEncryptor(CIPHER.file_cipher(name), file.write)
    for first in range(0, len(content), 7):
        encryptor.write(content[first : first + 7])
    encryptor.finish()
    return file.getvalue()


def decrypted(stored: bytes, name: str = "A", cipher: BackupCipher = CIPHER) -> bytes:
    return b"".join(decrypt_chunks(cipher.file_cipher(name), io.BytesIO(stored)))


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 20, 35])
def test_a_file_of_any_length_comes_back(length):
    content = bytes(range(length))
    assert decrypted(encrypted(content)) == content


def test_a_file_that_was_cut_extended_or_reordered_does_not_open():
    stored = encrypted(bytes(35))
    one, two = stored[:STORED], stored[STORED : 2 * STORED]
    changed = [stored[:cut] for cut in range(len(stored))]
    changed += [stored + b"x", stored + one, two + one + stored[2 * STORED :], one + one + two]
    for file in changed:
        with pytest.raises(BackupChanged):
            decrypted(file)


def test_a_file_under_another_name_or_of_another_backup_does_not_open():
    stored = encrypted(bytes(35))
    for name, cipher in (
        ("B", CIPHER),
        ("A", BackupCipher(b"a secret", "another id")),
        ("A", BackupCipher(b"another secret", "id")),
    ):
        with pytest.raises(BackupChanged):
            decrypted(stored, name, cipher)
