"""A whole Loa reads a unit's site by itself: an article, its correction, and what is broken."""

from datetime import UTC, datetime

import pytest

from producers.imports.plan import import_content_id
from tests.support.feed_site import NOW, Article, changed_article, rss
from tests.support.loa_process import UNIT, LoaProcess, wait_until
from tests.support.picture_server import serve_in_thread

AGO = int((NOW - datetime.now(UTC)).total_seconds() // 60) + 60
FRESH = Article(1, ago=AGO)
"""An hour old by this machine's clock."""
ITEM = b"<item><title>A</title>%s</item></channel>"
BROKEN = {
    "/phan-tich": rss(FRESH).replace(
        b"</channel>", ITEM % b"<p:pos xmlns:p='http://www.opengis.net/gml'>10.1 106.2</p:pos>"
    ),
    "/dia-chi": rss(FRESH).replace(b"</channel>", ITEM % b"<link>http://[ten-mien]/2.html</link>"),
    "/tham-so": rss(FRESH).replace(
        b"</channel>", ITEM % (b"<link>https://a.vn/?" + b"&amp;a=1" * 120 + b"</link>")
    ),
}


@pytest.fixture
def feeds():
    """Answers of the site, by path; its ETag is broken, too."""
    return {"/rss": rss(FRESH), **BROKEN}


@pytest.fixture
def site(feeds):
    odd_tag = {"ETag": '"\xe9"'}
    with serve_in_thread(lambda path: feeds[path], "application/rss+xml", odd_tag) as site:
        yield site


def test_an_article_of_a_site_reaches_the_portal_and_is_corrected(tmp_path, site, feeds):
    with LoaProcess(tmp_path, IMPORT_ALLOW=site) as loa:
        loa.add_unit()
        where = (f"http://{site}/rss", "--topic", "chuyen-doi-so", "--channel", "portal")
        added = loa.cli("import", "add", UNIT, *where)
        assert added.exit_code == 0, added.err
        page = f"/tin/{import_content_id(UNIT, FRESH.entry())}"
        wait_until(lambda: loa.page_status(page) == 200, "the clock, and the page")
        feeds["/rss"] = rss(changed_article(FRESH, lead="<p>Nội dung đã đính chính</p>"))
        now = loa.cli("import", "now", UNIT, "--json").json[0]
        assert now["counts"] == {"changed": 1}
        wait_until(lambda: "Nội dung đã đính chính" in loa.page(page)[1], "the correction")


def test_broken_feeds_stop_neither_the_others_nor_loa(tmp_path, site):
    with LoaProcess(tmp_path, IMPORT_ALLOW=site, IMPORT_PAUSE_S="0") as loa:
        loa.add_unit()
        for path in (*BROKEN, "/rss"):
            where = (f"http://{site}{path}", "--topic", "chuyen-doi-so", "--channel", "portal")
            added = loa.cli("import", "add", UNIT, *where)
            assert (added.exit_code, "Traceback" in added.err) == (0, False), added.err

        def read() -> dict[str, dict]:
            found = loa.cli("import", "status", "--json").json
            return {one["url"].rpartition("/")[2]: one for one in found if one["visited"]}

        wait_until(lambda: len(read()) == len(BROKEN) + 1, "every feed was asked")
        found = read()
        assert [name for name, one in found.items() if one["trouble"]] == ["phan-tich"]
        page = f"/tin/{import_content_id(UNIT, FRESH.entry())}"
        wait_until(lambda: loa.page_status(page) == 200, "the page")
