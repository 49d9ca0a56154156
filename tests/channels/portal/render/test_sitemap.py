"""Data for search engines: sitemaps of all pages, and JSON-LD on an item's page."""

import json
from datetime import timedelta

from lxml import etree

from tests.support.portal_dir import PUBLIC_URL, page, public_files, publish
from tests.support.publications import RELEASED_AT, a_publication, numbered_publication

MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
ITEM = "tin/lich-nghi-tet-2027"
OLDER = numbered_publication(1, RELEASED_AT - timedelta(days=41), timedelta(days=1))
GONE = a_publication(content_id="rut", action="withdrawn", revision=2)


def locations(folder, path):
    root = etree.fromstring(public_files(folder)[path])
    return [loc.text.removeprefix(PUBLIC_URL) for loc in root.iter(f"{MAP}loc")]


def test_whoever_follows_the_maps_finds_every_page_and_no_other(tmp_path):
    publish(tmp_path, a_publication(), OLDER, GONE)
    found = set()
    for path in locations(tmp_path, "sitemap.xml"):
        found |= {one.strip("/") for one in locations(tmp_path, path[1:])}
    files = [path for path in public_files(tmp_path) if path.endswith("index.html")]
    pages = {path.removesuffix("index.html").strip("/") for path in files}
    assert found == pages - {"tin/rut", "hieu-nang"}
    assert f"Sitemap: {PUBLIC_URL}/sitemap.xml" in public_files(tmp_path)["robots.txt"].decode()


def test_a_map_says_when_an_item_was_changed_last(tmp_path):
    change = {"revision": 2, "action": "corrected", "released_at": RELEASED_AT}
    corrected = OLDER.model_copy(update=change)
    publish(tmp_path, a_publication(), OLDER, corrected)
    root = etree.fromstring(public_files(tmp_path)["so-do/2026-10.xml"])
    assert [one.text for one in root.iter(f"{MAP}lastmod")] == ["2026-11-20T02:00:00Z"]


def data(folder, path=ITEM):
    return json.loads(page(folder, path).xpath("//script/text()")[0])


def test_an_item_is_a_news_article_to_machines(tmp_path):
    cover = {"url": "https://moha.gov.vn/a.jpg", "alt": "Bìa"}
    publish(tmp_path, a_publication(cover=cover, audiences=["cong-chuc"]))
    said = data(tmp_path)
    assert said["@type"] == "NewsArticle"
    assert said["headline"] == a_publication().title
    assert said["mainEntityOfPage"] == f"{PUBLIC_URL}/{ITEM}"
    assert said["datePublished"] == said["dateModified"] == "2026-11-20T02:00:00Z"
    assert said["author"] == [{"@type": "GovernmentOrganization", "name": "Văn phòng Bộ"}]
    assert said["publisher"]["name"] == "Bộ Nội vụ"
    assert said["image"] == ["https://moha.gov.vn/a.jpg"]
    assert said["audience"] == [{"@type": "Audience", "audienceType": "Công chức"}]


def test_a_correction_is_said_to_machines_too(tmp_path):
    later = RELEASED_AT + timedelta(days=1)
    change = {"action": "corrected", "revision": 2, "reason": "Sai ngày", "released_at": later}
    publish(tmp_path, a_publication(), a_publication(**change))
    said = data(tmp_path)
    assert said["dateModified"] == "2026-11-21T02:00:00Z"
    assert said["correction"]["text"] == "Sai ngày"


def test_no_text_can_end_the_block_of_data(tmp_path):
    publish(tmp_path, a_publication(title="</script><script>alert(1)</script> &amp;"))
    [block] = page(tmp_path, ITEM).xpath("//script")
    assert json.loads(block.text)["headline"].startswith("</script>")


def test_every_page_kind_names_itself_and_its_feeds(tmp_path):
    publish(tmp_path, a_publication())
    for path, feeds in (
        (".", {"tat-ca"}),
        ("muc", {"tat-ca"}),
        ("muc/lich-nghi-le", {"lich-nghi-le", "tat-ca"}),
        ("muc/van-phong-bo/2026/11", {"van-phong-bo", "tat-ca"}),
        (ITEM, {"tat-ca", "lich-nghi-le", "van-phong-bo"}),
        ("kenh", {"tat-ca"}),
        ("nguon-tin", {"tat-ca"}),
    ):
        document = page(tmp_path, path)
        wanted = f"{PUBLIC_URL}/{path}/".replace("/./", "/")
        canonical = document.xpath("//link[@rel='canonical']/@href")
        assert canonical == [wanted if path != ITEM else wanted.rstrip("/")]
        named = document.xpath("//link[@rel='alternate']/@href")
        assert {one.rpartition("/")[2].partition(".")[0] for one in named} == feeds
        assert len(named) == 3 * len(feeds)
