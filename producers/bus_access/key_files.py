"""Keys of identities on the bus: one file with a seed each, which only its owner may read."""

import os
from pathlib import Path

import nkeys

from producers.access import public_key

_SEED_BYTES = 32
_SUFFIX = ".nk"


class KeyFolder:
    """The seeds of identities, as `LOA_NATS_NKEY_FILE` takes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, identity: str) -> Path:
        return self.folder / f"{identity}{_SUFFIX}"

    def ensure(self, identity: str) -> str:
        """The public key of *identity*; its key is made if there is none. Raises OSError."""
        if not self.path(identity).exists():
            self.replace(identity)
        return public_key(self.path(identity))

    def replace(self, identity: str) -> None:
        """Make another key for *identity*. Raises OSError."""
        write_private(self.path(identity), create_seed() + b"\n")

    def present(self) -> list[str]:
        """The identities whose key is here."""
        return sorted(path.stem for path in self.folder.glob(f"*{_SUFFIX}"))


def create_seed() -> bytes:
    """The seed of a new key."""
    seed: bytes = nkeys.encode_seed(os.urandom(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    return seed


def public_part(seed: bytes) -> str:
    """The public key of a seed."""
    public: bytes = nkeys.from_seed(bytearray(seed)).public_key
    return public.decode()


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
