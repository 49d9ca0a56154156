"""Items whose texts are nearly the same as another: candidates by shared hashes, then compared."""

import sqlite3
from collections.abc import Mapping

from consumers.desk.index import queries
from consumers.desk.index.sketches import Sketch, keys_of, share, unpack
from contracts.desk.index import NearItem, NearWanted

_OF_ONE_HASH = 300
"""Items of one hash that are looked at: a phrase that more have says nothing."""
_COMPARED = 60
_SHARED_MIN = 2
_SHARE_MIN = 0.5
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM shingle WHERE hash = ? LIMIT ?)"
_WITH_HASHES = """
SELECT seq FROM shingle WHERE hash IN ({}) GROUP BY seq HAVING count(*) >= ?
ORDER BY count(*) DESC, seq DESC LIMIT ?
"""


def find_near(
    db: sqlite3.Connection, sketch: Sketch, wanted: NearWanted, now_us: int
) -> list[NearItem]:
    """The items most like a text, of those that one of the filters lets through."""
    if not (shares := _shares(db, sketch)):
        return []
    rows = {
        row.content_id: row
        for one in wanted.among
        for row in queries.find_among(db, one, shares, now_us)
        if row.content_id != wanted.content_id
    }
    near = [NearItem(row, shares[row.seq]) for row in rows.values()]
    return sorted(near, key=lambda one: -one.share)[: wanted.limit]


def _shares(db: sqlite3.Connection, sketch: Sketch) -> Mapping[int, float]:
    """How much of the text each item has that has enough of it, by its row."""
    telling = [hash for hash in keys_of(sketch) if _is_rare(db, hash)]
    least = min(_SHARED_MIN, len(sketch))
    marks = ", ".join("?" * len(telling))
    likely = db.execute(_WITH_HASHES.format(marks), (*telling, least, _COMPARED)).fetchall()
    seqs = ", ".join(str(seq) for (seq,) in likely)
    sql = f"SELECT seq, sketch FROM detail WHERE seq IN ({seqs})"  # noqa: S608 -- numbers
    shares = {seq: share(sketch, unpack(packed)) for seq, packed in db.execute(sql)}
    return {seq: one for seq, one in shares.items() if one >= _SHARE_MIN}


def _is_rare(db: sqlite3.Connection, hash: int) -> bool:
    """Whether few items have the hash; SQLite counts without Python's lock."""
    [count] = db.execute(_COUNT, (hash, _OF_ONE_HASH + 1)).fetchone()
    return bool(count <= _OF_ONE_HASH)
