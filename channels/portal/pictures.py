"""Pictures that the portal serves for others to fetch: `/anh/<hash>.jpg`, each for ever.

They belong to no page: neither the index nor a rebuild knows them. A name is its bytes' hash, so
that writing one again changes nothing, whoever does it.
"""

import asyncio
from hashlib import sha256
from pathlib import Path

from channels.errors import Unreachable
from channels.portal.files import Stage
from channels.portal.lock import Busy, alone
from channels.portal.writer import said

FOLDER = "anh"
PATIENCE_S = 5.0


class Pictures:
    """The pictures of the portal in *folder*; several processes may write them."""

    def __init__(self, folder: Path, patience_s: float = PATIENCE_S) -> None:
        self._public = folder / "public"
        self._state = folder / "pictures"
        self._patience_s = patience_s

    async def keep(self, jpeg: bytes) -> str:
        """Have it there for good; its path. Raises Unreachable when the disk can't take it."""
        path = f"{FOLDER}/{sha256(jpeg).hexdigest()}.jpg"
        try:
            await asyncio.to_thread(self._put, path, jpeg)
        except Busy:
            raise Unreachable("folder_busy") from None
        except OSError as error:
            raise Unreachable(said(error)) from error
        return path

    async def stands(self, path: str) -> bool:
        """Whether it is still there."""
        return await asyncio.to_thread((self._public / path).is_file)

    def _put(self, path: str, jpeg: bytes) -> None:
        aside = self._state / "aside"
        aside.mkdir(parents=True, exist_ok=True)
        self._public.mkdir(parents=True, exist_ok=True)
        with alone(self._state / "lock", self._patience_s):
            stage = Stage(self._public, aside)
            stage.put(path, jpeg)
            stage.swap()
