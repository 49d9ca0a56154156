"""Keeps the catalogue beside the index: whoever writes an item's page has its words found, too."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import structlog

from channels.portal.files import sync_folder
from channels.portal.index import Index, Row
from channels.portal.search.catalogue import Catalogue, Paper
from channels.portal.search.paper import EDITION
from channels.portal.site import Site

log = structlog.get_logger()
CATALOGUE, NEXT = "search.sqlite", "search.sqlite.next"
CHUNK = 100
"""So many items are learnt at once, while others wait for the folder."""


class Keeper:
    """The catalogue's one writer, for whoever holds the folder's lock.

    *paper* is what a row says, None for an item that was withdrawn. A file that is missing, broken
    or of another edition is made anew from the index, some items at a time: nothing is only here.
    That happens in another file, so that searches find all that they found until it is whole.
    """

    def __init__(self, folder: Path, site: Site, paper: Callable[[Row], Paper | None]) -> None:
        self._path, self._next = Kept(folder / CATALOGUE), Kept(folder / NEXT)
        self._paper = paper
        learnt = f"{EDITION} {site.vocabulary.model_dump_json()}"
        self._edition = sha256(learnt.encode()).hexdigest()

    def close(self) -> None:
        self._path.close()
        self._next.close()

    def ready(self) -> None:
        """Begin another catalogue where this one is not right. Raises sqlite3.Error, OSError."""
        if self._made() == self._edition or self._making()[0] == self._edition:
            return
        self._next.throw_away()
        self._next.open().begin(self._edition)

    def renew(self, index: Index) -> int:
        """Go on with the one that was begun; how many items it has learnt. Raises as `ready`."""
        edition, after = self._making()
        if edition != self._edition:
            return 0
        rows = index.rows(after, CHUNK)
        catalogue = self._next.open()
        with catalogue.transaction():
            self._learn(catalogue, [row for _, row in rows])
            if rows:
                catalogue.advance(rows[-1][0])
        if len(rows) < CHUNK:
            self._swap(catalogue)
        return len(rows)

    def learn(self, rows: Sequence[Row]) -> None:
        """Have *rows* found as they are now. Raises sqlite3.Error, OSError."""
        for catalogue in self._both():
            with catalogue.transaction():
                self._learn(catalogue, rows)

    def forget_others(self, index: Index) -> None:
        """Drop what the index does not have. Raises sqlite3.Error, OSError."""
        for catalogue in self._both():
            gone = [one for one in catalogue.ids() if not index.revision(one)]
            with catalogue.transaction():
                catalogue.drop(gone)

    def _learn(self, catalogue: Catalogue, rows: Sequence[Row]) -> None:
        for row in rows:
            if paper := self._paper(row):
                catalogue.put([paper])
            else:
                catalogue.drop([row.publication.content_id])

    def _both(self) -> Iterator[Catalogue]:
        """The one that is searched, if it is whole, and the one that is being made."""
        if self._made():
            yield self._path.open()
        if self._making()[0]:
            yield self._next.open()

    def _made(self) -> str:
        """The edition of the one that is searched; empty where none is whole."""
        try:
            return self._path.open().edition() if self._path.exists() else ""
        except sqlite3.DatabaseError as broken:
            self._path.damaged(broken)
            return ""

    def _making(self) -> tuple[str, str]:
        try:
            return self._next.open().progress() if self._next.exists() else ("", "")
        except sqlite3.DatabaseError as broken:
            self._next.damaged(broken)
            return "", ""

    def _swap(self, made: Catalogue) -> None:
        """The new one is whole: from here on it is the one that is searched."""
        made.finish(self._edition)
        if not self._made():
            self._path.throw_away()  # and the journal, which is not the new one's
        self.close()
        self._next.move_to(self._path)
        log.info("search_catalogue_made")


class Kept:
    """A catalogue's file, opened when it is needed; anew where somebody has put another there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: Catalogue | None = None

    def exists(self) -> bool:
        return self._path.exists()

    def close(self) -> None:
        if self._opened:
            self._opened.close()
            self._opened = None

    def open(self) -> Catalogue:
        """Raises sqlite3.Error."""
        if self._opened is not None and not self._opened.stands:
            self.close()
        if self._opened is None:
            self._opened = Catalogue(self._path)
        return self._opened

    def move_to(self, other: "Kept") -> None:
        self._path.replace(other._path)
        sync_folder(self._path.parent)

    def throw_away(self) -> None:
        self.close()
        for left in (self._path, self._path.with_name(f"{self._path.name}-journal")):
            left.unlink(missing_ok=True)

    def damaged(self, broken: sqlite3.DatabaseError) -> None:
        """A damaged file goes; raises *broken* for trouble that passes, as a full disk does."""
        if isinstance(broken, sqlite3.OperationalError) and not _unknown(broken):
            raise broken
        log.error("search_catalogue_broken", error=type(broken).__name__)
        self.throw_away()


def _unknown(broken: sqlite3.OperationalError) -> bool:
    """Whether it is a file of ours at all: one without our tables is not."""
    return broken.sqlite_errorcode == sqlite3.SQLITE_ERROR
