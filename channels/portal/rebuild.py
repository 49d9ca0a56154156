"""Making the portal anew: beside itself, from publications, then put in place file by file.

Readers see every file old or new, never half; files that are the same stay untouched. Until
`finish` nothing has changed for them. Killed within it, some files are new and others old, and the
index is the old one, or lost. Only the next rebuild finishes that: a writer trusts the index, and
leaves alone what it does not name as undone.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from channels.portal.audit import FOLDERS
from channels.portal.files import holds, sync_folder
from channels.portal.glance import Glance
from channels.portal.lock import alone
from channels.portal.press import Press
from channels.portal.search.keeper import CATALOGUE
from channels.portal.site import CANARY_PATH
from channels.portal.writer import INDEX, LOCK, Writer
from contracts.publication import Publication

log = structlog.get_logger()
OURS = FOLDERS
"""Elsewhere an operator may keep files."""


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

    def keep(self, publications: Sequence[Publication]) -> None:
        """Take those in that the old portal has shown, or was about to. Raises as `take`."""
        if publications:
            self.take(shown_by(self._folder / "state" / INDEX, publications))

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
        for name in (CATALOGUE, INDEX):
            (self._aside / "state" / name).replace(state / name)
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


def shown_by(index: Path, publications: Sequence[Publication]) -> list[Publication]:
    """Those of which *index* says that readers see, or saw, them; none where it can't be read."""
    if not index.exists():
        return []
    try:
        with closing(Glance(index)) as old:
            return [
                one
                for one in publications
                if old.revision(one.content_id) == one.revision
                or old.was_shown(one.content_id, one.revision)
            ]
    except sqlite3.Error as broken:
        log.warning("portal_index_unreadable", error=type(broken).__name__)
        return []


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
