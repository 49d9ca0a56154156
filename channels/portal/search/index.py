"""The words of every item that readers see, in a file that can be deleted: the index makes it anew.

A row's number is the microsecond at which its item was first published (or the next free one), so
"newest first" and "from this day to that" cost nothing, however many items there are.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from channels.portal.index.database import Database
from channels.portal.search.normalize import WORD, normalize_spelling, strip_marks
from channels.portal.search.query import SearchQuery, facet_token

LAYOUT_VERSION = 1
MATCHES_MAX = 1000
"""Nobody reads on behind this many; whoever has more asks more narrowly."""
BUSY_TIMEOUT_S = 2.0
PHRASE_STEPS, STEPS_PER_CALL = 5000, 100
"""How long phrases are looked for, title and text each, the newest items first: SQLite's steps, of
which a page it reads takes about three. Where 100,000 items hold every word, a third is looked at.
"""

_TABLES = f"""
BEGIN IMMEDIATE;
DROP TABLE IF EXISTS item;
DROP TABLE IF EXISTS words;
DROP TABLE IF EXISTS made;
DROP TABLE IF EXISTS making;
CREATE TABLE item (
    place INTEGER PRIMARY KEY,
    content_id TEXT NOT NULL UNIQUE,
    facts TEXT NOT NULL,
    text BLOB NOT NULL
);
CREATE TABLE made (edition TEXT NOT NULL);
CREATE TABLE making (edition TEXT NOT NULL, after TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (
    title, text, title_bare, text_bare, marks,
    content = '', tokenize = 'unicode61 remove_diacritics 0'
);
PRAGMA user_version = {LAYOUT_VERSION};
COMMIT;
"""
_WORDS = "rowid, title, text, title_bare, text_bare, marks"
_INSERT_SQL = f"INSERT INTO words ({_WORDS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 -- ours
_DELETE_SQL = f"INSERT INTO words (words, {_WORDS}) VALUES ('delete', ?, ?, ?, ?, ?, ?)"  # noqa: S608
_MATCH_SQL = """
SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?
"""
_BROWSE_SQL = "SELECT place FROM item WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """What an answer says of an item besides its text; times in ISO 8601, empty for never.

    `shelves`: further topics on whose shelves it stands. `audiences`: EVERYBODY for everybody.
    """

    title: str
    topic: str
    unit: str
    language: str
    published: str
    corrected: str = ""
    shelves: Sequence[str] = ()
    audiences: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SearchDocument:
    """An item as it is searched; `text` is plain and in NFC, `published_us` in microseconds."""

    content_id: str
    published_us: int
    facts: DocumentFacts
    text: str


@dataclass(frozen=True, slots=True)
class SearchMatches:
    """Every place that answers, best first, FOUND_MAX at most.

    `more`: there are others. `loose`: nothing has these marks, so they did not count.
    """

    places: tuple[int, ...]
    more: bool = False
    loose: bool = False


class SearchIndex(Database):
    """One connection to the file; writing is for whoever holds the folder's lock."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Raises sqlite3.Error, also for a file that a reader can't find."""
        mode = "ro" if readonly else "rwc"
        self._db = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            timeout=BUSY_TIMEOUT_S,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._db.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            self._db.close()
            raise
        self._path = path
        self._inode = path.stat().st_ino

    @property
    def is_current_file(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self._path.exists() and self._path.stat().st_ino == self._inode

    def complete_format_hash(self) -> str:
        """What `finish` was told; empty for a file that is not whole, or of another layout."""
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        found = (
            version == LAYOUT_VERSION and self._db.execute("SELECT edition FROM made").fetchone()
        )
        return str(found[0]) if found else ""

    def mark_complete(self, format_hash: str) -> None:
        """It holds everything there is."""
        self._db.execute("INSERT INTO made VALUES (?)", (format_hash,))
        self._db.execute("DELETE FROM making")

    def start_build(self, format_hash: str) -> None:
        """Begin anew, without items; `progress` says how far it is."""
        self.create_tables()
        self._db.execute("INSERT INTO making VALUES (?, '')", (format_hash,))

    def build_progress(self) -> tuple[str, str]:
        """What `begin` was told, and the id up to which it has all items; empty if not begun."""
        found = self._db.execute("SELECT edition, after FROM making").fetchone()
        return (str(found[0]), str(found[1])) if found else ("", "")

    def record_progress(self, after: str) -> None:
        """It holds everything up to this id."""
        self._db.execute("UPDATE making SET after = ?", (after,))

    def create_tables(self) -> None:
        """Begin anew, without items."""
        self._db.executescript(_TABLES)

    def put(self, documents: Iterable[SearchDocument]) -> None:
        """Have *papers* found, in place of what their items said before."""
        for paper in documents:
            self.remove([paper.content_id])
            place = self._next_free_place(paper.published_us)
            stored = json.dumps(asdict(paper.facts), ensure_ascii=False)
            text = zlib.compress(paper.text.encode(), 6)
            self._db.execute(
                "INSERT INTO item VALUES (?, ?, ?, ?)", (place, paper.content_id, stored, text)
            )
            self._db.execute(_INSERT_SQL, (place, *_columns(paper.facts, paper.text)))

    def remove(self, content_ids: Iterable[str]) -> None:
        """Let these be found no more."""
        for content_id in content_ids:
            found = self._db.execute("SELECT * FROM item WHERE content_id = ?", (content_id,))
            if row := found.fetchone():
                paper = _document(row)
                self._db.execute(_DELETE_SQL, (row[0], *_columns(paper.facts, paper.text)))
                self._db.execute("DELETE FROM item WHERE place = ?", (row[0],))

    def content_ids(self) -> list[str]:
        """Every item that can be found."""
        return [one for (one,) in self._db.execute("SELECT content_id FROM item")]

    def search(self, query: SearchQuery) -> SearchMatches:
        """Who answers: the words as a phrase in the title, then anywhere, then each of them.

        Where nearly every item holds all the words, only newer items are looked through for the
        phrase; older ones that have it stand among the rest.
        """
        found = self._search(query, ignore_marks=False)
        if not found.places and query.has_marks:
            found = self._search(query, ignore_marks=True)
        return found

    def documents(self, places: Iterable[int]) -> list[SearchDocument]:
        """The items at these places, in this order."""
        found = (self._db.execute("SELECT * FROM item WHERE place = ?", (at,)) for at in places)
        return [_document(row) for cursor in found for row in cursor]

    def _search(self, query: SearchQuery, *, ignore_marks: bool) -> SearchMatches:
        *phrases, words = query.fts_expressions(ignore_marks=ignore_marks)
        anywhere = list(self._places(words, query.span_us))
        places: dict[int, None] = {}
        for phrase in phrases if anywhere else ():
            places |= dict.fromkeys(self._places_within_limit(phrase, query.span_us))
        places |= dict.fromkeys(anywhere)
        return SearchMatches(tuple(places)[:MATCHES_MAX], len(places) > MATCHES_MAX, ignore_marks)

    def _places_within_limit(self, expression: str, span: tuple[int, int]) -> Iterator[int]:
        """Those that PHRASE_STEPS are enough to find."""
        steps = iter(range(PHRASE_STEPS // STEPS_PER_CALL))
        self._db.set_progress_handler(lambda: next(steps, None) is None, STEPS_PER_CALL)
        try:
            yield from self._places(expression, span)
        except sqlite3.OperationalError as stopped:
            if stopped.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
        finally:
            self._db.set_progress_handler(None, 0)

    def _places(self, expression: str, span: tuple[int, int]) -> Iterator[int]:
        asked = (expression, *span) if expression else span
        found = self._db.execute(
            _MATCH_SQL if expression else _BROWSE_SQL, (*asked, MATCHES_MAX + 1)
        )
        yield from (place for (place,) in found)

    def _next_free_place(self, place: int) -> int:
        while self._db.execute("SELECT 1 FROM item WHERE place = ?", (place,)).fetchone():
            place += 1
        return place


@contextmanager
def open_search_index(path: Path) -> Iterator[SearchIndex]:
    """The catalogue for one look. Raises sqlite3.Error."""
    with closing(SearchIndex(path, readonly=True)) as catalogue:
        yield catalogue


def _columns(facts: DocumentFacts, text: str) -> tuple[str, ...]:
    """An item's words as the catalogue has them, and its places: topics, unit, audiences."""
    evened = [" ".join(WORD.findall(normalize_spelling(part))) for part in (facts.title, text)]
    return (*evened, *map(strip_marks, evened), " ".join(_facet_tokens(facts)))


def _facet_tokens(facts: DocumentFacts) -> Iterator[str]:
    yield facet_token("t", facts.topic)
    yield facet_token("u", facts.unit)
    yield from (facet_token("t", topic) for topic in facts.shelves)
    yield from (facet_token("a", audience) for audience in facts.audiences)


def _document(row: tuple[int, str, str, bytes]) -> SearchDocument:
    place, content_id, facts, text = row
    return SearchDocument(
        content_id, place, DocumentFacts(**json.loads(facts)), zlib.decompress(text).decode()
    )
