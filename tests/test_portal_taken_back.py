"""A title that must not be read any more: taken back with another in its place, it is nowhere."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from itertools import permutations

import pytest

from channels.portal import press
from channels.portal.press import Press
from channels.portal.rebuild import rebuilding
from channels.portal.search.catalogue import consulted
from channels.portal.search.keeper import CATALOGUE
from channels.portal.search.question import read
from channels.portal.site import Site
from channels.portal.swap import INDEX
from contracts.vocabulary import DEFAULT
from tests.builders import RELEASED_AT, a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, a_writer, never, page, said, tree

NAMED = WORDS.model_copy(
    update={"topics": WORDS.topics | {"dinh-chinh": DEFAULT.topics["dinh-chinh"]}}
)
NAME = "ket-qua-thi"
PHONE = "0912345678"
SECRETS = (PHONE, "Zyxwvut")
"""What nobody may read any more; no other text has these words."""
HARM = {"title": f"Kết quả thi của Zyxwvut, điện thoại {PHONE}", "summary": f"Gọi {PHONE}."}
HARMLESS = {"title": "Kết quả thi", "summary": "", "body": "Nội dung đã được bỏ."}
WHY = "Lộ thông tin cá nhân."


def position(revision, action, **changes):
    """The item's position; after the first one a year has gone by, and newer items are there."""
    at = RELEASED_AT + timedelta(days=365, hours=revision) if revision > 1 else RELEASED_AT
    fields = {"content_id": NAME, "revision": revision, "action": action, "released_at": at}
    return a_publication(**fields | changes)


def withdrawn(revision, title):
    """As it is released: with the title of the newest text, and no text."""
    return position(revision, "withdrawn", title=title, summary="", body="", reason=WHY)


FIRST = position(1, "published", **HARM)
CORRECTED = position(3, "corrected", reason=WHY, **HARMLESS)
GONE = withdrawn(4, HARMLESS["title"])
AT_ONCE = withdrawn(2, HARM["title"])
OTHERS = [
    a_publication(
        content_id=f"tin-{n}",
        title=f"Tin {n}",
        first_released_at=RELEASED_AT + timedelta(days=n),
        released_at=RELEASED_AT + timedelta(days=n),
    )
    for n in range(-3, 30)
]
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
    """So that the item lies in an archive."""
    monkeypatch.setattr(press, "FEED_LIMIT", 5)
    monkeypatch.setattr(press, "CHANGES_LIMIT", 2)


@pytest.fixture
def writer(tmp_path):
    writer = a_writer(tmp_path, words=NAMED)
    writer.take([*OTHERS, FIRST])
    writer.finish()
    yield writer
    writer.close()


def telling(folder) -> list[str]:
    """Public files that have one of the secrets, in their bytes or their names."""
    return [
        path
        for path, body in tree(folder).items()
        if any(secret in path or secret.encode() in body for secret in SECRETS)
    ]


def remembered(folder) -> list[str]:
    """Tables of the writer's own files of which a row has one of them."""
    found = []
    for name in (INDEX, CATALOGUE):
        with closing(sqlite3.connect(folder / "state" / name)) as db:
            tables = "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'"
            for (table,) in db.execute(tables).fetchall():
                rows = db.execute(f"SELECT * FROM '{table}'").fetchall()
                if not table.startswith("words") and any(one in str(rows) for one in SECRETS):
                    found.append(f"{name}: {table}")
    return found


def finds(folder, words) -> bool:
    with consulted(folder / "state" / CATALOGUE) as catalogue:
        return bool(catalogue.find(read({"q": words})).places)


def test_before_that_it_stands_in_many_places(tmp_path, writer):
    """Or the other tests would look for nothing."""
    where = telling(tmp_path)
    assert f"tin/{NAME}/index.html" in where and any("2026-11" in path for path in where)
    assert remembered(tmp_path) and all(finds(tmp_path, secret) for secret in SECRETS)


@pytest.mark.parametrize("way", WAYS)
def test_with_another_title_in_its_place_the_old_one_stands_nowhere(tmp_path, writer, way):
    for one in WAYS[way][1:]:
        writer.show(one, never)
    assert telling(tmp_path) == [] == remembered(tmp_path)
    assert not any(finds(tmp_path, secret) for secret in SECRETS)
    notice = said(page(tmp_path, f"tin/{NAME}").find_class("notice")[0])
    assert HARMLESS["title"] in notice and WHY in notice


@pytest.mark.parametrize("order", list(permutations([FIRST, AT_ONCE, CORRECTED, GONE]))[::5])
def test_a_portal_that_is_made_anew_does_not_bring_it_back(tmp_path, order):
    with rebuilding(tmp_path, Press(Site(PUBLIC_URL, NAMED)), 5.0) as portal:
        portal.take([*OTHERS, *order])
        portal.finish()
    a_writer(tmp_path, words=NAMED).close()
    assert telling(tmp_path) == [] == remembered(tmp_path)


def test_a_withdrawal_alone_takes_the_text_and_leaves_the_title(tmp_path, writer):
    """Readers are to learn what was taken back: so says docs/operations.md, and what to do."""
    writer.show(AT_ONCE, never)
    assert HARM["title"] in said(page(tmp_path, f"tin/{NAME}").find_class("notice")[0])
    public = b"".join(tree(tmp_path).values())
    assert HARM["summary"].encode() not in public
    assert not finds(tmp_path, PHONE)
