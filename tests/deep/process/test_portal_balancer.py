"""A real nginx in front of three web servers of one portal, as docs/portal.md sets it."""

import os
import threading
from contextlib import ExitStack, contextmanager

import httpx2
import pytest
import uvicorn

from channels.portal.http.file_app import portal_app
from consumers.app.web.server import bind_socket
from tests.support import requirements
from tests.support.nginx import balancer
from tests.support.portal_dir import CORRECTED, FIRST, publish
from tests.support.sample_portal import address_of

PATHS = ("/", "/tin/lich-nghi-tet-2027", "/nguon-tin/tat-ca.atom", "/sitemap.xml")
REQUESTS = 12


@contextmanager
def serving(app, bound):
    config = uvicorn.Config(app, log_level="critical", lifespan="off", interface="asgi3")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


class WebServer:
    """A web server with a folder of its own, which counts what it is asked."""

    def __init__(self, folder, stack):
        self.folder, self.is_old, self.asked = folder, False, 0
        publish(folder, FIRST, CORRECTED)
        bound = stack.enter_context(bind_socket("127.0.0.1", 0))
        self.url = address_of(bound)
        self.app = portal_app(folder, is_old=lambda: self.is_old)
        stack.enter_context(serving(self.count, bound))

    async def count(self, scope, receive, send):
        self.asked += 1
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    requirements.nginx()
    with ExitStack() as stack:
        yield [WebServer(tmp_path_factory.mktemp("web"), stack) for _ in range(3)]


@pytest.fixture
def reader(servers, tmp_path):
    """A reader's client of the balancer; each test has a balancer that knows of no failure yet."""
    for one in servers:
        one.is_old, one.asked = False, 0
    places = [one.url.removeprefix("http://") for one in servers]
    with (
        balancer(tmp_path, *places) as url,
        httpx2.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def test_a_tag_of_one_server_is_that_of_all(servers, reader):
    """Whenever each has written the file."""
    for number, one in enumerate(servers):
        for file in (one.folder / "public").rglob("*.*"):
            os.utime(file, (number * 1000, number * 1000))
    for path in PATHS:
        answers = [httpx2.get(f"{one.url}{path}", timeout=60) for one in servers]
        (tag,) = {answer.headers["etag"] for answer in answers}
        again = reader.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.headers["etag"]) == (304, tag)


def test_a_reader_stays_at_one_server(servers, reader):
    for path in PATHS * (REQUESTS // len(PATHS)):
        assert reader.get(path).status_code == 200
    assert sorted(one.asked for one in servers) == [0, 0, REQUESTS]


def test_a_reader_is_sent_to_no_server_that_is_behind(servers, reader):
    """One of the two others is behind as well: the third answers, be it asked first or last."""
    assert reader.get("/").status_code == 200
    (own,) = (one for one in servers if one.asked)
    last = next(one for one in servers if one is not own)
    for one in servers:
        one.is_old = one is not last
    assert [reader.get(path).status_code for path in PATHS] == [200] * len(PATHS)
    assert last.asked == len(PATHS)


def test_where_all_are_behind_the_reader_is_told_to_come_again(servers, reader):
    for one in servers:
        one.is_old = True
    answer = reader.get("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_what_only_the_portal_itself_has_is_asked_of_it(servers, reader):
    for path in ("/nguon-tin/kiem-tra/tin.atom", f"/anh/{'0a' * 32}.jpg"):
        assert reader.get(path).status_code == 404
    assert [one.asked for one in servers] == [2, 0, 0]
