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
from channels.portal.files import Stage
from channels.portal.lock import Busy, alone
from channels.portal.work import said

T = TypeVar("T")
FOLDER = "anh"
PATIENCE_S = 5.0


class Pictures:
    """The pictures of the portal in *folder*; several processes may write them."""

    def __init__(self, folder: Path, patience_s: float = PATIENCE_S) -> None:
        self._public = folder / "public"
        self._state = folder / "pictures"
        self._patience_s = patience_s

    async def keep(self, jpeg: bytes) -> str:
        """Have it there until `clear` removes it; its path.

        Raises Unreachable when the disk can't take it.
        """
        path = f"{FOLDER}/{sha256(jpeg).hexdigest()}.jpg"
        await self._carefully(partial(self._put, path, jpeg))
        return path

    async def clear(self, shown: Container[str], before: float) -> int:
        """Remove what is not *shown* and was last handed in before that moment; how many it were.

        Raises Unreachable.
        """
        gone = await self._carefully(partial(self._clear, shown, before))
        return len(gone)

    async def paths(self) -> list[str]:
        """Every picture that is there."""
        return await asyncio.to_thread(self._paths)

    async def stands(self, path: str) -> bool:
        """Whether it is still there."""
        return await asyncio.to_thread((self._public / path).is_file)

    async def _carefully(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except Busy:
            raise Unreachable("folder_busy") from None
        except OSError as error:
            raise Unreachable(said(error)) from error

    def _put(self, path: str, jpeg: bytes) -> None:
        with self._alone() as stage:
            stage.put(path, jpeg)
            stage.swap()
            os.utime(self._public / path)  # somebody is about to show it

    def _clear(self, shown: Container[str], before: float) -> list[str]:
        with self._alone() as stage:
            old = [path for path in self._paths() if path not in shown and self._at(path) < before]
            for path in old:
                stage.put(path, None)
            stage.swap()
            return old

    def _paths(self) -> list[str]:
        return [f"{FOLDER}/{file.name}" for file in (self._public / FOLDER).glob("*.jpg")]

    def _at(self, path: str) -> float:
        return (self._public / path).stat().st_mtime

    @contextmanager
    def _alone(self) -> Iterator[Stage]:
        aside = self._state / "aside"
        aside.mkdir(parents=True, exist_ok=True)
        self._public.mkdir(parents=True, exist_ok=True)
        with alone(self._state / "lock", self._patience_s):
            yield Stage(self._public, aside)
