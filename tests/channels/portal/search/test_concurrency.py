"""Many searches at once: some wait, the rest get 503, and pages are served meanwhile."""

import asyncio
import threading

import httpx2
import pytest

from channels.portal.http import search_app as http_search_app
from channels.portal.http.search_app import SearchService, search_app
from channels.portal.model.site import Site
from tests.channels.portal.search.test_page import a_home
from tests.support.portal_dir import PUBLIC_URL, WORDS


@pytest.fixture
def blocked_searches(monkeypatch):
    """Searches that end on a signal; `most` counts those that ran at the same time."""

    class Held:
        may, now, most, lock = threading.Event(), 0, 0, threading.Lock()

    def slow(desk, question):
        with Held.lock:
            Held.now += 1
            Held.most = max(Held.most, Held.now)
        Held.may.wait(10)
        with Held.lock:
            Held.now -= 1

    monkeypatch.setattr(SearchService, "_look_up", slow)
    yield Held
    Held.may.set()


async def test_who_finds_no_room_is_told_when_to_come_back(tmp_path, blocked_searches):
    a_home(tmp_path)
    app = search_app(tmp_path, Site(PUBLIC_URL, WORDS))
    transport = httpx2.ASGITransport(app)
    client = httpx2.AsyncClient(transport=transport, base_url="http://portal")
    room = http_search_app.THREADS + http_search_app.WAITING_MAX
    inside = [asyncio.create_task(client.get("/tim?q=a")) for _ in range(room)]
    while app._in_progress < room:
        await asyncio.sleep(0)
    beside = [await client.get("/tim?q=a") for _ in range(3)]
    for answer in beside:
        assert (answer.status_code, answer.headers["retry-after"]) == (
            503,
            str(http_search_app.BUSY_RETRY_S),
        )
        assert answer.headers["cache-control"] == "no-store"
        assert "quá nhiều người" in answer.text
        assert "default-src" in answer.headers["content-security-policy"]
    assert (await client.get("/tim/la")).status_code == 404, "other pages don't wait"
    blocked_searches.may.set()
    assert {answer.status_code for answer in await asyncio.gather(*inside)} == {200}
    assert blocked_searches.most == http_search_app.THREADS
    assert (await client.get("/tim?q=a")).status_code == 200


def test_the_page_of_a_rush_is_written_once(tmp_path):
    written = []
    desk = SearchService(tmp_path, lambda view: written.append(view) or b"page")
    assert [desk.respond_busy().body for _ in range(5)] == [b"page"] * 5
    assert len(written) == 1
