"""The fast path answers without a task, and its bytes on the wire are those of the slow one."""

import asyncio
import re
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from channels.portal.http import file_cache
from channels.portal.http.file_app import portal_app
from consumers.app.web.protocol import PIPELINE_MAX, BoundedHttpProtocol
from consumers.app.web.server import AppRouter
from tests.consumers.app.test_protocol import answer, serving
from tests.support.portal_dir import publish
from tests.support.publications import a_publication
from tests.support.waiting import until

FEED = "/nguon-tin/tat-ca.rss"
BIG = 800_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    gone = a_publication(content_id="rut", action="withdrawn", revision=2, reason="Nhầm")
    publish(folder, a_publication(), gone)
    (folder / "public/lon.css").write_bytes(b"x" * BIG)
    (folder / "public/kem.css").write_bytes(b"")
    return folder


@pytest.fixture(autouse=True)
def long_memory(monkeypatch):
    """Files stay fresh for as long as a test takes on a busy machine."""
    monkeypatch.setattr(file_cache, "FRESH_S", 600.0)


class SlowApp:
    """Answers when it may."""

    def __init__(self):
        self.may, self.asked = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.asked.set()
        await self.may.wait()
        head = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"slow"})


@asynccontextmanager
async def portal(folder, slow=None):
    """A server, the way to connect to it, and its faces; the slow one is `/cham`."""
    faces = AppRouter()
    faces.add(portal_app(folder))
    faces.add(slow or SlowApp(), "cham")
    async with serving(faces) as running:
        yield running


@pytest.fixture
def tasks_made(monkeypatch):
    """How many answers were given at once."""
    noted, real = [], BoundedHttpProtocol.write_answer

    def give(self, *what):
        noted.append(what)
        real(self, *what)

    monkeypatch.setattr(BoundedHttpProtocol, "write_answer", give)
    return noted


def request(path=FEED, *lines, method="GET", version="1.1"):
    head = (f"{method} {path} HTTP/{version}", "Host: x", *lines)
    return "".join(f"{line}\r\n" for line in (*head, "")).encode()


async def said(address, *requests):
    """Bytes that come over the wire; the last request asks to have the connection closed."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"".join(requests) + request("/robots.txt", "Connection: close"))
    async with asyncio.timeout(10):
        whole = await reader.read()
    writer.close()
    return re.sub(rb"date: [^\r]+", b"date: now", whole)


SINCE = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"
ASKED = {
    "a feed": request(),
    "its head": request(method="HEAD"),
    "nothing new": request(FEED, SINCE),
    "nothing new, head": request(FEED, "If-None-Match: *", method="HEAD"),
    "a page": request("/"),
    "with a query": request("/?a=b"),
    "escaped": request("/nguon-tin/tat%2Dca.rss"),
    "withdrawn": request("/tin/rut"),
    "empty": request("/kem.css"),
    "the missing page": request("/404.html"),
    "big": request("/lon.css"),
    "a body nobody reads": request(FEED, "Content-Length: 3") + b"abc",
    "a body that is asked for": request(FEED, "Expect: 100-continue", "Content-Length: 3") + b"abc",
}
OTHERS = {
    "unknown": request("/khong-co"),
    "refused": request(method="POST"),
    "no path": request("*", method="OPTIONS"),
    "last": request(FEED, "Connection: close"),
    "old": request(version="1.0"),
    "outside": request("/../state/index.sqlite"),
}


@pytest.mark.parametrize("asked", [*ASKED, *OTHERS])
async def test_the_same_bytes_as_through_the_app(folder, tasks_made, monkeypatch, asked):
    wire = (ASKED | OTHERS)[asked]
    async with portal(folder) as (_, address):
        await said(address, wire)  # what was never asked for is not at hand
        tasks_made.clear()
        quick = await said(address, wire)
        assert len(tasks_made) == (1 if asked in ASKED else 0)
        monkeypatch.setattr(BoundedHttpProtocol, "answer_at_once", lambda _: False)
        assert await said(address, wire) == quick


async def test_a_changed_file_is_given_from_memory_for_a_moment_at_most(
    tmp_path, tasks_made, monkeypatch
):
    publish(tmp_path, a_publication())
    async with portal(tmp_path) as (_, address):
        first = [await said(address, request()) for _ in range(2)]
        assert first[0] == first[1] and len(tasks_made) == 1
        publish(tmp_path, a_publication(content_id="khac"))
        tasks_made.clear()
        later = monotonic() + file_cache.FRESH_S
        monkeypatch.setattr(file_cache, "monotonic", lambda: later)
        assert (await said(address, request())).count(b"<item>") == 2
        assert tasks_made == []


async def test_many_readers_of_a_feed_cost_no_look_at_the_disk_each(folder, monkeypatch):
    looks = []
    monkeypatch.setattr(file_cache, "_stamp_at", looks.append)
    async with portal(folder) as (_, address):
        for _ in range(20):
            await said(address, request())
    assert looks.count(f"{folder}/public{FEED}") == 0, "the first one reads it"


async def test_what_waits_behind_a_slow_answer_comes_in_order(folder, tasks_made):
    slow = SlowApp()
    async with portal(folder, slow) as (_, address):
        await said(address, request())
        tasks_made.clear()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(
            request() + request("/cham/a") + request() * (PIPELINE_MAX - 2) + request("/cham/b")
        )
        first = await answer(reader)
        await slow.asked.wait()
        slow.may.set()
        rest = [await answer(reader) for _ in range(PIPELINE_MAX)]
        writer.close()
    assert [rest[0][1], rest[-1][1]] == [b"slow", b"slow"]
    assert {*rest[1:-1]} == {first}
    assert tasks_made, "the first one was at hand"


async def test_who_does_not_read_fills_no_memory(folder, tasks_made):
    """The line's own limit holds: what is over it waits as a request, not as an answer."""
    async with portal(folder) as (server, address):
        await said(address, request("/lon.css"))
        reader, writer = await asyncio.open_connection(*address, limit=1024)
        writer.write(request("/lon.css") * PIPELINE_MAX)
        await until(lambda: any(one.flow.write_paused for one in server.server_state.connections))
        (connection,) = server.server_state.connections
        assert connection.transport.get_write_buffer_size() <= BIG + 2 * 65536
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 OK" in head
        for _ in range(PIPELINE_MAX - 1):
            await reader.readexactly(BIG)
            await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(BIG) == b"x" * BIG
        writer.close()


async def test_a_connection_that_is_idle_is_closed_as_always(folder, tasks_made):
    async with portal(folder) as (server, address):
        await said(address, request())
        server.config.timeout_keep_alive = 0.1
        reader, writer = await asyncio.open_connection(*address)
        writer.write(request())
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
    assert tasks_made


async def test_where_requests_are_noted_none_is_passed_by(folder, tasks_made, monkeypatch):
    async with portal(folder) as (_, address):
        await said(address, request())
        tasks_made.clear()
        real = BoundedHttpProtocol.__init__

        def noting(self, *some, **named):
            real(self, *some, **named)
            self.access_log = True

        monkeypatch.setattr(BoundedHttpProtocol, "__init__", noting)
        await said(address, request())
    assert tasks_made == []


async def test_the_timer_of_an_idle_connection_counts_from_the_last_answer(folder, tasks_made):
    async with portal(folder) as (server, address):
        await said(address, request())
        reader, writer = await asyncio.open_connection(*address)
        writer.write(request())
        await answer(reader)
        (connection,) = server.server_state.connections
        connection.timeout_keep_alive_handler()  # of an earlier answer
        assert connection.timeout_keep_alive_task and not connection.transport.is_closing()
        connection.timeout_keep_alive = 0
        connection.timeout_keep_alive_handler()
        assert await reader.read() == b""
        writer.close()


async def test_a_request_under_way_outlives_the_timer(folder):
    slow = SlowApp()
    async with portal(folder, slow) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(request() + request("/cham/a"))
        await answer(reader)
        await slow.asked.wait()
        (connection,) = server.server_state.connections
        connection.timeout_keep_alive = 0
        connection.timeout_keep_alive_handler()
        slow.may.set()
        assert (await answer(reader))[1] == b"slow"
        writer.close()
