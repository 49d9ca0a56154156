"""Readback: an item is delivered when readers can read it; other work goes on meanwhile."""

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from channels.base import Outcome, Verdict
from channels.portal import readback
from channels.portal.channel import PortalChannel
from channels.portal.http.file_app import portal_app
from channels.portal.index import listings
from consumers.app.wiring.portal import open_portal_channel
from consumers.channel_health.canary.settings import CanarySettings
from tests.support.portal_dir import PUBLIC_URL, ROW, WORDS, feed, public_files, publish, send_to
from tests.support.publications import RELEASED_AT, a_publication

DELIVERED = Outcome(Verdict.DELIVERED)


@asynccontextmanager
async def served(app):
    """Serve *app* on a port of its own; yields its address."""
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
    channel = PortalChannel(folder, PUBLIC_URL, WORDS, readback_url=address)
    yield channel
    await channel.close()


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(readback.Readback.__init__, "__defaults__", (0.3,))


class FailingServer:
    """A web server that fails a number of times and then serves the folder."""

    def __init__(self, folder, times):
        self.app, self.times = portal_app(folder), times

    async def __call__(self, scope, receive, send):
        self.times -= 1
        app = self.app if self.times < 0 else PlainTextResponse("trouble", 502)
        await app(scope, receive, send)


async def test_what_can_be_read_is_delivered(tmp_path):
    async with served(portal_app(tmp_path)) as url, reading_at(tmp_path, url) as channel:
        first = a_publication()
        assert await send_to(channel, first) == [DELIVERED]
        again = a_publication(revision=2, action="withdrawn", reason="Đăng nhầm")
        assert await send_to(channel, again) == [DELIVERED]


async def test_a_moment_is_waited_for(tmp_path):
    async with served(FailingServer(tmp_path, 2)) as url, reading_at(tmp_path, url) as channel:
        assert await send_to(channel, a_publication()) == [DELIVERED]


@pytest.mark.usefixtures("short_waits")
async def test_what_nobody_can_read_stays_in_doubt_until_it_can(tmp_path):
    broken, one = FailingServer(tmp_path, 10**6), a_publication()
    async with served(broken) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await send_to(channel, one)
        assert (outcome.verdict, outcome.reason) == (Verdict.DOUBT, "not_seen: HTTP 502")
        assert any("tin/" in path for path in public_files(tmp_path))
        broken.times = 0
        async with channel.session() as session:
            assert await session.resolve(channel.render(one), [ROW]) == [DELIVERED]


@pytest.mark.usefixtures("short_waits")
async def test_while_nothing_comes_back_each_item_is_asked_for_once(tmp_path):
    broken = FailingServer(tmp_path, 10**6)
    async with served(broken) as url, reading_at(tmp_path, url) as channel:
        await send_to(channel, a_publication())
        asked = broken.times
        await send_to(channel, *(a_publication(content_id=f"tin-{n}") for n in range(2)))
        assert asked - broken.times == 2


class StaleCache:
    """A cache in front of the folder that keeps an old copy of one path."""

    def __init__(self, folder, path, kept):
        self.app, self.path = portal_app(folder), path
        self.kept = PlainTextResponse(kept)

    async def __call__(self, scope, receive, send):
        app = self.kept if scope["path"] == self.path else self.app
        await app(scope, receive, send)


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("slug", ["tat-ca", "lich-nghi-le"])
async def test_a_feed_without_the_item_delivers_nothing(tmp_path, slug):
    publish(tmp_path)
    old = feed(tmp_path, f"{slug}.atom")
    behind = StaleCache(tmp_path, f"/nguon-tin/{slug}.atom", old)
    async with served(behind) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await send_to(channel, a_publication())
    assert outcome.verdict is Verdict.DOUBT
    assert outcome.reason == f"not_seen: {slug}.atom: without the item"


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("slug", ["tat-ca", "lich-nghi-le"])
async def test_a_feed_with_an_earlier_position_delivers_nothing(tmp_path, slug):
    publish(tmp_path, a_publication())
    old = feed(tmp_path, f"{slug}.atom")
    behind = StaleCache(tmp_path, f"/nguon-tin/{slug}.atom", old)
    later = RELEASED_AT + timedelta(hours=1)
    change = a_publication(revision=2, action="withdrawn", reason="Nhầm", released_at=later)
    async with served(behind) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await send_to(channel, change)
    assert outcome.reason == f"not_seen: {slug}.atom: an earlier position"


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("body", [b"welcome", b"", b"<feed", b"<feed><entry/></feed>"])
async def test_a_feed_that_is_none_delivers_nothing(tmp_path, body):
    behind = StaleCache(tmp_path, "/nguon-tin/tat-ca.atom", body)
    async with served(behind) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await send_to(channel, a_publication())
    assert outcome.reason == "not_seen: tat-ca.atom: without the item"


async def test_a_feed_that_has_grown_meanwhile_has_the_item_too(tmp_path):
    """The pages of another process; the served files need not be ours."""
    first, other = a_publication(), a_publication(content_id="tin-khac")
    publish(tmp_path / "far", first, other)
    newer = feed(tmp_path / "far", "tat-ca.atom")
    behind = StaleCache(tmp_path / "near", "/nguon-tin/tat-ca.atom", newer)
    async with served(behind) as url, reading_at(tmp_path / "near", url) as channel:
        assert await send_to(channel, first) == [DELIVERED]


@pytest.mark.usefixtures("short_waits")
async def test_an_item_that_is_too_old_for_the_feed_is_sought_in_its_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(listings, "FEED_LIMIT", 5)
    days = [RELEASED_AT + timedelta(days=n) for n in range(12)]
    items = [
        a_publication(content_id=f"tin-{n}", first_released_at=at, released_at=at)
        for n, at in enumerate(days)
    ]
    publish(tmp_path, *items[1:])
    async with served(portal_app(tmp_path)) as url, reading_at(tmp_path, url) as channel:
        assert await send_to(channel, items[0]) == [DELIVERED]
    (tmp_path / "public/nguon-tin/lich-nghi-le/2026-11.atom").write_bytes(b"")
    async with served(portal_app(tmp_path)) as url, reading_at(tmp_path, url) as channel:
        seen = await channel._readback.find_failure(
            items[0], channel._writer.atom_documents(items[0])
        )
    assert seen == "lich-nghi-le/2026-11.atom: without the item"


@pytest.mark.usefixtures("short_waits")
async def test_another_page_than_ours_is_not_ours(tmp_path):
    async with served(PlainTextResponse("welcome")) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await send_to(channel, a_publication())
    assert outcome.reason == "not_seen: not the file that was written"


@pytest.mark.usefixtures("short_waits")
async def test_nobody_there_is_no_crash(tmp_path):
    async with reading_at(tmp_path, "http://127.0.0.1:9") as channel:
        [outcome] = await send_to(channel, a_publication())
    assert outcome.verdict is Verdict.DOUBT


@pytest.mark.parametrize(
    ("public_url", "canary", "asked_for", "read_at"),
    [
        ("https://tin.vn", {}, "", "https://tin.vn"),
        ("https://tin.vn", {"every_s": 0}, "", "https://tin.vn"),
        ("https://tin.vn", {"channels": "email"}, "", "https://tin.vn"),
        ("https://tin.vn", {"url": "http://portal:8080", "every_s": 0}, "", "http://portal:8080"),
        ("", {"url": "http://portal:8080"}, "1", "http://portal:8080"),
        ("https://tin.vn", {}, "0", None),
        ("", {}, "", None),
    ],
)
async def test_items_are_read_back_wherever_there_is_an_address_unless_that_is_switched_off(
    tmp_path, monkeypatch, public_url, canary, asked_for, read_at
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOA_PORTAL_READ_BACK", asked_for)
    node = SimpleNamespace(
        settings=SimpleNamespace(portal_dir=tmp_path, public_url=public_url),
        canary_settings=CanarySettings(**canary),
        public_url=public_url or "http://127.0.0.1:8080",
        vocabulary=WORDS,
        bus=None,
        clock=None,
    )
    channel = open_portal_channel(node)
    assert (channel._readback and channel._readback._address) == read_at
    await channel.close()
