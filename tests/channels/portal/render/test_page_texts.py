"""Texts of the portal's pages: tone, titles, and no statements that Loa cannot know."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from channels.portal.model.item import build_item
from channels.portal.model.site import Site
from channels.portal.render.default_cover import default_cover_url
from channels.portal.render.html import HtmlPages, Stories
from channels.portal.render.json_ld import article_json_ld, og_locale
from contracts.vocabulary import DEFAULT
from tests.support.portal_dir import PORTAL_SITE, PUBLIC_URL, feed, page, publish, rebuild, text_of
from tests.support.publications import RELEASED_AT, a_publication, numbered_publication

ROOT = Path(__file__).parents[4]
ROOMS = ("channels", "producers/pages")
KINDS = (".toml", ".html", ".txt")
WORDS = [file for room in ROOMS for file in (ROOT / room).rglob("*") if file.suffix in KINDS]


def test_the_ministry_says_quy_vi_to_everybody_who_reads():
    """Of a reader it may speak as `bạn đọc`; to a reader it never says `bạn`."""
    texts = {file: file.read_text("utf-8") for file in WORDS}
    assert len(texts) > 40
    said = {file: re.findall(r".*\bbạn\b(?! đọc).*", text, re.I) for file, text in texts.items()}
    assert {file: lines for file, lines in said.items() if lines} == {}


def links(element):
    return {text_of(link): link.get("href") for link in element.iter("a")}


def test_the_notice_of_a_withdrawn_item_says_only_what_is_known(tmp_path):
    publish(tmp_path, a_publication(action="withdrawn", revision=2, reason="Đăng trùng."))
    notice = text_of(page(tmp_path, "tin/lich-nghi-tet-2027").find_class("notice")[0])
    assert "Văn phòng Bộ cung cấp, đăng lần đầu" in notice and "Lý do: Đăng trùng." in notice
    assert "Văn phòng Bộ đã gỡ" not in notice
    assert "tham khảo" not in notice


def test_topics_without_items_stand_apart(tmp_path):
    publish(tmp_path, a_publication())
    home = links(page(tmp_path, ".").find_class("beside")[0])
    assert "Lịch nghỉ lễ, tết" in home and "Việc làm" not in home
    listing = page(tmp_path, "muc")
    filled = links(listing.find_class("tiles")[0]) | links(listing.find_class("tiles")[1])
    assert "/muc/lich-nghi-le/" in filled.values() and "/muc/viec-lam/" not in filled.values()
    quiet = listing.find_class("quiet")[0]
    assert text_of(quiet).startswith("Chưa có tin: ")
    assert links(quiet)["Việc làm"] == "/muc/viec-lam/"


@pytest.mark.parametrize(("older", "month"), [(0, None), (1, "2026/11"), (40, "2026/10")])
def test_the_last_item_of_a_shelf_leads_to_older_ones(tmp_path, older, month):
    """Thirty are shown: fewer of this month, or more."""
    ages = [timedelta(minutes=n) for n in range(30 if older < 40 else 12)]
    ages += [timedelta(days=25, minutes=n) for n in range(older)] if older == 40 else []
    ages += [timedelta(days=1)] if older == 1 else []
    items = [numbered_publication(n, RELEASED_AT - age, timedelta()) for n, age in enumerate(ages)]
    rebuild(tmp_path, items)
    address = links(page(tmp_path, "muc/lich-nghi-le").find_class("chief")[0])
    expected = month and f"/muc/lich-nghi-le/{month}/"
    assert address.get("Xem các tin cũ hơn") == expected


def test_open_graph_is_told_the_language_with_its_country():
    languages = ("vi", "en", "en-GB", "de")
    assert [*map(og_locale, languages)] == ["vi_VN", "en_US", "en_GB", "de"]


@pytest.mark.parametrize(
    ("slug", "wish"),
    [
        ("tat-ca", "/dang-ky"),
        ("viec-lam", "/dang-ky?chu-de=viec-lam"),
        ("cuc-viec-lam", "/dang-ky?don-vi=cuc-viec-lam"),
        ("cong-chuc", "/dang-ky?doi-tuong=cong-chuc"),
        ("dinh-chinh", None),
        ("khong-con-dung", None),
    ],
)
def test_whoever_subscribes_from_a_shelf_has_it_chosen(slug, wish):
    text = HtmlPages(Site(PUBLIC_URL, DEFAULT)).listing(slug, Stories([], []), []).decode()
    assert ("Nhận tin qua thư điện tử</a></p>" in text) == bool(wish)
    assert f'class="act" href="{wish}">Nhận tin' in text or not wish


@pytest.mark.parametrize(
    ("used", "shown"), [(["tuyen-dung"], 0), (["tuyen-dung", "lich-nghi-le", "viec-lam"], 2)]
)
def test_what_people_look_for_most_is_never_a_lone_block(used, shown):
    home = HtmlPages(Site(PUBLIC_URL, DEFAULT)).home(Stories([], []), used).decode()
    blocks = re.findall(r'<nav class="blocks".*?</nav>', home, re.DOTALL)
    assert "".join(blocks).count("<li>") == shown


def test_every_page_says_that_it_follows_nobody():
    foot = HtmlPages(Site(PUBLIC_URL, DEFAULT)).about().decode().partition("</main>")[2]
    assert "không dùng công cụ theo dõi người đọc" in foot


@pytest.mark.parametrize(
    ("author", "kind", "name"),
    [
        ("Nguyễn Thị Hồng Nhung", "Person", "Nguyễn Thị Hồng Nhung"),
        ("Phòng Chính sách tiền lương", "Organization", "Phòng Chính sách tiền lương"),
        ("Vũ Văn Ban", "Person", "Vũ Văn Ban"),
        (None, "GovernmentOrganization", "Văn phòng Bộ"),
    ],
)
def test_machines_are_told_the_author_who_is_named(author, kind, name):
    item = build_item(a_publication(author=author), "", PORTAL_SITE)
    article = json.loads(article_json_ld(item, PORTAL_SITE))
    assert article["author"] == [{"@type": kind, "name": name}]
    assert article["image"] == [default_cover_url(PORTAL_SITE)]


@pytest.mark.parametrize("action", ["published", "corrected", "withdrawn"])
def test_the_short_text_in_rss_is_plain_words_whatever_became_of_the_item(tmp_path, action):
    reason = "Mức <b>mới</b> & khác"
    publish(tmp_path, a_publication(action=action, revision=2, reason=reason, summary="Cũ & mới"))
    item = etree.fromstring(feed(tmp_path, "tat-ca.rss")).find(".//item")
    written = item.findtext("description")
    assert "<" not in written and "&amp;" in written
