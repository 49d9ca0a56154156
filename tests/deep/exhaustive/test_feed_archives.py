"""A feed's past (RFC 5005): whole, in documents that stay as they are, and never out of step."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from channels.portal.index import listings
from channels.portal.render.xml import HISTORY_NS
from channels.portal.writer.audit import FolderAudit
from tests.support.feed_reader import ATOM, FeedReader, archives, links
from tests.support.portal_dir import (
    PUBLIC_URL,
    WORDS,
    feed,
    never_expired,
    new_writer,
    public_files,
    publish,
    rebuild,
    site_files,
)
from tests.support.publications import numbered_publication

KINDS = ("rss", "atom", "json")
PART = 5
BEGIN = datetime(2026, 8, 30, 2, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(listings, "FEED_LIMIT", PART)


def an_item(number, **changes):
    """The n-th item; two days lie between two."""
    times = {"begin": BEGIN, "pause": timedelta(days=2)}
    return numbered_publication(number, **times | {"topic": "viec-lam"} | changes)


def corrected(number, **changes):
    later = BEGIN + timedelta(days=400)
    return an_item(number, action="corrected", revision=2, released_at=later, **changes)


@pytest.mark.promise("4.5")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 5, 6, 10, 11, 47])
def test_whoever_follows_the_links_gets_every_item(tmp_path, kind, count):
    publish(tmp_path, *(an_item(number) for number in range(count)))
    for slug in ("tat-ca", "viec-lam", "van-phong-bo"):
        reader = FeedReader(tmp_path).read(f"{PUBLIC_URL}/nguon-tin/{slug}.{kind}")
        assert set(reader.entries) == {f"{PUBLIC_URL}/tin/tin-{n}" for n in range(count)}
        assert len(reader.documents) == 1 + len(archives(tmp_path, kind, slug))


@pytest.mark.promise("4.5")
def test_between_a_feed_and_its_newest_archive_nothing_is_missing(tmp_path):
    writer = new_writer(tmp_path)
    for number in range(23):
        writer.show(an_item(number), never_expired)
        reader = FeedReader(tmp_path).read(f"{PUBLIC_URL}/nguon-tin/tat-ca.atom")
        assert len(reader.entries) == number + 1
    writer.close()


def test_an_archive_says_that_it_is_one_and_whose(tmp_path):
    publish(tmp_path, *(an_item(number) for number in range(30)))
    newest = "2026-10-2.atom"
    current = etree.fromstring(feed(tmp_path, "tat-ca.atom"))
    assert links(current)["prev-archive"] == f"{PUBLIC_URL}/nguon-tin/tat-ca/{newest}"
    assert "current" not in links(current) and current.find(f"{{{HISTORY_NS}}}archive") is None
    archive = etree.fromstring(archives(tmp_path)[newest])
    assert archive.find(f"{{{HISTORY_NS}}}archive") is not None
    assert links(archive)["current"] == f"{PUBLIC_URL}/nguon-tin/tat-ca.atom"
    assert "next-archive" not in links(archive)
    assert archive.findtext(f"{ATOM}id") == current.findtext(f"{ATOM}id")


def test_next_archive_is_the_way_back_of_prev_archive(tmp_path):
    publish(tmp_path, *(an_item(number) for number in range(40)))
    found = archives(tmp_path)
    for name, data in found.items():
        here = f"{PUBLIC_URL}/nguon-tin/tat-ca/{name}"
        if before := links(etree.fromstring(data)).get("prev-archive"):
            other = etree.fromstring(found[before.rpartition("/")[2]])
            assert links(other)["next-archive"] == here


@pytest.mark.promise("4.5")
def test_new_items_leave_archives_alone_but_for_the_link_to_the_next_one(tmp_path):
    writer = new_writer(tmp_path)
    known = {}
    for number in range(30):
        writer.show(an_item(number), never_expired)
        found = archives(tmp_path, "rss")
        touched = [name for name, data in known.items() if found[name] != data]
        assert len(touched) <= 1
        for name in touched:
            assert b"next-archive" in found[name] and b"next-archive" not in known[name]
        known = found
    writer.close()


def test_a_correction_touches_the_one_archive_that_has_the_item(tmp_path):
    publish(tmp_path, *(an_item(number) for number in range(30)))
    before = public_files(tmp_path)
    publish(tmp_path, corrected(3))
    after = public_files(tmp_path)
    touched = {path for path in before if before[path] != after[path]}
    mine = {
        path for path in before if path.startswith("nguon-tin/") and b"/tin/tin-3<" in before[path]
    }
    assert len(mine & touched) == len(mine) >= 6
    feeds = {path for path in touched if path.endswith((".rss", ".atom", ".json"))}
    assert all(b"/tin-3" in after[path] for path in feeds)


def test_one_more_item_writes_only_what_names_it(tmp_path):
    publish(tmp_path, *(an_item(number) for number in range(33)))
    before = public_files(tmp_path)
    publish(tmp_path, an_item(33))
    after = public_files(tmp_path)
    shelves, month = ("tat-ca", "viec-lam", "van-phong-bo", *WORDS.audiences), "2026/11"
    wanted = {"index.html", "tin/tin-33/index.html", "so-do/2026-11.xml"}
    wanted |= {f"nguon-tin/{slug}.{kind}" for slug in shelves for kind in KINDS}
    wanted |= {f"muc/{slug}/index.html" for slug in shelves}
    wanted |= {f"muc/{slug}/{month}/index.html" for slug in shelves}
    assert {path for path in after if before.get(path) != after[path]} == wanted


def a_change(chance, standing):
    """Something that may happen to a portal: a new item, a late one, one that changes or goes."""
    number = chance.randrange(60)
    revision = standing.get(number, 0) + 1
    standing[number] = revision
    action = (
        "published" if revision == 1 else chance.choice(("corrected", "withdrawn", "published"))
    )
    return an_item(
        number,
        revision=revision,
        action=action,
        topic=chance.choice(("viec-lam", "lich-nghi-le", "chu-de-la")),
        audiences=chance.choice(((), ("cong-dan",), ("cong-dan", "cong-chuc"))),
        released_at=BEGIN + timedelta(days=200, hours=revision),
    )


@pytest.mark.promise("4.5")
@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_folder_is_that_of_a_clean_build(tmp_path, seed):
    chance, standing = random.Random(seed), {}
    history = [a_change(chance, standing) for _ in range(90)]
    publish(tmp_path / "grown", *history)
    in_order = sorted(history, key=lambda item: (item.content_id, item.revision))
    rebuild(tmp_path / "clean", in_order)
    assert public_files(tmp_path / "grown") == public_files(tmp_path / "clean")
    audit = FolderAudit(tmp_path / "grown", site_files())
    glance = audit.open_snapshot()
    assert list(audit.find_problems(glance)) == []
    glance.close()
    assert audit.files_checked > 300
