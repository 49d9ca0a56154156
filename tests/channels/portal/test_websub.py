"""WebSub: the hub gets every change of a feed in the end, and deliveries never wait for it."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from lxml import etree

from channels.base import Verdict
from channels.portal import websub
from channels.portal.http.file_app import portal_app
from channels.portal.model.site import Site
from tests.support.feed_rules.check import check_feed
from tests.support.portal_dir import (
    PUBLIC_URL,
    WORDS,
    feed,
    http_client,
    open_portal,
    public_files,
    send_to,
)
from tests.support.publications import a_publication
from tests.support.waiting import until

SLUGS, KINDS = ("tat-ca", "lich-nghi-le", "van-phong-bo", *WORDS.audiences), ("rss", "atom", "json")
FEEDS = {f"{PUBLIC_URL}/nguon-tin/{slug}.{kind}" for slug in SLUGS for kind in KINDS}
NO_ANSWER = 0


class WebSubHub:
    """A local hub that answers with `status`, or for some feeds with `refused`."""

    def __init__(self):
        self.told, self.asked = [], 0
        self.status, self.refused = 204, {}
        self.heard = asyncio.Event()

    async def take(self, request):
        said = await request.post()
        assert said["hub.mode"] == "publish"
        assert said["hub.url"] == said["hub.topic"]
        self.asked += 1
        slug = said["hub.url"].rpartition("/")[2].partition(".")[0]
        status = self.refused.get(slug, self.status)
        if status == NO_ANSWER:
            request.transport.abort()
        if status == 204:
            self.told.append(said["hub.url"])
        self.heard.set()
        return web.Response(status=status)


@pytest.fixture
async def hub():
    hub, app = WebSubHub(), web.Application()
    app.router.add_post("/hub", hub.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    hub.address = f"http://{host}:{port}/hub"
    yield hub
    await runner.cleanup()


def open_channel(folder, hub_address):
    return open_portal(folder, Site(PUBLIC_URL, WORDS, hub_address))


@asynccontextmanager
async def notifying(channel):
    task = asyncio.create_task(channel.notifier.run())
    yield
    task.cancel()


@pytest.fixture
async def channel(tmp_path, hub):
    async with open_channel(tmp_path, hub.address) as channel:
        yield channel


async def test_the_hub_is_told_of_every_feed_that_has_changed(channel, hub):
    await send_to(channel, a_publication())
    assert await channel.notifier.notify_hub() == ""
    assert set(hub.told) == FEEDS and len(hub.told) == len(FEEDS)
    assert await channel.notifier.notify_hub() == ""
    assert len(hub.told) == len(FEEDS), "once"


async def test_an_item_that_moves_changes_both_feeds(channel, hub):
    await send_to(channel, a_publication(), a_publication(revision=2, topic="viec-lam"))
    await channel.notifier.notify_hub()
    for topic in ("lich-nghi-le", "viec-lam"):
        assert f"{PUBLIC_URL}/nguon-tin/{topic}.rss" in hub.told


@pytest.mark.parametrize("status", [302, 404, 503])
async def test_a_hub_that_refuses_is_told_later(tmp_path, channel, hub, status):
    hub.status = status
    [outcome] = await send_to(channel, a_publication())
    assert outcome.verdict is Verdict.DELIVERED
    assert await channel.notifier.notify_hub() == f"HTTP {status}"
    async with open_channel(tmp_path, hub.address) as again:  # a new process
        hub.status = 204
        assert await again.notifier.notify_hub() == ""
        assert set(hub.told) == FEEDS


async def test_a_hub_that_is_away_holds_nothing_up(tmp_path):
    async with open_channel(tmp_path, "http://127.0.0.1:1/hub") as channel:
        [outcome] = await send_to(channel, a_publication())
        assert outcome.verdict is Verdict.DELIVERED
        assert await channel.notifier.notify_hub() == "ClientConnectorError"


async def test_the_task_tells_at_once_and_tries_again_after_a_failure(channel, hub):
    hub.status, channel.notifier.first_retry_s = 500, 0.01
    async with notifying(channel):
        await send_to(channel, a_publication())
        await hub.heard.wait()
        hub.status = 204
        await until(lambda: set(hub.told) == FEEDS)
        hub.told.clear()
        await send_to(channel, a_publication(content_id="khac"))
        await until(lambda: set(hub.told) == FEEDS)


async def test_a_change_while_the_hub_is_told_is_told_again(channel):
    await send_to(channel, a_publication())
    turns = dict(channel._writer.unannounced_feeds())
    await send_to(channel, a_publication(content_id="khac"))
    channel._writer.mark_announced("tat-ca", turns["tat-ca"])
    assert "tat-ca" in dict(channel._writer.unannounced_feeds())


OTHERS = {one for one in FEEDS if "/can-bo." not in one}
"""All feeds but that of the first slug by name."""


@pytest.mark.parametrize("status", [404, 503, NO_ANSWER])
async def test_a_feed_that_the_hub_refuses_blocks_no_other(channel, hub, status):
    hub.refused = {"can-bo": status}
    await send_to(channel, a_publication())
    assert await channel.notifier.notify_hub() != ""
    await channel.notifier.notify_hub()
    assert set(hub.told) == OTHERS
    assert [slug for slug, _ in channel._writer.unannounced_feeds()] == ["can-bo"]


async def test_news_of_other_feeds_does_not_wait_for_one_that_is_refused(channel, hub):
    hub.refused = {"can-bo": 403}
    async with notifying(channel):
        await send_to(channel, a_publication())
        await until(lambda: set(hub.told) == OTHERS)
        hub.told.clear()
        await send_to(channel, a_publication(content_id="khac"))
        await until(lambda: set(hub.told) == OTHERS)


async def test_a_refused_feed_is_asked_again_after_pauses_that_grow_up_to_ten_minutes(channel, hub):
    notifier, now, pauses = channel.notifier, [0.0], []
    hub.refused, notifier.clock = {"can-bo": 500}, lambda: now[0]
    await send_to(channel, a_publication())
    await notifier.notify_hub()
    for _ in range(10):
        asked, due = hub.asked, notifier.backoffs["can-bo"].due
        pauses.append(due - now[0])
        assert notifier.wait_s == min(due - now[0], websub.POLL_S)
        now[0] = due - 0.01
        assert await notifier.notify_hub() == ""
        assert hub.asked == asked, "not before"
        now[0] += 0.02
        assert await notifier.notify_hub() == "HTTP 500"
    assert [round(pause) for pause in pauses[:4]] == [5, 10, 20, 40]
    assert max(pauses) == pytest.approx(websub.RETRY_MAX_S)
    hub.refused = {}
    now[0] += websub.RETRY_MAX_S
    assert await notifier.notify_hub() == ""
    assert set(hub.told) == FEEDS
    assert notifier.wait_s == websub.POLL_S


async def test_an_index_that_cannot_be_had_ends_no_task(tmp_path):
    async def away():
        raise OSError("folder_busy")

    herald = websub.WebSubNotifier(None, away, None)
    assert await herald.notify_hub() == "OSError"
    assert herald.wait_s == websub.POLL_S


HUB = "https://hub.example.vn/?a=1&b=2"


async def test_feeds_name_the_hub_in_the_document_and_in_a_header(tmp_path):
    async with open_channel(tmp_path, HUB) as channel:
        await send_to(channel, a_publication())
    for path, data in public_files(tmp_path).items():
        if path.endswith(("rss", "atom", "json")):
            assert check_feed(data, f"{PUBLIC_URL}/{path}") == []
    hubs = json.loads(feed(tmp_path, "tat-ca.json"))["hubs"]
    assert hubs == [{"type": "WebSub", "url": HUB}]
    for kind in ("rss", "atom"):
        links = etree.fromstring(feed(tmp_path, f"tat-ca.{kind}")).iter("{*}link")
        assert [one.get("href") for one in links if one.get("rel") == "hub"] == [HUB]
    async with http_client(portal_app(tmp_path)) as client:
        for kind in ("rss", "atom", "json"):
            answer = await client.get(f"/nguon-tin/tat-ca.{kind}")
            assert answer.links["hub"]["url"] == HUB
            assert answer.links["self"]["url"] == f"{PUBLIC_URL}/nguon-tin/tat-ca.{kind}"
        assert "link" not in (await client.get("/")).headers


async def test_without_a_hub_nobody_is_told(tmp_path):
    async with open_portal(tmp_path) as channel:
        await send_to(channel, a_publication())
        assert channel.notifier is None
        assert channel._writer.unannounced_feeds() == []
