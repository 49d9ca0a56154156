"""Making the portal anew: beside itself, from publications, then put in place file by file.

Readers see every file old or new, never half; files that are the same stay untouched. Killed before
the end, the old portal stands, or says that its index is lost: then it is to be rebuilt again.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from channels.portal.files import holds, sync_folder
from channels.portal.lock import alone
from channels.portal.press import Press
from channels.portal.site import CANARY_PATH
from channels.portal.writer import INDEX, LOCK, Writer
from contracts.publication import Publication

OURS = ("tin", "nguon-tin")
"""Folders in which every file is the portal's; elsewhere an operator may keep files."""


class Changes(NamedTuple):
    """What a rebuild has found to be different."""

    items: int = 0
    written: int = 0
    removed: int = 0


class Rebuild:
    """A new portal in the making. Take publications in, in any order, then `finish`."""

    def __init__(self, folder: Path, press: Press) -> None:
        self._folder = folder
        self._aside = folder / "state" / "rebuild"
        self._press = press
        self._items: set[str] = set()
        self._empty()
        self._writer = Writer(self._aside, press, patience_s=0.0)
        self._writer.prepare()

    def take(self, publications: Iterable[Publication]) -> None:
        """Raises OSError, sqlite3.Error or Unfinished; then nothing has changed for readers."""
        publications = list(publications)
        self._writer.take(publications)
        self._items |= {one.content_id for one in publications}

    def finish(self) -> Changes:
        """Put the new portal in place of the old one."""
        self._writer.finish()
        self._writer.close()
        public, new = self._folder / "public", self._aside / "public"
        standing = list(files(new))
        moved = [path for path in standing if put_in_place(new / path, public / path)]
        others = set(files(public)).difference(standing, [Path(CANARY_PATH[1:])])
        removed = [path for path in others if path.parts[0] in OURS]
        for path in removed:
            (public / path).unlink()
        for folder in {above for path in (*moved, *removed) for above in path.parents}:
            sync_folder(public / folder)
        self._take_index()
        self._empty()
        return Changes(len(self._items), len(moved), len(removed))

    def close(self) -> None:
        self._writer.close()

    def _take_index(self) -> None:
        """The old one goes first: pages without an index are refused, a wrong index is not."""
        state = self._folder / "state"
        for left in state.glob(f"{INDEX}*"):
            left.unlink()
        (self._aside / "state" / INDEX).replace(state / INDEX)
        sync_folder(state)

    def _empty(self) -> None:
        if self._aside.exists():
            shutil.rmtree(self._aside)


@contextmanager
def rebuilding(folder: Path, press: Press, patience_s: float) -> Iterator[Rebuild]:
    """Hold the portal's lock and make it anew. Raises Busy; deliveries wait meanwhile."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    with alone(folder / "state" / LOCK, patience_s):
        rebuild = Rebuild(folder, press)
        try:
            yield rebuild
        finally:
            rebuild.close()


def files(root: Path) -> Iterator[Path]:
    """Paths below *root*: items first, since nothing may point at what is not there yet."""
    found = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return iter(sorted(found, key=lambda path: (path.parts[0] != OURS[0], path)))


def put_in_place(new: Path, old: Path) -> bool:
    """Whether the file had to be replaced."""
    if holds(old, new.read_bytes()):
        return False
    old.parent.mkdir(parents=True, exist_ok=True)
    new.replace(old)
    return True
