"""Corrections and withdrawals where readers see them: on the home page and in their own list."""

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from lxml import html
from structlog.testing import capture_logs

from channels.portal.http.search_app import search_app
from channels.portal.model.site import Site
from channels.portal.storage.index_swap import INDEX_FILE
from tests.support.portal_dir import (
    PUBLIC_URL,
    http_client,
    page,
    public_files,
    publish,
    rebuild,
    text_of,
    words_with,
)
from tests.support.publications import RELEASED_AT, numbered_publication

NAMED = words_with("lich-nghi-le", "viec-lam", "dinh-chinh")
ITEMS = [numbered_publication(number) for number in range(1, 6)]
MORNING = RELEASED_AT + timedelta(days=3)
"""09:00 in Vietnam."""


def again(number, action, at, **fields):
    """The next position of `Tin <number>`."""
    changes = {"revision": 2, "action": action, "released_at": at, "reason": f"Lý do {number}."}
    return ITEMS[number - 1].model_copy(update=changes | fields)


CORRECTED = again(1, "corrected", MORNING)
WITHDRAWN = again(2, "withdrawn", MORNING + timedelta(hours=1))
DAY_BEFORE = again(3, "corrected", MORNING - timedelta(days=1))


BADGES = "//a[contains(@class, 'badge')]/@href"


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed")
    rebuild(folder, [*ITEMS, DAY_BEFORE, CORRECTED, WITHDRAWN], NAMED)
    return folder


async def test_a_badge_leads_to_what_changed(portal):
    async with http_client(search_app(portal, Site(PUBLIC_URL, NAMED))) as client:
        search = html.document_fromstring((await client.get("/tim")).content)
    pages = [search, *(page(portal, path) for path in ("", "muc/tat-ca/2026/11"))]
    badges = [one.xpath(BADGES) for one in pages]
    assert all(badges)
    for address in sorted({address for links in badges for address in links}):
        path, _, target = address.partition("#")
        [box] = page(portal, path[1:]).xpath(f"//*[@id='{target}']")
        assert "Lý do" in text_of(box), address


def changes_of(folder):
    boxes = page(folder, ".").find_class("changes")
    return [text_of(row) for box in boxes for row in box.iter("li")]


def test_the_home_page_names_the_changes_of_the_last_day_that_had_any(portal):
    assert changes_of(portal) == [
        "10:00 ngày 23/11/2026 Đã gỡ: Tin 2",
        "09:00 ngày 23/11/2026 Đính chính: Tin 1",
    ]
    [box] = page(portal, ".").find_class("changes")
    assert box.xpath(".//a/@href") == ["/tin/tin-2", "/tin/tin-1", "/muc/dinh-chinh/"]
    assert any(part.find_class("stories") for part in box.itersiblings())


def test_a_change_is_on_the_home_page_at_once(tmp_path):
    publish(tmp_path, *ITEMS[:2], CORRECTED, WITHDRAWN, words=NAMED)
    assert [row.partition("/2026 ")[2] for row in changes_of(tmp_path)] == [
        "Đã gỡ: Tin 2",
        "Đính chính: Tin 1",
    ]


def test_of_many_changes_of_a_day_the_last_three_are_named(tmp_path):
    many = [again(n, "corrected", MORNING + timedelta(minutes=n)) for n in range(1, 6)]
    rebuild(tmp_path, [*ITEMS, *many], NAMED)
    assert [row.split(": ")[1] for row in changes_of(tmp_path)] == ["Tin 5", "Tin 4", "Tin 3"]


@pytest.mark.parametrize(
    ("positions", "words"), [([], NAMED), ([CORRECTED], words_with("lich-nghi-le"))]
)
def test_without_a_change_or_a_list_of_changes_there_is_no_box(tmp_path, positions, words):
    rebuild(tmp_path, [*ITEMS, *positions], words)
    assert changes_of(tmp_path) == []


@pytest.mark.parametrize("path", ["muc/dinh-chinh", "muc/dinh-chinh/2026/11"])
def test_the_list_has_what_changed_why_and_when_with_withdrawn_items(portal, path):
    listed = page(portal, path)
    assert [text_of(day) for day in listed.xpath("//section/h2")] == [
        "Thứ Hai, 23/11/2026",
        "Chủ Nhật, 22/11/2026",
    ]
    rows = [text_of(row) for row in listed.iter("article")]
    assert [row.split(" · ")[0] for row in rows] == [
        "Đã gỡ: Tin 2 Lý do 2. 10:00",
        "Đính chính: Tin 1 Lý do 1. 09:00",
        "Đính chính: Tin 3 Lý do 3. 09:00",
    ]


def test_wherever_a_list_names_a_withdrawn_item_it_says_so(portal):
    pages = {p: b.decode() for p, b in public_files(portal).items() if p.endswith(".html")}
    naming = [path for path, text in pages.items() if "Tin 2" in text and "tin/" not in path]
    assert naming == [
        "index.html",
        "muc/dinh-chinh/2026/11/index.html",
        "muc/dinh-chinh/index.html",
    ]
    for path in naming:
        assert pages[path].count("Tin 2") == pages[path].count("Đã gỡ: Tin 2")


def test_an_earlier_portal_lists_its_withdrawn_items_at_the_next_start(tmp_path):
    """An earlier Loa left them out of every list."""
    rebuild(tmp_path / "here", [*ITEMS, CORRECTED, WITHDRAWN], NAMED)
    with closing(sqlite3.connect(tmp_path / "here/state" / INDEX_FILE)) as index, index:
        index.execute("UPDATE shelf SET listed = 0 WHERE content_id = 'tin-2'")
        index.execute("UPDATE month SET listed = 1 WHERE slug = 'dinh-chinh'")
        index.execute("UPDATE mark SET value = 'of an earlier Loa' WHERE name = 'edition'")
    with capture_logs() as log:
        publish(tmp_path / "here", words=NAMED)
    said = [one["items"] for one in log if one["event"] == "portal_withdrawals_listed"]
    rebuild(tmp_path / "anew", [*ITEMS, CORRECTED, WITHDRAWN], NAMED)
    path = "muc/dinh-chinh/index.html"
    assert said == [1]
    assert public_files(tmp_path / "here")[path] == public_files(tmp_path / "anew")[path]
