"""Pictures that the portal serves for others to fetch: `/anh/<hash>.jpg`, until nobody shows them.

They belong to no page: neither the index nor a rebuild knows them. A name is its bytes' hash, so
that writing one again changes nothing but its age, whoever does it.
"""

import asyncio
import os
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from channels.errors import Unreachable
from channels.portal.errors import FolderBusy, error_reason
from channels.portal.storage.atomic_files import StagedFiles
from channels.portal.storage.lock import folder_lock

T = TypeVar("T")
PICTURES_FOLDER = "anh"
LOCK_TIMEOUT_S = 5.0


class PictureStore:
    """The pictures of the portal in *folder*; several processes may write them."""

    def __init__(self, folder: Path, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self._public = folder / "public"
        self._state = folder / "pictures"
        self._lock_timeout_s = lock_timeout_s

    async def save(self, jpeg: bytes) -> str:
        """Have it there until `clear` removes it; its path.

        Raises Unreachable when the disk can't take it.
        """
        path = f"{PICTURES_FOLDER}/{sha256(jpeg).hexdigest()}.jpg"
        await self._in_thread(partial(self._save, path, jpeg))
        return path

    async def remove_unused(self, used: Container[str], before: float) -> int:
        """Remove what is not *shown* and was last handed in before that moment; how many it were.

        Raises Unreachable.
        """
        gone = await self._in_thread(partial(self._remove_unused, used, before))
        return len(gone)

    async def paths(self) -> list[str]:
        """Every picture that is there."""
        return await asyncio.to_thread(self._paths)

    async def exists(self, path: str) -> bool:
        """Whether it is still there."""
        return await asyncio.to_thread((self._public / path).is_file)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except FolderBusy:
            raise Unreachable("folder_busy") from None
        except OSError as error:
            raise Unreachable(error_reason(error)) from error

    def _save(self, path: str, jpeg: bytes) -> None:
        with self._locked_files() as stage:
            stage.stage(path, jpeg)
            stage.commit()
            os.utime(self._public / path)  # somebody is about to show it

    def _remove_unused(self, used: Container[str], before: float) -> list[str]:
        with self._locked_files() as stage:
            old = [
                path for path in self._paths() if path not in used and self._modified(path) < before
            ]
            for path in old:
                stage.stage(path, None)
            stage.commit()
            return old

    def _paths(self) -> list[str]:
        return [
            f"{PICTURES_FOLDER}/{file.name}"
            for file in (self._public / PICTURES_FOLDER).glob("*.jpg")
        ]

    def _modified(self, path: str) -> float:
        return (self._public / path).stat().st_mtime

    @contextmanager
    def _locked_files(self) -> Iterator[StagedFiles]:
        aside = self._state / "aside"
        aside.mkdir(parents=True, exist_ok=True)
        self._public.mkdir(parents=True, exist_ok=True)
        with folder_lock(self._state / "lock", self._lock_timeout_s):
            yield StagedFiles(self._public, aside)
