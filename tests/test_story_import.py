"""A whole Loa reads a unit's site by itself: an article, and its correction."""

import threading
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from producers.imports.plan import content_id
from tests.feed_site import NOW, Article, but, rss
from tests.real_loa import UNIT, RealLoa, until

pytestmark = [pytest.mark.story, pytest.mark.timeout(180)]


AGO = int((NOW - datetime.now(UTC)).total_seconds() // 60) + 60
FRESH = Article(1, ago=AGO)
"""An hour old by this machine's clock."""


class Site(BaseHTTPRequestHandler):
    """One feed, whatever is asked for."""

    body = rss(FRESH)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Nothing to tell."""


@pytest.fixture
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_article_of_a_site_reaches_the_portal_and_is_corrected(tmp_path, site, monkeypatch):
    with RealLoa(tmp_path, IMPORT_ALLOW=site) as loa:
        loa.a_unit()
        where = (f"http://{site}/rss", "--topic", "chuyen-doi-so", "--channel", "portal")
        added = loa.cli("import", "add", UNIT, *where)
        assert added.code == 0, added.err
        page = f"/tin/{content_id(UNIT, FRESH.entry())}"
        until(lambda: loa.page(page) == 200, "the clock, and the page")
        monkeypatch.setattr(Site, "body", rss(but(FRESH, lead="<p>Nội dung đã đính chính</p>")))
        now = loa.cli("import", "now", UNIT, "--json").json[0]
        assert now["counts"] == {"changed": 1}
        until(lambda: "Nội dung đã đính chính" in text(loa, page), "the correction")


def text(loa: RealLoa, path: str) -> str:
    with urllib.request.urlopen(f"{loa.ready().url}{path}", timeout=20) as answer:
        return answer.read().decode()
