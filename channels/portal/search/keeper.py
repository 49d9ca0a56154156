"""Keeps the catalogue beside the index: whoever writes an item's page has its words found, too."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import structlog

from channels.portal.index import Index, Row
from channels.portal.search.catalogue import Catalogue, Paper
from channels.portal.site import Site

log = structlog.get_logger()
CATALOGUE = "search.sqlite"
CHUNK = 500


class Keeper:
    """The catalogue's one writer, for whoever holds the folder's lock.

    *paper* is what a row says, None for an item that was withdrawn. A file that is missing, broken
    or of another edition is made anew from the index: nothing is only here.
    """

    def __init__(self, path: Path, site: Site, paper: Callable[[Row], Paper | None]) -> None:
        self._path = path
        self._paper = paper
        self._edition = sha256(site.vocabulary.model_dump_json().encode()).hexdigest()
        self._catalogue: Catalogue | None = None

    def close(self) -> None:
        if self._catalogue:
            self._catalogue.close()
            self._catalogue = None

    def ready(self, index: Index) -> None:
        """Have everything in the catalogue that the index shows. Raises sqlite3.Error, OSError."""
        try:
            if self._open().edition() == self._edition:
                return
        except sqlite3.DatabaseError as broken:
            self._throw_away(broken)
        self._open().lay_out()
        for rows in every(index):
            self.learn(rows)
        self._open().finish(self._edition)
        log.info("search_catalogue_made")

    def learn(self, rows: Sequence[Row]) -> None:
        """Have *rows* found as they are now. Raises sqlite3.Error."""
        catalogue = self._open()
        with catalogue.transaction():
            for row in rows:
                if paper := self._paper(row):
                    catalogue.put([paper])
                else:
                    catalogue.drop([row.publication.content_id])

    def forget_others(self, index: Index) -> None:
        """Drop what the index does not have. Raises sqlite3.Error."""
        catalogue = self._open()
        gone = [one for one in catalogue.ids() if not index.revision(one)]
        with catalogue.transaction():
            catalogue.drop(gone)

    def _open(self) -> Catalogue:
        if self._catalogue is not None and not self._catalogue.stands:
            self.close()  # a rebuild has put another one there
        if self._catalogue is None:
            self._catalogue = Catalogue(self._path)
        return self._catalogue

    def _throw_away(self, broken: sqlite3.DatabaseError) -> None:
        """A damaged file goes; raises *broken* for trouble that passes, as a full disk does."""
        if isinstance(broken, sqlite3.OperationalError) and self._path.exists():
            raise broken
        log.error("search_catalogue_broken", error=type(broken).__name__)
        self.close()
        for left in (self._path, self._path.with_name(f"{self._path.name}-journal")):
            left.unlink(missing_ok=True)


def every(index: Index) -> Iterator[list[Row]]:
    """Every row of the index, some at a time."""
    after = ""
    while rows := index.rows(after, CHUNK):
        yield [row for _, row in rows]
        after = rows[-1][0]
