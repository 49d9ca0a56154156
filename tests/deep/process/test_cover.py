"""A whole Loa: an item's cover is fetched, served by the portal, and what Zalo is given."""

import json
import urllib.request
from io import BytesIO

import pytest
from PIL import Image

from tests.support.gateway_client import sample_event
from tests.support.images import image_bytes, new_image
from tests.support.loa_process import LoaProcess
from tests.support.picture_server import serve_in_thread

HOME = "https://thong-bao.moha.example"


@pytest.fixture
def pictures():
    picture = image_bytes(new_image(), "PNG")
    with serve_in_thread(lambda _: picture, "image/png") as site:
        yield site


def test_zalo_gets_the_portals_copy_and_the_followers_who_are_meant_a_broadcast(tmp_path, pictures):
    cover = {"url": f"http://{pictures}/bia.png", "alt": "Bìa"}
    said = {"cover": cover, "broadcast": {"provinces": ["hue"], "ages": ["65+"]}}
    apart = {"CANARY_EVERY_S": 0, "PORTAL_READ_BACK": 0}  # that address has no pages
    with LoaProcess(tmp_path, PUBLIC_URL=HOME, ZALO_COVER_ALLOW=pictures, **apart) as loa:
        loa.add_unit()
        loa.post(sample_event(content_id="co-bia", channels=["portal", "zalo"], **said))
        quiet = {"cover": None, "broadcast": {"enabled": False}}
        loa.post(sample_event(id="e-2", content_id="tin-kin", channels=["zalo"], **quiet))
        assert loa.trace_when_complete("co-bia")["channels"]["zalo"]["delivered"] == 2
        assert loa.trace_when_complete("tin-kin")["channels"]["zalo"]["expected"] == 1
        zalo, state = loa.ready().zalo_sandbox, loa.sandbox("state")
        effects = urllib.request.urlopen(f"{zalo}/_sandbox/effects", timeout=60).read().decode()
        shown = [article["cover"]["photo_url"] for article in state["articles"]]
        [copy] = [url for url in shown if "/anh/" in url]
        assert copy.startswith(f"{HOME}/anh/")
        path = copy.removeprefix(HOME)
        answer = urllib.request.urlopen(f"{loa.ready().url}{path}", timeout=60)
        assert Image.open(BytesIO(answer.read())).size == (1200, 675)
        assert answer.headers["Cache-Control"] == "public, max-age=86400"
        checked = loa.cli("check", "--json")
        assert (checked.exit_code, checked.json["violations"]) == (0, [])
        with urllib.request.urlopen(f"{loa.ready().url}{path}", timeout=60) as after_check:
            assert after_check.status == 200
    facts = [json.loads(line) for line in effects.splitlines()]
    targets = [fact["target"] for fact in facts if fact["kind"] == "broadcast_sent"]
    assert targets == [{"ages": "7", "cities": "53"}]
