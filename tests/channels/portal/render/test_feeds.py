"""The portal's feeds: content, order, and the same bytes for the same publications."""

import json
import random
from datetime import timedelta
from email.utils import parsedate_to_datetime

import feedparser
import pytest
from lxml import etree

from contracts.vocabulary import DEFAULT
from tests.support.feed_rules.check import check_feed
from tests.support.portal_dir import (
    PUBLIC_URL,
    feed,
    guids,
    public_files,
    publish,
    rebuild,
    words_with,
)
from tests.support.publications import RELEASED_AT, numbered_publication

KINDS = ("rss", "atom", "json")
ATOM = "{http://www.w3.org/2005/Atom}"


def an_item(number, **changes):
    return numbered_publication(number, **{"title": f"Tin số {number}"} | changes)


RICH = an_item(
    7,
    title="Lương cơ sở <mới> & phụ cấp: 5 < 6",
    body="Xem [bảng](/tin/khac) và ![sơ đồ](/a.png).\n\n| a | b |\n| --- | --: |\n| 1 | 2 |\n",
    cover={"url": f"{PUBLIC_URL}/a.jpg", "alt": "Bìa"},
    links=[{"url": "https://moha.gov.vn/?a=1&b=2", "title": "Nguồn"}],
    attachments=[
        {"url": "https://moha.gov.vn/b.bin", "title": "Không rõ loại"},
        {"url": "https://moha.gov.vn/a.pdf", "title": "Toàn văn"}
        | {"media_type": "application/pdf", "size": 12345},
    ],
    audiences=["cong-dan", "vien-chuc"],
)


def again(number, action, reason, days):
    at = RELEASED_AT + timedelta(days=days)
    return an_item(number, action=action, revision=2, released_at=at, reason=reason)


CORRECTED = again(8, "corrected", "Sai ngày", 1)
WITHDRAWN = again(9, "withdrawn", "Nhầm", 2)


@pytest.fixture
def folder(tmp_path):
    english = an_item(10, summary="", language="en")
    publish(tmp_path, an_item(1), RICH, CORRECTED, WITHDRAWN, english)
    return tmp_path


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_another_reader_takes_every_feed_without_complaint(folder, kind):
    for path, data in public_files(folder).items():
        if path.endswith(f".{kind}"):
            read = feedparser.parse(data)
            assert not read.bozo and read.version in ("rss20", "atom10"), path
            assert all(entry.id and entry.title and entry.updated for entry in read.entries)
    read = feedparser.parse(feed(folder, f"tat-ca.{kind}"))
    numbers = [entry.id.removeprefix(f"{PUBLIC_URL}/tin/tin-") for entry in read.entries]
    assert numbers == ["10", "9", "8", "7", "1"]
    assert (read.entries[3].title, read.entries[3].author) == (RICH.title, "Văn phòng Bộ")
    assert read.feed.language == "vi"


def test_every_feed_keeps_every_rule(folder):
    feeds = {path: data for path, data in public_files(folder).items() if path.endswith(KINDS)}
    assert len(feeds) >= 15
    for path, data in feeds.items():
        assert check_feed(data, f"{PUBLIC_URL}/{path}") == []


def test_every_topic_and_unit_of_the_ministry_has_its_feeds_from_the_start(tmp_path):
    publish(tmp_path, words=DEFAULT)
    units = [name for name, unit in DEFAULT.units.items() if unit.until is None]
    for slug in ("tat-ca", *DEFAULT.topics, *units):
        for kind in KINDS:
            url = f"{PUBLIC_URL}/nguon-tin/{slug}.{kind}"
            assert check_feed(feed(tmp_path, f"{slug}.{kind}"), url) == []


def test_a_system_label_is_named_once_it_has_an_item(tmp_path):
    words = words_with("viec-lam", "dinh-chinh")
    publish(tmp_path, an_item(1, topic="viec-lam"), words=words)
    for name in ("index.html", "nguon-tin.opml"):
        assert b"nguon-tin/dinh-chinh." not in feed(tmp_path, name)
    change = an_item(1, topic="viec-lam", action="corrected", revision=2, reason="Sai")
    publish(tmp_path, change, words=words)
    for name in ("index.html", "nguon-tin.opml"):
        assert b"nguon-tin/dinh-chinh." in feed(tmp_path, name)
    assert guids(feed(tmp_path, "dinh-chinh.rss")) == [f"{PUBLIC_URL}/tin/tin-1"]


def test_a_feed_holds_the_fifty_newest(tmp_path):
    rebuild(tmp_path, map(an_item, range(53)))
    for kind, end in (("rss", "<"), ("atom", "<"), ("json", '"')):
        data = feed(tmp_path, f"tat-ca.{kind}").decode()
        shown = [number for number in range(53) if f"/tin/tin-{number}{end}" in data]
        assert shown == list(range(3, 53))


def test_a_correction_keeps_its_place_and_raises_updated(folder):
    entry = etree.fromstring(feed(folder, "tat-ca.atom")).findall(f"{ATOM}entry")[2]
    assert entry.findtext(f"{ATOM}id") == f"{PUBLIC_URL}/tin/tin-8"
    assert entry.findtext(f"{ATOM}title") == "Đính chính: Tin số 8"
    assert entry.findtext(f"{ATOM}published") == "2026-11-20T02:08:00Z"
    assert entry.findtext(f"{ATOM}updated") == "2026-11-21T02:00:00Z"
    assert "Sai ngày" in entry.findtext(f"{ATOM}content")


def test_a_withdrawn_item_stays_as_a_notice_so_that_readers_replace_their_copy(folder):
    for kind in KINDS:
        data = feed(folder, f"tat-ca.{kind}").decode()
        assert "Đã gỡ: Tin số 9" in data and "Nhầm" in data
    withdrawn = json.loads(feed(folder, "tat-ca.json"))["items"][1]
    assert withdrawn["id"] == f"{PUBLIC_URL}/tin/tin-9"
    assert "Tết" not in withdrawn["content_html"] and "summary" not in withdrawn


def test_a_feed_is_as_old_as_its_newest_change(folder):
    root = etree.fromstring(feed(folder, "tat-ca.rss"))
    built = parsedate_to_datetime(root.findtext("channel/lastBuildDate"))
    assert built == WITHDRAWN.released_at
    assert root.findtext("channel/lastBuildDate") == "Sun, 22 Nov 2026 02:00:00 GMT"


def test_rss_titles_are_text_in_hexadecimal_references(folder):
    raw = feed(folder, "tat-ca.rss").decode()
    assert "<title>Lương cơ sở &#x3C;mới&gt; &#x26; phụ cấp: 5 &#x3C; 6</title>" in raw
    assert "&amp;" not in raw and "&lt;" not in raw


def test_enclosures_are_complete_or_absent(folder):
    [enclosure] = etree.fromstring(feed(folder, "tat-ca.rss")).iter("enclosure")
    facts = {"length": "12345", "type": "application/pdf"}
    assert dict(enclosure.attrib) == {"url": "https://moha.gov.vn/a.pdf"} | facts
    attachments = json.loads(feed(folder, "tat-ca.json"))["items"][3]["attachments"]
    assert [file["mime_type"] for file in attachments] == ["application/pdf"]


def test_json_feed_says_who_it_is_from_and_for(folder):
    item = json.loads(feed(folder, "tat-ca.json"))["items"][3]
    assert item["authors"] == [{"name": "Văn phòng Bộ"}]
    assert item["tags"] == ["Lịch nghỉ lễ, tết", "Người dân", "Viên chức"]
    assert item["image"] == f"{PUBLIC_URL}/a.jpg"
    assert item["date_published"] == "2026-11-20T02:07:00Z"


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_arrival_leaves_no_trace(tmp_path, seed):
    history = [an_item(number) for number in range(4)]
    correction = {"revision": 2, "action": "corrected"}
    history += [item.model_copy(update=correction) for item in history[::2]]
    history += [an_item(1, revision=3, action="withdrawn")]
    publish(tmp_path / "in-order", *history)
    random.Random(seed).shuffle(history)
    publish(tmp_path / "shuffled", *history)
    assert public_files(tmp_path / "shuffled") == public_files(tmp_path / "in-order")


def test_a_position_that_comes_too_late_was_seen_by_nobody_and_stands_nowhere(tmp_path):
    publish(tmp_path / "late", an_item(6, revision=2, topic="viec-lam"), an_item(6))
    publish(tmp_path / "never", an_item(6, revision=2, topic="viec-lam"))
    assert public_files(tmp_path / "late") == public_files(tmp_path / "never")


def test_items_of_one_moment_stand_in_a_fixed_order(tmp_path):
    twins = [an_item(1), an_item(1, content_id="tin-b"), an_item(1, content_id="tin-a")]
    publish(tmp_path, *twins)
    names = [guid.rpartition("/")[2] for guid in guids(feed(tmp_path, "tat-ca.rss"))]
    assert names == ["tin-b", "tin-a", "tin-1"]
