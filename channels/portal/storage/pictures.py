"""Pictures for other services to fetch from the portal, as `/anh/<hash>.jpg`.

Neither the index nor a rebuild knows them. A picture's name is the hash of its bytes, so that
saving it again only renews its age.
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
from channels.portal.model.cover import PICTURES_FOLDER
from channels.portal.storage.atomic_files import StagedFiles
from channels.portal.storage.lock import folder_lock

T = TypeVar("T")
_LOCK_TIMEOUT_S = 5.0


class PictureStore:
    """The pictures of the portal in *folder*, which several processes may write."""

    def __init__(self, folder: Path, lock_timeout_s: float = _LOCK_TIMEOUT_S) -> None:
        self._public = folder / "public"
        self._state = folder / "pictures"
        self._lock_timeout_s = lock_timeout_s

    async def save(self, jpeg: bytes) -> str:
        """Save a picture until `remove_unused` removes it; return its path.

        Raises Unreachable when the disk refuses it.
        """
        path = f"{PICTURES_FOLDER}/{sha256(jpeg).hexdigest()}.jpg"
        await self._in_thread(partial(self._save, path, jpeg))
        return path

    async def remove_unused(self, used: Container[str], before: float) -> int:
        """Remove pictures not in *used* and last saved before *before*; return their number.

        Raises Unreachable.
        """
        return await self._in_thread(partial(self._remove_unused, used, before))

    async def paths(self) -> list[str]:
        return await asyncio.to_thread(self._paths)

    async def exists(self, path: str) -> bool:
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
            os.utime(self._public / path)  # it is about to be used: keep it from `remove_unused`

    def _remove_unused(self, used: Container[str], before: float) -> int:
        with self._locked_files() as stage:
            unused = [path for path in self._paths() if path not in used]
            old = [path for path in unused if (self._public / path).stat().st_mtime < before]
            stage.stage_all((path, None) for path in old)
            stage.commit()
            return len(old)

    def _paths(self) -> list[str]:
        files = (self._public / PICTURES_FOLDER).glob("*.jpg")
        return [f"{PICTURES_FOLDER}/{file.name}" for file in files]

    @contextmanager
    def _locked_files(self) -> Iterator[StagedFiles]:
        aside = self._state / "aside"
        aside.mkdir(parents=True, exist_ok=True)
        self._public.mkdir(parents=True, exist_ok=True)
        with folder_lock(self._state / "lock", self._lock_timeout_s):
            yield StagedFiles(self._public, aside)
