"""Uploaded files in the public folder, at `/tep/<hash>/<name>`, while a shown item names them.

The index says which those are. A file is put in place before the page that names it is shown.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import structlog

from channels.portal.storage.atomic_files import sync_folder
from contracts.base.crash_points import crash_point
from contracts.desk.uploads import UploadAddress

log = structlog.get_logger()
_TRIES = 3


class UploadSource(Protocol):
    """Where uploaded files come from. Raises ChannelError."""

    def read(self, address: UploadAddress) -> AsyncIterator[bytes]:
        """The content in pieces; none if it is not kept."""
        ...


class UploadFiles:
    """Puts uploaded files into the portal's *folder*, which several processes may write."""

    def __init__(self, folder: Path, source: UploadSource) -> None:
        self._public, self._aside = folder / "public", folder / "uploads"
        self._source = source

    async def place(self, addresses: Iterable[UploadAddress]) -> None:
        """Put these files in place, whole; one that is not kept is left out, and logged.

        Raises ChannelError, OSError.
        """
        for address in addresses:
            target = self._public / address.file
            if not await asyncio.to_thread(has_hash, target, address.hash):
                await self._fetch(address, target)

    async def _fetch(self, address: UploadAddress, target: Path) -> None:
        beside = await asyncio.to_thread(self._new_file)
        try:
            if await self._write(address, beside):
                await asyncio.to_thread(_move, beside, target)
            else:
                log.error("portal_upload_missing", hash=address.hash)
        finally:
            beside.unlink(missing_ok=True)

    def _new_file(self) -> Path:
        self._aside.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._aside)
        os.close(handle)
        return Path(name)

    async def _write(self, address: UploadAddress, beside: Path) -> bool:
        """Write the content; whether it is what the address says."""
        digest = hashlib.sha256()
        with beside.open("wb") as file:
            async for piece in self._source.read(address):
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_finish, file)
        return digest.hexdigest() == address.hash


def _finish(file: BinaryIO) -> None:
    file.flush()
    os.fchmod(file.fileno(), 0o644)
    os.fsync(file.fileno())


def _move(beside: Path, target: Path) -> None:
    """Rename the file into place; its folder may just be removed by another writer."""
    for left in reversed(range(_TRIES)):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.replace(target)
            break
        except FileNotFoundError:
            if not left:
                raise
    crash_point("portal.upload_placed")
    for folder in (target.parent, target.parent.parent):
        sync_folder(folder)


def has_hash(file: Path, wanted: str) -> bool:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == wanted
    except (FileNotFoundError, NotADirectoryError):
        return False


def remove_uploads(public: Path, files: Iterable[str]) -> None:
    """Remove files below the public folder, and their folders if nothing else is in them."""
    for path in (public / file for file in files):
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
            sync_folder(path.parent.parent)
