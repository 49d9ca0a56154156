"""Full-text index of all shown items, in a file that can be rebuilt from the portal's index.

A row's id is the microsecond at which its item was first published, or the next free one. So
sorting by age and filtering by days are cheap for any number of items.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from channels.portal.index.database import Database
from channels.portal.search.normalize import WORD, normalize_spelling, strip_marks
from channels.portal.search.query import SearchQuery, facet_token

_LAYOUT_VERSION = 1
MATCHES_MAX = 1000
"""Results are cut after so many matches; narrower queries find the rest."""
_BUSY_TIMEOUT_S = 2.0
PHRASE_STEPS, STEPS_PER_CALL = 5000, 100
"""Limit of SQLite's steps for a phrase search in titles or texts, newest items first. A page read
takes about three steps; with 100,000 items that have every word, a third of them is searched.
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
PRAGMA user_version = {_LAYOUT_VERSION};
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
    """Facts of an item in search results besides its text; times in ISO 8601 or empty.

    `shelves`: other topics whose listings have the item. `audiences`: EVERY_AUDIENCE for all.
    `names`: those of topic and unit, found like words of the text.
    """

    title: str
    topic: str
    unit: str
    language: str
    published: str
    corrected: str = ""
    shelves: Sequence[str] = ()
    audiences: Sequence[str] = ()
    names: str = ""


@dataclass(frozen=True, slots=True)
class SearchDocument:
    """An item in the search index; `text` is plain text in NFC."""

    content_id: str
    published_us: int
    facts: DocumentFacts
    text: str


class PreparedDocument(NamedTuple):
    """A search document as the index stores it."""

    content_id: str
    published_us: int
    facts_json: str
    packed_text: bytes
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchMatches:
    """Row ids of the matches, best first, MATCHES_MAX at most.

    `more`: there are more matches. `loose`: no match has the query's marks, so they were ignored.
    """

    places: tuple[int, ...]
    more: bool = False
    loose: bool = False


class SearchIndex(Database):
    """One connection to the index; writes need the folder's lock."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Open the file. Raises sqlite3.Error, also when *readonly* and the file is missing."""
        query = "mode=ro" if readonly else "mode=rwc"
        statement = "PRAGMA synchronous = FULL"
        super().__init__(path, statement, query=query, timeout_s=_BUSY_TIMEOUT_S)

    def complete_format_hash(self) -> str:
        """Format hash of a complete index; empty if incomplete or of another layout."""
        if self._value("PRAGMA user_version") != _LAYOUT_VERSION:
            return ""
        return str(self._value("SELECT edition FROM made") or "")

    def mark_complete(self, format_hash: str) -> None:
        self._db.execute("INSERT INTO made VALUES (?)", (format_hash,))
        self._db.execute("DELETE FROM making")

    def start_build(self, format_hash: str) -> None:
        """Start an empty index; `build_progress` returns its progress."""
        self.create_tables()
        self._db.execute("INSERT INTO making VALUES (?, '')", (format_hash,))

    def build_progress(self) -> tuple[str, str]:
        """Format hash and last indexed id of a build in progress; empty without one."""
        row = self._db.execute("SELECT edition, after FROM making").fetchone()
        return (str(row[0]), str(row[1])) if row else ("", "")

    def record_progress(self, after: str) -> None:
        """Record that all items up to id *after* are indexed."""
        self._db.execute("UPDATE making SET after = ?", (after,))

    def create_tables(self) -> None:
        self._db.executescript(_TABLES)

    def put(self, documents: Iterable[SearchDocument]) -> None:
        """Index *documents* in place of earlier ones of the same items."""
        self.put_prepared(map(prepare_document, documents))

    def put_prepared(self, documents: Iterable[PreparedDocument]) -> None:
        """As `put`, with the work done that needs no index."""
        for document in documents:
            self.remove([document.content_id])
            place = self._next_free_place(document.published_us)
            values = (place, document.content_id, document.facts_json, document.packed_text)
            self._db.execute("INSERT INTO item VALUES (?, ?, ?, ?)", values)
            self._db.execute(_INSERT_SQL, (place, *document.columns))

    def remove(self, content_ids: Iterable[str]) -> None:
        for content_id in content_ids:
            rows = self._db.execute("SELECT * FROM item WHERE content_id = ?", (content_id,))
            if row := rows.fetchone():
                document = _document(row)
                self._db.execute(_DELETE_SQL, (row[0], *_columns(document.facts, document.text)))
                self._db.execute("DELETE FROM item WHERE place = ?", (row[0],))

    def search(self, query: SearchQuery) -> SearchMatches:
        """Find matches: the words as a phrase in titles, then anywhere, then each word.

        Where nearly every item has all words, only newer items are searched for the phrase; older
        items with the phrase rank with the rest.
        """
        matches = self._search(query, ignore_marks=False)
        if not matches.places and query.has_marks:
            matches = self._search(query, ignore_marks=True)
        return matches

    def newest(self, limit: int) -> list[SearchDocument]:
        """The newest items, newest first."""
        rows = self._db.execute(_BROWSE_SQL, (0, 1 << 62, limit))
        return self.documents([place for (place,) in rows])

    def documents(self, places: Iterable[int]) -> list[SearchDocument]:
        """Documents of these rows, in this order."""
        sql = "SELECT * FROM item WHERE place = ?"
        return [_document(row) for place in places for row in self._db.execute(sql, (place,))]

    def _search(self, query: SearchQuery, *, ignore_marks: bool) -> SearchMatches:
        *phrases, words = query.fts_expressions(ignore_marks=ignore_marks)
        word_matches = list(self._places(words, query.span_us))
        places: dict[int, None] = {}
        for phrase in phrases if word_matches else ():
            places |= dict.fromkeys(self._places_within_limit(phrase, query.span_us))
        places |= dict.fromkeys(word_matches)
        return SearchMatches(tuple(places)[:MATCHES_MAX], len(places) > MATCHES_MAX, ignore_marks)

    def _places_within_limit(self, expression: str, span: tuple[int, int]) -> Iterator[int]:
        """Matches that are found within PHRASE_STEPS."""
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
        sql, params = (_MATCH_SQL, (expression, *span)) if expression else (_BROWSE_SQL, span)
        yield from (place for (place,) in self._db.execute(sql, (*params, MATCHES_MAX + 1)))

    def _next_free_place(self, place: int) -> int:
        while self._value("SELECT 1 FROM item WHERE place = ?", place):
            place += 1
        return place


def open_search_index(path: Path) -> closing[SearchIndex]:
    """Open the index for one query. Raises sqlite3.Error."""
    return closing(SearchIndex(path, readonly=True))


def prepare_document(document: SearchDocument) -> PreparedDocument:
    return PreparedDocument(
        document.content_id,
        document.published_us,
        json.dumps(asdict(document.facts), ensure_ascii=False),
        zlib.compress(document.text.encode(), 6),
        _columns(document.facts, document.text),
    )


def _columns(facts: DocumentFacts, text: str) -> tuple[str, ...]:
    """The indexed columns of an item: its words, and its facets."""
    columns = facts.title, f"{text} {facts.names}"
    normalized = [" ".join(WORD.findall(normalize_spelling(part))) for part in columns]
    facets = [("t", facts.topic), ("u", facts.unit), *(("t", id) for id in facts.shelves)]
    facets += [("a", id) for id in facts.audiences]
    tokens = (facet_token(kind, id) for kind, id in facets)
    return (*normalized, *map(strip_marks, normalized), " ".join(tokens))


def _document(row: tuple[int, str, str, bytes]) -> SearchDocument:
    place, content_id, stored, packed = row
    facts, text = DocumentFacts(**json.loads(stored)), zlib.decompress(packed).decode()
    return SearchDocument(content_id, place, facts, text)
