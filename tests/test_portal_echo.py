"""An item is delivered once readers can read it, and not before; nothing stops meanwhile."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from channels.base import Outcome, Verdict
from channels.portal import echo
from channels.portal.channel import PortalChannel
from channels.portal.serve import portal_app
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, ROW, WORDS, sent, tree

DELIVERED = Outcome(Verdict.DELIVERED)


@asynccontextmanager
async def served(app):
    """*app* on a port of its own; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def reading_at(folder, address):
    channel = PortalChannel(folder, PUBLIC_URL, WORDS, read_at=address)
    yield channel
    await channel.close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(echo.Echo.__init__, "__defaults__", (0.3,))


class Broken:
    """A web server that answers with an error so many times, and then serves the folder."""

    def __init__(self, folder, times):
        self.app, self.times = portal_app(folder), times

    async def __call__(self, scope, receive, send):
        self.times -= 1
        app = self.app if self.times < 0 else PlainTextResponse("trouble", 502)
        await app(scope, receive, send)


async def test_what_can_be_read_is_delivered(tmp_path):
    async with served(portal_app(tmp_path)) as url, reading_at(tmp_path, url) as channel:
        first = a_publication()
        assert await sent(channel, first) == [DELIVERED]
        again = a_publication(revision=2, action="withdrawn", reason="Đăng nhầm")
        assert await sent(channel, again) == [DELIVERED]


async def test_a_moment_is_waited_for(tmp_path):
    async with served(Broken(tmp_path, 2)) as url, reading_at(tmp_path, url) as channel:
        assert await sent(channel, a_publication()) == [DELIVERED]


@pytest.mark.usefixtures("quick")
async def test_what_nobody_can_read_stays_in_doubt_until_it_can(tmp_path):
    broken, one = Broken(tmp_path, 10**6), a_publication()
    async with served(broken) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await sent(channel, one)
        assert (outcome.verdict, outcome.reason) == (Verdict.DOUBT, "not_seen: HTTP 502")
        assert any("tin/" in path for path in tree(tmp_path))
        broken.times = 0
        async with channel.session() as session:
            assert await session.resolve(channel.render(one), [ROW]) == [DELIVERED]


@pytest.mark.usefixtures("quick")
async def test_while_nothing_comes_back_each_item_is_asked_for_once(tmp_path):
    broken = Broken(tmp_path, 10**6)
    async with served(broken) as url, reading_at(tmp_path, url) as channel:
        await sent(channel, a_publication())
        asked = broken.times
        await sent(channel, *(a_publication(content_id=f"tin-{n}") for n in range(2)))
        assert asked - broken.times == 2


@pytest.mark.usefixtures("quick")
async def test_another_page_than_ours_is_not_ours(tmp_path):
    async with served(PlainTextResponse("welcome")) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await sent(channel, a_publication())
    assert outcome.reason == "not_seen: not the file that was written"


@pytest.mark.usefixtures("quick")
async def test_nobody_there_is_no_crash(tmp_path):
    async with reading_at(tmp_path, "http://127.0.0.1:9") as channel:
        [outcome] = await sent(channel, a_publication())
    assert outcome.verdict is Verdict.DOUBT
