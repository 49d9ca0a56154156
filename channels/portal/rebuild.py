"""Making the portal anew: beside itself, from publications, then put in place file by file.

Readers see every file old or new, never half; files that are the same stay untouched. Until
`finish` nothing has changed for them. Killed within it, some files are new and others old, and the
index is the old one, or lost. Only the next rebuild finishes that: a writer trusts the index, and
leaves alone what it does not name as undone.
"""

import os
import shutil
import sqlite3
from collections.abc import Container, Iterable, Iterator, Sequence
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
from channels.portal.work import Tell, nobody
from channels.portal.writer import INDEX, LOCK, Writer
from contracts.publication import Publication

log = structlog.get_logger()
OURS = FOLDERS
"""Elsewhere an operator may keep files."""
CANARY = Path(CANARY_PATH[1:])


class Changes(NamedTuple):
    """What a rebuild has found to be different."""

    items: int = 0
    written: int = 0
    removed: int = 0


class Rebuild:
    """A new portal in the making. Take publications in, in any order, then `finish`.

    *tell* hears of what was done: items and places written, files put in place.
    """

    def __init__(self, folder: Path, press: Press, tell: Tell = nobody) -> None:
        self._folder = folder
        self._aside = folder / "state" / "rebuild"
        self._tell = tell
        self._empty()
        self._writer = Writer(self._aside, press, patience_s=0.0, lasting=False)
        self._writer.prepare()

    def take(self, publications: Iterable[Publication]) -> None:
        """Raises OSError, sqlite3.Error or Unfinished; then nothing has changed for readers."""
        publications = list(publications)
        self._writer.take(publications)

    def keep(self, publications: Sequence[Publication]) -> None:
        """Take those in that the old portal has shown, or was about to. Raises as `take`."""
        if publications:
            self.take(shown_by(self._folder / "state" / INDEX, publications))

    def finish(self) -> Changes:
        """Put the new portal in place of the old one."""
        self._writer.finish(self._tell)
        items = self._writer.items()
        self._writer.close()
        os.sync()  # nothing was synced one by one
        public, new = self._folder / "public", self._aside / "public"
        written = removed = 0
        for path in files(new):
            written += put_in_place(new / path, public / path, self._aside / "beside.tmp")
            self._tell("files", 1, 0)
        for path in files(public):
            if path.parts[0] in OURS and path != CANARY and not (new / path).exists():
                (public / path).unlink()
                removed += 1
        os.sync()
        self._take_index()
        self._empty()
        return Changes(items, written, removed)

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
def rebuilding(
    folder: Path, press: Press, patience_s: float, tell: Tell = nobody
) -> Iterator[Rebuild]:
    """Hold the portal's lock and make it anew. Raises Busy; deliveries wait meanwhile."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    with alone(folder / "state" / LOCK, patience_s):
        rebuild = Rebuild(folder, press, tell)
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
    """Paths below *root*, one folder in memory at a time: nothing may point at what is not there.

    So items come first, then feeds, then pages that list; and what lies deeper, archives of feeds
    and months of pages, before what lies above it.
    """
    first = [name for name in OURS if (root / name).is_dir()]
    for name in first:
        yield from (path.relative_to(root) for path in _below(root / name))
    for path in _below(root, {root / name for name in first}):
        yield path.relative_to(root)


def _below(folder: Path, but: Container[Path] = ()) -> Iterator[Path]:
    """The files of a folder, those of its folders first."""
    own = []
    with os.scandir(folder) as found:
        for entry in found:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False) and path not in but:
                yield from _below(path)
            elif entry.is_file():
                own.append(path)
    yield from sorted(own)


def put_in_place(new: Path, old: Path, beside: Path) -> bool:
    """Whether the file had to be replaced. *new* stays where it is, so that one can see what came.

    *beside* is nobody's file on the same file system.
    """
    if holds(old, new.read_bytes()):
        return False
    old.parent.mkdir(parents=True, exist_ok=True)
    beside.unlink(missing_ok=True)
    try:
        beside.hardlink_to(new)
    except OSError:  # a file system without hard links
        shutil.copyfile(new, beside)
    beside.replace(old)
    return True
