"""History on an item's page: corrections, withdrawals and returns with their times."""

import json
from datetime import timedelta

import pytest

from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.writer.rebuild import open_rebuild
from contracts import publication
from tests.support.portal_dir import (
    PUBLIC_URL,
    feed,
    guids,
    page,
    public_files,
    publish,
    rebuild,
    text_of,
    words_with,
)
from tests.support.publications import RELEASED_AT, a_publication

NAME = "lich-nghi-tet-2027"
ITEM = f"tin/{NAME}"
NAMED = words_with("lich-nghi-le", "dinh-chinh")
WHY = "Bản trước ghi sai ngày bắt đầu nghỉ; đúng là 04/02/2027."


def position(revision, action="published", **changes):
    """A position of the item, an hour after the previous one."""
    at = RELEASED_AT + timedelta(hours=revision - 1)
    return a_publication(revision=revision, action=action, released_at=at, **changes)


FIRST = position(1)
CORRECTION = position(2, "corrected", reason=WHY)
UPDATE = position(3)
WITHDRAWAL = position(4, "withdrawn", body="", reason="Tin trùng.")
RETURN = position(5)
ALL = [FIRST, CORRECTION, UPDATE, WITHDRAWAL, RETURN]


def shown(folder, *positions):
    publish(folder, *positions, words=NAMED)
    return page(folder, ITEM)


def facts(document) -> dict[str, str]:
    rows = document.xpath("//footer//dl/div")
    return {text_of(row.find("dt")): text_of(row.find("dd")) for row in rows}


def notices(document) -> list[str]:
    """Changes to the item; the way to other corrections follows them."""
    return [text_of(one[0]) for one in document.find_class("notice")]


def byline(document) -> str:
    return text_of(document.find_class("facts")[0][0])


def modified(document) -> list[str]:
    return document.xpath("//meta[@property='article:modified_time']/@content")


# --- when


def test_an_item_that_never_changed_says_when_it_came(tmp_path):
    document = shown(tmp_path, FIRST)
    assert byline(document) == "Văn phòng Bộ đăng lúc 09:00 ngày 20/11/2026."
    assert modified(document) == []


def test_an_update_says_when_it_came(tmp_path):
    document = shown(tmp_path, FIRST, position(2))
    first = "Văn phòng Bộ đăng lúc 09:00 ngày 20/11/2026"
    assert byline(document) == f"{first}, cập nhật lúc 10:00 ngày 20/11/2026."
    assert modified(document) == ["2026-11-20T10:00:00+07:00"]
    assert notices(document) == []


def test_an_item_that_expires_says_until_when_it_is_of_use(tmp_path):
    document = shown(tmp_path, position(1, expires_at=RELEASED_AT + timedelta(days=7)))
    assert facts(document)["Tin có giá trị đến"] == "09:00 ngày 27/11/2026"
    about = json.loads(document.xpath("//script[@type='application/ld+json']")[0].text)
    assert about["expires"] == "2026-11-27T02:00:00Z"
    ends = document.xpath("//meta[@property='article:expiration_time']/@content")
    assert ends == ["2026-11-27T09:00:00+07:00"]


# --- what


def test_an_update_leaves_the_correction_on_the_page(tmp_path):
    told = [f"Đính chính lúc 10:00 ngày 20/11/2026: {WHY}"]
    document = shown(tmp_path, FIRST, CORRECTION)
    assert notices(document) == told and "cập nhật" not in byline(document)
    document = shown(tmp_path, UPDATE)
    assert notices(document) == told and WHY in feed(tmp_path, "tat-ca.atom").decode()
    assert "đính chính lúc 10:00 ngày 20/11/2026, cập nhật lúc 11:00" in byline(document)
    about = json.loads(document.xpath("//script[@type='application/ld+json']")[0].text)
    assert about["correction"]["text"] == WHY
    assert about["correction"]["datePublished"] == "2026-11-20T03:00:00Z"
    assert about["dateModified"] == "2026-11-20T04:00:00Z"


def test_of_several_corrections_the_last_one_is_shown(tmp_path):
    later = position(3, "corrected", reason="Thiếu phụ lục.")
    [notice] = notices(shown(tmp_path, FIRST, CORRECTION, later))
    assert notice == "Đính chính lúc 11:00 ngày 20/11/2026: Thiếu phụ lục."


def test_an_item_that_came_back_says_so(tmp_path):
    document = shown(tmp_path, *ALL, position(6))
    told = "Tin đã được gỡ lúc 12:00 ngày 20/11/2026 và đăng lại lúc 13:00 ngày 20/11/2026."
    assert told in notices(document)
    assert "cập nhật lúc 14:00 ngày 20/11/2026" in byline(document)


def test_a_return_is_no_update(tmp_path):
    document = shown(tmp_path, FIRST, position(2, "withdrawn", body=""), position(3))
    assert len(notices(document)) == 1 and notices(document)[0].startswith("Tin đã được gỡ")
    assert "cập nhật" not in byline(document)


# --- where


@pytest.mark.parametrize(
    ("last", "kind"), [(UPDATE, "Đính chính"), (RETURN, "Đã gỡ, nay đăng lại")]
)
def test_once_among_the_corrections_always_among_them(tmp_path, last, kind):
    shown(tmp_path, *[one for one in ALL if one.revision <= last.revision])
    listed = page(tmp_path, "muc/dinh-chinh").find_class("stories")[0]
    assert [text_of(title) for title in listed.iter("h3")] == [f"{kind}: {FIRST.title}"]
    assert guids(feed(tmp_path, "dinh-chinh.rss")) == [f"{PUBLIC_URL}/{ITEM}"]


def test_an_update_moves_no_item_up_among_the_corrections(tmp_path):
    other = position(2, "corrected", content_id="tin-khac", title="Tin khác", reason=WHY)
    moved = other.model_copy(update={"released_at": other.released_at + timedelta(minutes=5)})
    shown(tmp_path, FIRST, CORRECTION, moved, UPDATE)
    assert guids(feed(tmp_path, "dinh-chinh.rss"))[0].endswith("tin-khac")


# --- rebuilt


@pytest.mark.parametrize("order", [ALL, ALL[::-1]])
def test_a_rebuild_in_any_order_says_the_same(tmp_path, order):
    shown(tmp_path / "shown", *ALL)
    rebuild(tmp_path / "rebuilt", order, NAMED)
    assert public_files(tmp_path / "rebuilt") == public_files(tmp_path / "shown")


@pytest.mark.parametrize("text", ["B¶ N¶i vø", "Bé Néi vô", "ThÃ´ng bÃ¡o"])
def test_texts_that_the_doors_refuse_today_are_made_anew_and_corrected(tmp_path, text):
    """An earlier Loa has shown them: as in its index, and in PUBLICATIONS."""
    earlier = FIRST.model_copy(update={"title": text, "summary": text, "body": text})
    stored = publication.decode(publication.encode(earlier))
    shown(tmp_path / "shown", earlier)
    rebuild(tmp_path / "rebuilt", [stored], NAMED)
    for folder in (tmp_path / "shown", tmp_path / "rebuilt"):
        assert text in text_of(page(folder, ITEM))
        publish(folder, CORRECTION, words=NAMED)
        assert notices(page(folder, ITEM)) == [f"Đính chính lúc 10:00 ngày 20/11/2026: {WHY}"]


def test_what_is_shown_while_a_portal_is_made_anew_keeps_its_past(tmp_path):
    shown(tmp_path, FIRST)
    with open_rebuild(tmp_path, SiteFiles(Site(PUBLIC_URL, NAMED)), 5.0) as portal:
        portal.add_publications([FIRST])
        publish(tmp_path, CORRECTION, UPDATE, words=NAMED)
        portal.finish()
    assert notices(page(tmp_path, ITEM)) == [f"Đính chính lúc 10:00 ngày 20/11/2026: {WHY}"]
