"""A whole Loa: an item's cover is fetched, served by the portal, and what Zalo is given."""

import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from PIL import Image

from tests.support.gateway_client import sample_event
from tests.support.loa_process import LoaProcess

pytestmark = pytest.mark.timeout(180)
HOME = "https://thong-bao.moha.example"


class PictureHandler(BaseHTTPRequestHandler):
    """One picture for every path."""

    def do_GET(self) -> None:
        file = BytesIO()
        Image.new("RGB", (1600, 900), (200, 30, 30)).save(file, "PNG")
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(file.tell()))
        self.end_headers()
        self.wfile.write(file.getvalue())

    def log_message(self, *_: object) -> None:
        """Nothing to tell."""


@pytest.fixture
def pictures():
    with ThreadingHTTPServer(("127.0.0.1", 0), PictureHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_zalo_gets_the_portals_copy_and_the_followers_who_are_meant_a_broadcast(tmp_path, pictures):
    cover = {"url": f"http://{pictures}/bia.png", "alt": "Bìa"}
    said = {"cover": cover, "broadcast": {"provinces": ["hue"], "ages": ["65+"]}}
    apart = {
        "CANARY_EVERY_S": 0,
        "PORTAL_READ_BACK": 0,
    }  # nobody could read anything back at that address
    with LoaProcess(tmp_path, PUBLIC_URL=HOME, ZALO_COVER_ALLOW=pictures, **apart) as loa:
        loa.add_unit()
        loa.post(sample_event(content_id="co-bia", channels=["portal", "zalo"], **said))
        quiet = {"cover": None, "broadcast": {"enabled": False}}
        loa.post(sample_event(id="e-2", content_id="tin-kin", channels=["zalo"], **quiet))
        assert loa.trace_when_complete("co-bia")["channels"]["zalo"]["delivered"] == 2
        assert loa.trace_when_complete("tin-kin")["channels"]["zalo"]["expected"] == 1
        zalo = loa.ready().zalo_sandbox
        state = json.load(urllib.request.urlopen(f"{zalo}/_sandbox/state", timeout=5))
        effects = urllib.request.urlopen(f"{zalo}/_sandbox/effects", timeout=5).read().decode()
        shown = [article["cover"]["photo_url"] for article in state["articles"]]
        [copy] = [url for url in shown if "/anh/" in url]
        assert copy.startswith(f"{HOME}/anh/")
        path = copy.removeprefix(HOME)
        answer = urllib.request.urlopen(f"{loa.ready().url}{path}", timeout=5)
        assert Image.open(BytesIO(answer.read())).size == (1200, 675)
        assert answer.headers["Cache-Control"] == "public, max-age=86400"
        checked = loa.cli("check", "--json")
        assert (checked.exit_code, checked.json["violations"]) == (0, [])
        with urllib.request.urlopen(f"{loa.ready().url}{path}", timeout=5) as after_check:
            assert after_check.status == 200
    facts = [json.loads(line) for line in effects.splitlines()]
    targets = [fact["target"] for fact in facts if fact["kind"] == "broadcast_sent"]
    assert targets == [{"ages": "7", "cities": "53"}]
