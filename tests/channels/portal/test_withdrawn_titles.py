"""A withdrawn title that was replaced appears in no public file and no table."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from itertools import permutations

import pytest

from channels.portal.index import listings
from channels.portal.search.index import open_search_index
from channels.portal.search.query import parse_query
from channels.portal.search.sync import SEARCH_INDEX_FILE
from channels.portal.storage.index_swap import INDEX_FILE
from tests.support.portal_dir import (
    WORDS,
    never_expired,
    new_writer,
    page,
    public_files,
    rebuild,
    site_files,
    text_of,
    words_with,
)
from tests.support.publications import RELEASED_AT, a_publication, numbered_publication

NAMED = words_with(*WORDS.topics, "dinh-chinh")
NAME = "ket-qua-thi"
PHONE = "0912345678"
SECRETS = (PHONE, "Zyxwvut")
"""Withdrawn words, which no other text has."""
HARM = {"title": f"Kết quả thi của Zyxwvut, điện thoại {PHONE}", "summary": f"Gọi {PHONE}."}
HARMLESS = {"title": "Kết quả thi", "summary": "", "body": "Nội dung đã được bỏ."}
WHY = "Lộ thông tin cá nhân."


def position(revision, action, **changes):
    """A position of the item; the later ones come a year later, after newer items."""
    at = RELEASED_AT + timedelta(days=365, hours=revision) if revision > 1 else RELEASED_AT
    fields = {"content_id": NAME, "revision": revision, "action": action, "released_at": at}
    return a_publication(**fields | changes)


def withdrawn(revision, title):
    """The withdrawal as released: with the title of the newest text, without a body."""
    return position(revision, "withdrawn", title=title, summary="", body="", reason=WHY)


FIRST = position(1, "published", **HARM)
CORRECTED = position(3, "corrected", reason=WHY, **HARMLESS)
GONE = withdrawn(4, HARMLESS["title"])
AT_ONCE = withdrawn(2, HARM["title"])
OTHERS = [numbered_publication(n, pause=timedelta(days=1)) for n in range(-3, 30)]
WAYS = {
    "withdrawn under another title": [FIRST, withdrawn(2, HARMLESS["title"])],
    "corrected, then withdrawn": [FIRST, CORRECTED, GONE],
    "withdrawn at once, corrected, withdrawn again": [FIRST, AT_ONCE, CORRECTED, GONE],
    "the correction never came to be shown": [FIRST, GONE],
    "moved to another topic meanwhile": [
        FIRST,
        CORRECTED.model_copy(update={"topic": "viec-lam"}),
        GONE.model_copy(update={"topic": "viec-lam"}),
    ],
}


@pytest.fixture(autouse=True)
def _small_feeds(monkeypatch):
    """Small feeds, so that the item is in an archive."""
    monkeypatch.setattr(listings, "FEED_LIMIT", 5)
    monkeypatch.setattr(listings, "CHANGES_LIMIT", 2)


@pytest.fixture
def writer(tmp_path):
    rebuild(tmp_path, [*OTHERS, FIRST], NAMED)
    writer = new_writer(tmp_path, words=NAMED)
    yield writer
    writer.close()


def telling(folder) -> list[str]:
    """Public files that have one of the secrets, in their bytes or their names."""
    files = {path: path.encode() + body for path, body in public_files(folder).items()}
    return [path for path, text in files.items() if any(one.encode() in text for one in SECRETS)]


def remembered(folder) -> list[str]:
    """Tables of the writer's files with a row that has one of the secrets."""
    found = []
    for name in (INDEX_FILE, SEARCH_INDEX_FILE):
        with closing(sqlite3.connect(folder / "state" / name)) as db:
            tables = "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'"
            for (table,) in db.execute(tables).fetchall():
                rows = db.execute(f"SELECT * FROM '{table}'").fetchall()
                if not table.startswith("words") and any(one in str(rows) for one in SECRETS):
                    found.append(f"{name}: {table}")
    return found


def finds(folder, words) -> bool:
    with open_search_index(folder / "state" / SEARCH_INDEX_FILE) as catalogue:
        return bool(catalogue.search(parse_query({"q": words})).places)


def test_before_that_it_stands_in_many_places(tmp_path, writer):
    """Before the withdrawal the secrets are public: the other tests prove something."""
    where = telling(tmp_path)
    assert f"tin/{NAME}/index.html" in where and any("2026-11" in path for path in where)
    assert remembered(tmp_path) and all(finds(tmp_path, secret) for secret in SECRETS)


@pytest.mark.parametrize("way", WAYS)
def test_with_another_title_in_its_place_the_old_one_stands_nowhere(tmp_path, writer, way):
    for one in WAYS[way][1:]:
        writer.show(one, never_expired)
    assert telling(tmp_path) == [] == remembered(tmp_path)
    assert not any(finds(tmp_path, secret) for secret in SECRETS)
    notice = text_of(page(tmp_path, f"tin/{NAME}").find_class("notice")[0])
    assert HARMLESS["title"] in notice and WHY in notice


@pytest.mark.parametrize("order", list(permutations([FIRST, AT_ONCE, CORRECTED, GONE]))[::5])
def test_a_portal_that_is_made_anew_does_not_bring_it_back(tmp_path, order):
    rebuild(tmp_path, [*OTHERS, *order], NAMED)
    new_writer(tmp_path, words=NAMED).close()
    assert telling(tmp_path) == [] == remembered(tmp_path)


FILE = {"url": f"https://loa.example.vn/tep/{PHONE}.pdf", "title": "Zyxwvut"}
TOLD = {
    "summary": f"Gọi {PHONE}.",
    "body": "Kết quả của **Zyxwvut**.",
    "author": "Zyxwvut",
    "cover": {"url": f"https://loa.example.vn/anh/{PHONE}.jpg", "alt": "Zyxwvut"},
    "attachments": [FILE | {"media_type": "application/pdf", "size": 1000}],
    "links": [FILE],
}
"""All of a text but its titles."""


def test_a_withdrawal_that_still_has_its_text_shows_and_keeps_none_of_it(tmp_path, writer):
    """Loa releases withdrawals without a text; the portal does not rely on that."""
    whole = position(2, "withdrawn", title=HARMLESS["title"], reason=WHY, **TOLD)
    writer.show(whole, never_expired)
    assert telling(tmp_path) == [] == remembered(tmp_path)
    rebuild(tmp_path, [whole, FIRST], NAMED)
    assert telling(tmp_path) == [] == remembered(tmp_path)


def test_a_withdrawal_is_kept_as_it_was_released():
    """`loa check` compares both."""
    released = AT_ONCE.model_copy(update={"short_title": "Kết quả thi"})
    assert site_files().to_stored_item(released).publication.as_released == released


def test_a_withdrawal_alone_takes_the_text_and_leaves_the_title(tmp_path, writer):
    """Readers learn the withdrawn title as docs/operations.md says."""
    writer.show(AT_ONCE, never_expired)
    assert HARM["title"] in text_of(page(tmp_path, f"tin/{NAME}").find_class("notice")[0])
    public = b"".join(public_files(tmp_path).values())
    assert HARM["summary"].encode() not in public
    assert not finds(tmp_path, PHONE)
