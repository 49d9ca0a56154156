"""Making the portal anew from publications, while it goes on being read and written.

    aside     a new index is made beside the old one; nobody waits, what is shown meanwhile is noted
    swap      what was noted is taken in, and the new index takes the old one's place: a moment
    write     every file is compared with the new index, and written where it differs: items first,
              then what points at them, some at a time, so that others can write in between
    clear     what the index knows nothing of is removed

Readers see every file old or new, never half; files that are the same stay untouched. Killed before
the swap, nothing has changed; killed in it or after it, the next writer goes on, bit by bit, or the
next rebuild does. Where there are no pages at all, everything is written at once, and writers wait.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from channels.portal import swap
from channels.portal.audit import Audit
from channels.portal.files import Stage, sync_folder
from channels.portal.glance import Glance
from channels.portal.index import LAYOUT, Index
from channels.portal.lock import alone
from channels.portal.press import Press
from channels.portal.search.keeper import CATALOGUE
from channels.portal.swap import INDEX
from channels.portal.work import Tell, nobody, sign, taken
from channels.portal.writer import LAID_OUT, LOCK, Writer
from contracts.publication import Publication

log = structlog.get_logger()
ONE_REBUILD = "rebuild.lock"


class Changes(NamedTuple):
    """What a rebuild has found to be different."""

    items: int = 0
    written: int = 0
    removed: int = 0


class Rebuild:
    """A new portal in the making. Take publications in, in any order, then `finish`.

    *tell* hears of what was done: items and places written.
    """

    def __init__(self, folder: Path, press: Press, patience_s: float, tell: Tell = nobody) -> None:
        self._folder, self._state = folder, folder / "state"
        self._aside = self._state / "rebuild"
        self._press, self._patience_s, self._tell = press, patience_s, tell
        self._empty()
        self._aside.mkdir()
        self._index = Index(self._aside / INDEX)
        self._index.lay_out()
        with alone(self._state / LOCK, patience_s):
            swap.carry_out(self._state)
            self._watched = self._watch()

    def take(self, publications: Iterable[Publication]) -> None:
        """Raises OSError or sqlite3.Error; then nothing has changed for readers."""
        with self._index.transaction():
            for one in publications:
                taken(self._index, self._press, one)

    def keep(self, publications: Sequence[Publication]) -> None:
        """Take those in that the old portal has shown, or was about to. Raises as `take`."""
        if publications:
            self.take(shown_by(self._state / INDEX, publications))

    def finish(self) -> Changes:
        """Put the new portal in place of the old one. Raises Busy, OSError, sqlite3.Error."""
        with alone(self._state / LOCK, self._patience_s):
            self._catch_up()
            items = self._index.items()
            self._swap()
        writer = Writer(self._folder, self._press, self._patience_s)
        try:
            self._write(writer)
            removed = self._clear()
            writer.forget()
        finally:
            writer.close()
        self._empty()
        return Changes(items, writer.written, removed)

    def close(self) -> None:
        self._index.close()

    def _watch(self) -> bool:
        """Have the old index note what is taken in from now on; False where nothing can be."""
        if old := self._old():
            with closing(old):
                old.watch()
        return old is not None

    def _catch_up(self) -> None:
        """What was shown since is known to the old index alone."""
        old = self._old() if self._watched else None
        if old:
            with closing(old):
                self.take([row.publication for row in old.meanwhile()])
                old.settle()

    def _old(self) -> Index | None:
        """The index that stands; None where there is none that can be read."""
        path = self._state / INDEX
        try:
            index = Index(path) if path.exists() else None
        except sqlite3.Error:
            return None  # it is no index: the reason for this rebuild
        if index and index.layout != LAYOUT:
            index.close()
            return None
        return index

    def _swap(self) -> None:
        stands = (self._folder / "public" / LAID_OUT).exists()
        with self._index.transaction():
            self._index.all_to_do(self._press.everything(self._index), old_print=stands)
            sign(self._index, self._press)
        self._index.close()
        self._lay_out()
        for left in () if self._watched else self._state.glob(f"{CATALOGUE}*"):
            left.unlink()
        swap.name(self._aside / INDEX, self._state)
        swap.carry_out(self._state)

    def _lay_out(self) -> None:
        """What every site has: pages that are written next point at it."""
        public, aside = self._folder / "public", self._state / "aside"
        for folder in (public, aside):
            folder.mkdir(exist_ok=True)
        stage = Stage(public, aside)
        for path, body in self._press.fixed_files():
            stage.put(path, body)
        stage.swap()

    def _write(self, writer: Writer) -> None:
        writer.prepare(tell=self._tell)
        items, places = writer.waiting()
        while (done := writer.refresh()).any:
            self._tell("items", len(done.rows), items)
            self._tell("places", len(done.places), places)

    def _clear(self) -> int:
        """Remove what nobody stands for; what somebody has written meanwhile has a reason."""
        audit, public = Audit(self._folder, self._press), self._folder / "public"
        with closing(audit.glance()) as glance:
            suspects = [one.path for one in audit.strays(glance)]
        with alone(self._state / LOCK, self._patience_s), closing(audit.glance()) as glance:
            strays = [path for path in suspects if not audit.belongs(path, glance)]
            for path in strays:
                (public / path).unlink(missing_ok=True)
        for folder in {(public / path).parent for path in strays}:
            sync_folder(folder)
        return len(strays)

    def _empty(self) -> None:
        if self._aside.exists():
            shutil.rmtree(self._aside)


@contextmanager
def rebuilding(
    folder: Path, press: Press, patience_s: float, tell: Tell = nobody
) -> Iterator[Rebuild]:
    """Make the portal anew. Raises Busy while somebody else does, or a writer holds the folder."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    with alone(folder / "state" / ONE_REBUILD, patience_s):
        rebuild = Rebuild(folder, press, patience_s, tell)
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
