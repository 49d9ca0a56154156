"""Corrections and withdrawals of old items stay in the feeds that once had the item."""

import errno
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from channels.portal.index import listings
from channels.portal.storage.atomic_files import StagedFiles
from tests.support.feed_reader import READERS, FeedReader, archives
from tests.support.feed_rules.check import check_feed
from tests.support.portal_dir import (
    PUBLIC_URL,
    feed,
    never_expired,
    new_writer,
    page,
    public_files,
    publish,
    rebuild,
    text_of,
    words_with,
)
from tests.support.publications import numbered_publication

KINDS = ("rss", "atom", "json")
PART, CHANGES = 5, 3
BEGIN = datetime(2026, 8, 30, 2, 0, tzinfo=UTC)
LATER = BEGIN + timedelta(days=400)
ATOM = "{http://www.w3.org/2005/Atom}"
NAMED = words_with("viec-lam", "lich-nghi-le", "dinh-chinh")


@pytest.fixture(autouse=True)
def _small_feeds(monkeypatch):
    monkeypatch.setattr(listings, "FEED_LIMIT", PART)
    monkeypatch.setattr(listings, "CHANGES_LIMIT", CHANGES)


def an_item(number, **changes):
    times = {"begin": BEGIN, "pause": timedelta(days=2)}
    return numbered_publication(number, **times | {"topic": "viec-lam"} | changes)


def changed(number, action="corrected", revision=2, hours=0, **changes):
    at = LATER + timedelta(hours=hours)
    said = {"action": action, "revision": revision, "released_at": at, "reason": "Sai ngày"}
    return an_item(number, **said | changes)


@pytest.fixture
def writer(tmp_path):
    """A portal of twenty items; a feed has room for five."""
    rebuild(tmp_path, map(an_item, range(20)), NAMED)
    writer = new_writer(tmp_path, words=NAMED)
    yield writer
    writer.close()


def entries(folder, name):
    """Id → updated, in the feed's order."""
    found, _ = READERS[name.rpartition(".")[2]](feed(folder, name))
    return {id.rpartition("/tin-")[2]: at for id, at in found}


def age(folder, slug):
    root = etree.fromstring(feed(folder, f"{slug}.atom"))
    return datetime.fromisoformat(root.findtext(f"{ATOM}updated"))


@pytest.mark.parametrize("action", ["corrected", "withdrawn"])
def test_what_became_of_an_old_item_stands_in_every_feed(tmp_path, writer, action):
    slugs = ("tat-ca", "viec-lam", "van-phong-bo", "cong-dan")
    names = [f"{slug}.{kind}" for slug in slugs for kind in KINDS]
    assert not any("3" in entries(tmp_path, name) for name in names)
    writer.show(changed(3, action), never_expired)
    for name in names:
        found = entries(tmp_path, name)
        assert list(found) == ["19", "18", "17", "16", "15", "3"], name
        assert found["3"] == "2027-10-04T02:00:00Z"
        assert check_feed(feed(tmp_path, name), f"{PUBLIC_URL}/nguon-tin/{name}") == []
    assert {age(tmp_path, slug) for slug in slugs} == {LATER}


def test_a_feed_has_room_for_so_many_changes_of_old_items_and_keeps_the_newest(tmp_path, writer):
    for hours, number in enumerate((9, 2, 7, 1, 17)):
        writer.show(changed(number, hours=hours), never_expired)
    assert list(entries(tmp_path, "tat-ca.atom"))[PART:] == ["7", "2", "1"]
    writer.show(changed(9, revision=3, hours=9), never_expired)
    assert list(entries(tmp_path, "tat-ca.atom"))[PART:] == ["9", "7", "1"]


def test_whoever_rebuilds_the_history_has_every_item_once_in_its_newest_state(tmp_path, writer):
    for hours, number in enumerate((0, 3, 6, 9, 12, 19)):
        action = ("corrected", "withdrawn")[hours % 2]
        writer.show(changed(number, action, hours=hours), never_expired)
    for slug, kind in itertools.product(("tat-ca", "viec-lam", "dinh-chinh"), KINDS):
        whole = FeedReader(tmp_path).read(f"{PUBLIC_URL}/nguon-tin/{slug}.{kind}")
        wanted = {0, 3, 6, 9, 12, 19} if slug == "dinh-chinh" else set(range(20))
        assert set(whole.entries) == {f"{PUBLIC_URL}/tin/tin-{number}" for number in wanted}
        current = entries(tmp_path, f"{slug}.{kind}")
        past = [READERS[kind](data)[0] for data in archives(tmp_path, kind, slug).values()]
        names = [id.rpartition("/tin-")[2] for id, _ in itertools.chain(*past)]
        assert len(names) == len(set(names)), "in one archive each"
        for id, at in itertools.chain(*past):
            assert current.get(id.rpartition("/tin-")[2], at) == at, "the same in both"


def test_corrections_follow_the_order_in_which_they_were_made(tmp_path, writer):
    order = [12, 3, 9, 0, 6, 15, 1]
    for hours, number in enumerate(order):
        action = ("corrected", "withdrawn")[hours % 2]
        writer.show(changed(number, action, hours=hours), never_expired)
    for kind in KINDS:
        found = list(entries(tmp_path, f"dinh-chinh.{kind}"))
        assert found == [str(number) for number in reversed(order)]
    writer.show(changed(12, "withdrawn", revision=3, hours=30), never_expired)
    for kind in KINDS:
        assert next(iter(entries(tmp_path, f"dinh-chinh.{kind}"))) == "12"
        assert set(archives(tmp_path, kind, "dinh-chinh")) == {f"2027-10.{kind}"}


def test_an_item_that_changes_its_topic_is_told_to_the_readers_of_both(tmp_path, writer):
    before = age(tmp_path, "viec-lam")
    writer.show(changed(19, topic="lich-nghi-le"), never_expired)
    for slug in ("viec-lam", "lich-nghi-le"):
        for kind in KINDS:
            assert entries(tmp_path, f"{slug}.{kind}")["19"] == "2027-10-04T02:00:00Z"
        assert age(tmp_path, slug) == LATER > before
    writer.show(changed(19, "withdrawn", revision=3, hours=1, topic="lich-nghi-le"), never_expired)
    assert entries(tmp_path, "viec-lam.atom")["19"] == "2027-10-04T03:00:00Z"


def test_pages_of_the_former_topic_leave_the_item_out(tmp_path, writer):
    writer.show(changed(19, topic="lich-nghi-le"), never_expired)
    assert "Tin 19" not in text_of(page(tmp_path, "muc/viec-lam"))
    assert "Tin 19" not in text_of(page(tmp_path, "muc/viec-lam/2026/10"))
    assert "Tin 19" in text_of(page(tmp_path, "muc/lich-nghi-le/2026/10"))
    writer.show(changed(19, revision=3, hours=1), never_expired)
    assert "Tin 19" in text_of(page(tmp_path, "muc/viec-lam")), "it has come back"
    assert "Tin 19" not in text_of(page(tmp_path, "muc/lich-nghi-le"))


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0)])
def test_a_rebuild_in_any_order_keeps_the_item_where_it_stood(tmp_path, order):
    gone = changed(1, "withdrawn", revision=3, hours=1, topic="chu-de-la")
    history = [an_item(1, audiences=["cong-dan"]), changed(1, topic="lich-nghi-le"), gone]
    publish(tmp_path / "grown", *history)
    rebuild(tmp_path / "made", [history[number] for number in order])
    assert public_files(tmp_path / "made") == public_files(tmp_path / "grown")


def test_a_feed_never_grows_younger(tmp_path, writer):
    slugs = ("tat-ca", "viec-lam", "lich-nghi-le", "dinh-chinh", "cong-dan")
    history = [
        changed(19),
        changed(19, revision=3, topic="lich-nghi-le", hours=1),
        changed(19, "withdrawn", revision=4, hours=2, topic="lich-nghi-le"),
        changed(18, audiences=["cong-chuc"], hours=3),
        *(changed(number, hours=4 + number) for number in range(8)),
        changed(18, "published", revision=3, hours=40),
    ]
    known = dict.fromkeys(slugs, BEGIN - timedelta(days=365))
    for one in history:
        writer.show(one, never_expired)
        ages = {slug: age(tmp_path, slug) for slug in slugs}
        assert all(ages[slug] >= known[slug] for slug in slugs)
        known = ages


def test_what_is_for_everybody_is_for_each_audience(tmp_path):
    publish(tmp_path, an_item(1), an_item(2, audiences=["cong-chuc"]))
    for kind in KINDS:
        assert set(entries(tmp_path, f"cong-dan.{kind}")) == {"1"}
        assert set(entries(tmp_path, f"cong-chuc.{kind}")) == {"1", "2"}
    assert "Tin 1" in text_of(page(tmp_path, "muc/cong-dan"))
    assert "Tin 2" not in text_of(page(tmp_path, "muc/cong-dan"))


def months(folder, slug):
    """Months on a listing's page."""
    links = page(folder, f"muc/{slug}").xpath("//ul[@class='months']/li")
    return [text_of(one) for one in links]


def test_a_month_counts_what_its_page_lists(tmp_path):
    publish(tmp_path, an_item(1), an_item(2), an_item(3))
    assert months(tmp_path, "tat-ca") == ["Tháng 9/2026 3 tin"]
    publish(tmp_path, changed(2, "withdrawn"))
    assert months(tmp_path, "tat-ca") == ["Tháng 9/2026 2 tin"]
    publish(tmp_path, changed(3, topic="lich-nghi-le"))
    assert months(tmp_path, "viec-lam") == ["Tháng 9/2026 1 tin"]
    assert months(tmp_path, "lich-nghi-le") == ["Tháng 9/2026 1 tin"]
    publish(tmp_path, changed(1, "withdrawn"))
    assert months(tmp_path, "viec-lam") == [], "no month is offered that has nothing"
    assert "đã được gỡ" in text_of(page(tmp_path, "muc/viec-lam/2026/09"))


def test_a_change_that_could_not_be_written_leaves_no_trace_on_a_month(tmp_path, writer):
    month = "muc/cong-dan/2026/10"
    before = text_of(page(tmp_path, month))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StagedFiles, "stage", full_at("index.html", StagedFiles.stage))
        outcome = writer.show(changed(18, title="Tên khác"), never_expired)
    assert outcome.reason == "enospc"
    (tmp_path / "public" / month / "index.html").unlink()
    writer.resolve(an_item(18))
    assert text_of(page(tmp_path, month)) == before


def full_at(last, put):
    """A disk that has room for all files but one."""

    def until_full(self, path, body):
        if path == last:
            raise OSError(errno.ENOSPC, "full")
        put(self, path, body)

    return until_full
