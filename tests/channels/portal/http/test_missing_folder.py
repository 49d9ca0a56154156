"""A public folder that disappears: readers get 503, and one error is logged."""

import shutil

import httpx2
from structlog.testing import capture_logs

from channels.portal.http.file_app import portal_app
from tests.support.portal_dir import publish
from tests.support.publications import a_publication

ITEM = "/tin/lich-nghi-tet-2027"


async def test_a_lost_folder_asks_its_readers_to_come_back_and_is_said_once(tmp_path):
    publish(tmp_path, a_publication())
    transport = httpx2.ASGITransport(portal_app(tmp_path))
    async with httpx2.AsyncClient(transport=transport, base_url="http://portal") as client:
        assert (await client.get("/khong-co")).status_code == 404
        shutil.rmtree(tmp_path / "public")
        with capture_logs() as log:
            answers = [await client.get(path) for path in ("/", ITEM, "/nguon-tin/tat-ca.rss")]
        publish(tmp_path, a_publication())
        back = [(await client.get(path)).status_code for path in ("/", ITEM, "/khong-co")]
    assert [(one.status_code, one.headers["retry-after"]) for one in answers] == [(503, "60")] * 3
    assert all("quay lại" in one.text for one in answers)
    assert [one["event"] for one in log] == ["portal_files_missing"]
    assert back == [200, 200, 404]
