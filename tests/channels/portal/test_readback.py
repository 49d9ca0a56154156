"""Readback: an item is delivered when readers can read it; other work goes on meanwhile."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from starlette.responses import PlainTextResponse

from channels.base import Canary, Outcome, Verdict
from channels.email.settings import EmailSettings
from channels.portal import readback
from channels.portal.channel import PortalChannel
from channels.portal.http.file_app import portal_app
from channels.portal.index import listings
from channels.portal.writer.writer import RETRY_S
from consumers.app.wiring.portal import open_portal_channel
from consumers.channel_health.breaker import score_window
from consumers.channel_health.canary.settings import CanarySettings
from consumers.runtime.lanes import LaneSemaphore
from contracts.delivery import Lane
from tests.support.endless_server import endless_server
from tests.support.portal_dir import ROW, WORDS, feed, open_portal, public_files, publish, send_to
from tests.support.publications import RELEASED_AT, a_publication, numbered_publication
from tests.support.signup_app import serve_app
from tests.support.waiting import until

DELIVERED = Outcome(Verdict.DELIVERED)


def reading_at(folder, address):
    return open_portal(folder, readback_url=address)


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(readback, "_WAIT_MAX_S", 0.3)


class FailingServer:
    """A web server that fails a number of times and then serves the folder."""

    def __init__(self, folder, times):
        self.app, self.times = portal_app(folder), times

    async def __call__(self, scope, receive, send):
        self.times -= 1
        app = self.app if self.times < 0 else PlainTextResponse("trouble", 502)
        await app(scope, receive, send)


async def test_what_can_be_read_is_delivered(tmp_path):
    async with serve_app(portal_app(tmp_path)) as url, reading_at(tmp_path, url) as channel:
        first = a_publication()
        assert await send_to(channel, first) == [DELIVERED]
        again = a_publication(revision=2, action="withdrawn", reason="Đăng nhầm")
        assert await send_to(channel, again) == [DELIVERED]


async def test_a_check_that_broke_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(readback, "_PATIENCE_S", 0)
    reports = []

    async def report(reason):
        reports.append(reason)
        if len(reports) == 1:
            raise ValueError("a record that this version can't read")

    async with (
        serve_app(portal_app(tmp_path)) as url,
        open_portal(tmp_path, readback_url=url, report_readback=report) as channel,
    ):
        for number in (1, 2):
            [outcome] = await send_to(channel, a_publication())
            assert outcome.verdict is Verdict.DOUBT
            await until(lambda number=number: len(reports) == number)
            await until(lambda: not channel._readback._running_checks())
            if number == 1:
                with pytest.raises(ValueError, match="a record"):
                    await send_to(channel, a_publication())
        assert await send_to(channel, a_publication()) == [DELIVERED]


async def test_a_moment_is_waited_for(tmp_path):
    async with serve_app(FailingServer(tmp_path, 2)) as url, reading_at(tmp_path, url) as channel:
        assert await send_to(channel, a_publication()) == [DELIVERED]


@pytest.mark.usefixtures("short_waits")
async def test_what_nobody_can_read_stays_in_doubt_until_it_can(tmp_path):
    broken, one = FailingServer(tmp_path, 10**6), a_publication()
    async with serve_app(broken) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await send_to(channel, one)
        assert (outcome.verdict, outcome.reason) == (Verdict.DOUBT, "not_seen: HTTP 502")
        assert any("tin/" in path for path in public_files(tmp_path))
        broken.times, channel._readback._next_probe_at = 0, 0.0
        async with channel.session() as session:
            assert await session.resolve(channel.render(one), [ROW]) == [DELIVERED]


@pytest.mark.usefixtures("short_waits")
async def test_while_nothing_comes_back_one_item_is_looked_for_now_and_then(tmp_path, monkeypatch):
    broken = FailingServer(tmp_path, 10**6)
    async with serve_app(broken) as url, reading_at(tmp_path, url) as channel:
        await send_to(channel, a_publication())
        asked = broken.times
        items = [a_publication(content_id=f"tin-{number}") for number in range(5)]
        outcomes = await send_to(channel, *items[:4])
        assert asked == broken.times
        channel._readback._next_probe_at = 0.0
        outcomes += await send_to(channel, items[4])
        assert asked - broken.times == 1
    assert {one.reason for one in outcomes} == {"not_seen: HTTP 502"}


class SilentServer:
    """A web server that takes requests and answers none before its end."""

    def __init__(self):
        self.asked, self.ended = 0, asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.asked += 1
        await self.ended.wait()
        await PlainTextResponse("late", 503)(scope, receive, send)


@asynccontextmanager
async def silent_server():
    """A silent server and its address; it waits for none of its requests when it stops."""
    silent = SilentServer()
    async with serve_app(silent) as url:
        try:
            yield silent, url
        finally:
            silent.ended.set()


async def test_no_item_waits_for_the_readback_of_another(tmp_path, monkeypatch):
    monkeypatch.setattr(readback, "_READ_TIMEOUT_S", 3600.0)
    monkeypatch.setattr(readback, "_PATIENCE_S", 0.05)
    items = [a_publication(content_id=f"tin-{number}") for number in range(13)]
    async with silent_server() as (silent, url), reading_at(tmp_path, url) as channel:
        async with asyncio.timeout(60):
            outcomes = await send_to(channel, *items)
        assert {one.verdict for one in outcomes} == {Verdict.DOUBT}
        assert all(f"tin/{item.content_id}/index.html" in public_files(tmp_path) for item in items)
        assert 1 <= silent.asked <= readback._PARALLEL_CHECKS
        assert score_window(outcomes) is True, "the portal works; its address does not"


async def test_a_canary_that_waits_to_be_read_back_leaves_a_place_for_items(tmp_path):
    lanes = LaneSemaphore(PortalChannel.connections)
    async with silent_server() as (_, url), open_portal(tmp_path) as channel:
        probing = asyncio.create_task(probe_on_a_place(lanes, channel, url))
        await until(lambda: lanes.running)
        async with asyncio.timeout(5), lanes.acquire(Lane.NORMAL):
            assert await send_to(channel, a_publication()) == [DELIVERED]
        assert not probing.done()
        probing.cancel()
        await asyncio.wait({probing})


async def probe_on_a_place(lanes, channel, url):
    """As the worker does with a canary."""
    async with lanes.acquire(Lane.URGENT), channel.session() as session:
        await session.probe(Canary(1, RELEASED_AT, url))


async def test_what_is_seen_later_is_delivered_when_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(readback, "_PATIENCE_S", 0.0)
    async with serve_app(portal_app(tmp_path)) as url, reading_at(tmp_path, url) as channel:
        one = a_publication()
        [written] = await send_to(channel, one)
        assert (written.verdict, written.reason) == (Verdict.DOUBT, "not_seen: not read yet")
        await asyncio.wait(channel._readback._checks.values())
        async with channel.session() as session:
            assert await session.resolve(channel.render(one), [ROW]) == [DELIVERED]


@pytest.mark.usefixtures("short_waits")
async def test_an_address_that_fails_for_long_is_asked_less_often(tmp_path):
    async with reading_at(tmp_path, "http://127.0.0.1:9") as channel:
        await send_to(channel, a_publication())
        channel._readback._failing_since -= 86400
        waits = {channel._readback.retry_after_s(numbered_publication(n)) for n in range(50)}
    assert 600 < min(waits) < max(waits) <= 2700
    assert len(waits) > 40, "not all at once"


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
@pytest.mark.parametrize(
    ("before", "reason"), [((), "without the item"), ((a_publication(),), "an earlier position")]
)
async def test_an_old_feed_delivers_nothing(tmp_path, slug, before, reason):
    publish(tmp_path, *before)
    behind = StaleCache(tmp_path, f"/nguon-tin/{slug}.atom", feed(tmp_path, f"{slug}.atom"))
    later = RELEASED_AT + timedelta(hours=1)
    change = a_publication(revision=2, action="withdrawn", reason="Nhầm", released_at=later)
    async with serve_app(behind) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await send_to(channel, change)
    assert outcome == Outcome(Verdict.DOUBT, f"not_seen: {slug}.atom: {reason}", RETRY_S)


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("body", [b"welcome", b"", b"<feed", b"<feed><entry/></feed>"])
async def test_a_feed_that_is_none_delivers_nothing(tmp_path, body):
    behind = StaleCache(tmp_path, "/nguon-tin/tat-ca.atom", body)
    async with serve_app(behind) as url, reading_at(tmp_path, url) as channel:
        [outcome] = await send_to(channel, a_publication())
    assert outcome.reason == "not_seen: tat-ca.atom: without the item"


async def test_a_feed_that_has_grown_meanwhile_has_the_item_too(tmp_path):
    """The pages of another process; the served files need not be ours."""
    first, other = a_publication(), a_publication(content_id="tin-khac")
    publish(tmp_path / "far", first, other)
    newer = feed(tmp_path / "far", "tat-ca.atom")
    behind = StaleCache(tmp_path / "near", "/nguon-tin/tat-ca.atom", newer)
    async with serve_app(behind) as url, reading_at(tmp_path / "near", url) as channel:
        assert await send_to(channel, first) == [DELIVERED]


@pytest.mark.usefixtures("short_waits")
async def test_an_item_that_is_too_old_for_the_feed_is_sought_in_its_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(listings, "FEED_LIMIT", 5)
    items = [numbered_publication(n, pause=timedelta(days=1)) for n in range(12)]
    publish(tmp_path, *items[1:])
    async with serve_app(portal_app(tmp_path)) as url, reading_at(tmp_path, url) as channel:
        assert await send_to(channel, items[0]) == [DELIVERED]
    (tmp_path / "public/nguon-tin/lich-nghi-le/2026-11.atom").write_bytes(b"")
    async with serve_app(portal_app(tmp_path)) as url, reading_at(tmp_path, url) as channel:
        feeds = channel._writer.atom_documents(items[0])
        seen = await channel._readback.find_failure(items[0], feeds)
    assert seen == "lich-nghi-le/2026-11.atom: without the item"


@pytest.mark.usefixtures("short_waits")
async def test_another_page_than_ours_is_not_ours(tmp_path):
    async with serve_app(PlainTextResponse("welcome")) as url, reading_at(tmp_path, url) as channel:
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
    settings = SimpleNamespace(portal_dir=tmp_path, public_url=public_url)
    url, canaries = public_url or "http://127.0.0.1:8080", CanarySettings(**canary)
    node = SimpleNamespace(settings=settings, canary_settings=canaries, public_url=url)
    node.vocabulary, node.bus, node.clock, node.email = WORDS, None, None, EmailSettings()
    channel = open_portal_channel(node)
    assert (channel._readback and channel._readback._address) == read_at
    await channel.close()


@pytest.mark.usefixtures("short_waits")
async def test_an_address_that_serves_without_end_costs_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(readback, "_BODY_MAX_BYTES", 1 << 20, raising=False)
    async with endless_server() as server, reading_at(tmp_path, server.url) as channel:
        [outcome] = await send_to(channel, a_publication())
    assert outcome.reason == "not_seen: not the file that was written"
    assert server.sent < 32 << 20, "what fits into the sockets, some times"
