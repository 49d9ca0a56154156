"""Small files that one machine keeps beside the bus; their owner alone can read them."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from channels.portal.storage.atomic_files import sync_folder


def replace_file(path: Path, body: bytes) -> None:
    """Replace a file at once: after a crash the old or the new one is there, whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_new(draft, body)
    draft.replace(path)
    sync_folder(path.parent)


def write_new(path: Path, body: bytes) -> None:
    """Write and sync a new file. On a full disk none is left. Raises OSError, which names it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with naming(path), os.fdopen(file, "wb") as output:
            output.write(body)
            output.flush()
            os.fsync(output.fileno())
    except OSError:
        path.unlink()
        raise


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file at *path*, whole and synced, once the block is done, else none; also at a kill.

    Until then it has no name, so that nothing outlives the process. Where the disk has no such
    files, a kill leaves its draft, `.<name>.part`, which the next try removes. Raises OSError.
    """
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)
    try:
        with naming(path), os.fdopen(_open_draft(draft), "wb") as output:
            yield output
            output.flush()
            os.fsync(output.fileno())
            _name_draft(draft, output.fileno(), path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.absolute().parent)


def _open_draft(draft: Path) -> int:
    """A file without a name in the folder of *draft*, or *draft* where there can be none."""
    try:
        return os.open(draft.parent, os.O_WRONLY | os.O_TMPFILE, 0o600)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
            raise
    return os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _name_draft(draft: Path, file: int, path: Path) -> None:
    """Give the draft its name. Raises FileExistsError."""
    if draft.exists():
        os.link(draft, path)
    else:  # a folder's descriptor, which is not used, makes it follow the link
        os.link(f"/proc/self/fd/{file}", path, src_dir_fd=file, follow_symlinks=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError of the block name *path*: the one of a write or a sync names no file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


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
