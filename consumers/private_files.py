"""Small files that one machine keeps beside the bus; their owner alone can read them."""

import os
import secrets
from pathlib import Path

from channels.portal.storage.atomic_files import sync_folder


def replace_file(path: Path, body: bytes) -> None:
    """Replace a file at once: after a crash the old or the new one is there, whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, body)
        os.fsync(file)
    finally:
        os.close(file)
    draft.replace(path)
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Add a line; one that a crash cut short is ended first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(file).st_size
        is_cut = size and os.pread(file, 1, size - 1) != b"\n"
        os.write(file, (b"\n" if is_cut else b"") + line + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    sync_folder(path.parent)
