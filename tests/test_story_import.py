"""A whole Loa reads a unit's site by itself: an article, a kill, its correction, nothing twice."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.feed_site import Article, rss
from tests.real_loa import UNIT, RealLoa, until

pytestmark = [pytest.mark.story, pytest.mark.timeout(180)]


class Site(BaseHTTPRequestHandler):
    """One feed, whatever is asked for."""

    body = rss(Article(1))

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


def test_an_article_of_a_units_site_reaches_the_portal_and_is_corrected_there(
    tmp_path, site, monkeypatch
):
    with RealLoa(tmp_path, IMPORT_ALLOW=site) as loa:
        loa.a_unit()
        url = f"http://{site}/rss"
        added = loa.cli(
            "import", "add", UNIT, url, "--topic", "chuyen-doi-so", "--channel", "portal"
        )
        assert added.code == 0, added.err
        read = until(lambda: loa.cli("import", "status", "--json").json[0]["counts"], "the clock")
        assert read == {"new": 1}
        content_id = until(lambda: shown(loa), "the page")
        monkeypatch.setattr(Site, "body", rss(Article(1, lead="<p>Đính chính</p>")))
        loa.kill()
        loa.start()
        now = loa.cli("import", "now", UNIT, "--json").json[0]
        assert now["counts"] == {"changed": 1}
        story = until(lambda: corrected(loa, content_id), "the correction")
        assert story["channels"]["portal"]["delivered"] == 1
        assert loa.page(f"/tin/{content_id}") == 200


def shown(loa: RealLoa) -> str:
    """The id of the article that the portal shows."""
    pages = sorted((loa.data / "portal" / "tin").glob("bai-*"))
    return pages[0].name.partition(".")[0] if pages else ""


def corrected(loa: RealLoa, content_id: str) -> dict:
    story = loa.traced(content_id)
    return story if story["revision"] == 2 else {}
