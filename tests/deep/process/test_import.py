"""A whole Loa reads a unit's site by itself: an article, its correction, and what is broken."""

import threading
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from producers.imports.plan import import_content_id
from tests.support.feed_site import NOW, Article, changed_article, rss
from tests.support.loa_process import UNIT, LoaProcess, wait_until

pytestmark = pytest.mark.timeout(180)
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


class FeedHandler(BaseHTTPRequestHandler):
    """One feed for every path but a broken one; its ETag is no better."""

    body = rss(FRESH)

    def do_GET(self) -> None:
        body = BROKEN.get(self.path, self.body)
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"\xe9"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to tell."""


@pytest.fixture
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), FeedHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_article_of_a_site_reaches_the_portal_and_is_corrected(tmp_path, site, monkeypatch):
    with LoaProcess(tmp_path, IMPORT_ALLOW=site) as loa:
        loa.add_unit()
        where = (f"http://{site}/rss", "--topic", "chuyen-doi-so", "--channel", "portal")
        added = loa.cli("import", "add", UNIT, *where)
        assert added.exit_code == 0, added.err
        page = f"/tin/{import_content_id(UNIT, FRESH.entry())}"
        wait_until(lambda: loa.page_status(page) == 200, "the clock, and the page")
        monkeypatch.setattr(
            FeedHandler, "body", rss(changed_article(FRESH, lead="<p>Nội dung đã đính chính</p>"))
        )
        now = loa.cli("import", "now", UNIT, "--json").json[0]
        assert now["counts"] == {"changed": 1}
        wait_until(lambda: "Nội dung đã đính chính" in text(loa, page), "the correction")


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


def text(loa: LoaProcess, path: str) -> str:
    with urllib.request.urlopen(f"{loa.ready().url}{path}", timeout=20) as answer:
        return answer.read().decode()
