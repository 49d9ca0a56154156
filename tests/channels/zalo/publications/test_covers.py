"""An article's cover: our copy of the item's picture, fetched once, and never waited for long."""

import threading
from dataclasses import replace
from functools import cache
from io import BytesIO

import pytest
import structlog
from PIL import Image

from channels.base import Verdict
from channels.fetch.fetcher import Fetcher
from channels.portal.storage.pictures import PictureStore
from channels.zalo.publications import cover_image, covers
from channels.zalo.publications.covers import RETRY_DELAYS_S
from tests.support.picture_server import open_picture_server
from tests.support.publications import a_publication
from tests.support.zalo_account import (
    SITE,
    SimulatedKill,
    deliver_row,
    kill_at,
    open_zalo_account,
    sample_correction,
    sample_withdrawal,
    silence_at,
)

ITEM = "lich-nghi-tet-2027"
MINUTES_S = 60.0


@cache
def png(color=(200, 30, 30)) -> bytes:
    file = BytesIO()
    Image.new("RGB", (1280, 720), color).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
async def server():
    async with open_picture_server() as server:
        server.serve("/bia.png", png())
        yield server


def copying(account, server, folder) -> None:
    """Every process from now on copies covers to *folder*; the server is the only way out."""
    real = account.new_channel

    def start():
        channel = real()
        channel.articles.covers.fetcher = Fetcher(server.gate())
        return channel

    account.elsewhere = replace(account.stores, covers=PictureStore(folder))
    account.new_channel = start
    account.new_channel()


@pytest.fixture
async def zalo_account(tmp_path, clock, server):
    async with open_zalo_account(tmp_path / "sandbox", clock) as account:
        copying(account, server, tmp_path / "portal")
        yield account


def item(server, path="/bia.png", **changes):
    return a_publication(cover={"url": server.url(path), "alt": "Bìa"}, **changes)


def shown(account) -> str:
    """The cover that the public sees."""
    [article] = account.visible
    return article.payload["cover"]["photo_url"]


def copy_of(account, tmp_path) -> Image.Image:
    home = f"{SITE.public_url}/"
    assert shown(account).startswith(f"{home}anh/")
    path = shown(account).removeprefix(home)
    return Image.open(BytesIO((tmp_path / "portal" / "public" / path).read_bytes()))


async def test_an_article_has_our_copy_of_the_items_picture(zalo_account, server, tmp_path):
    with structlog.testing.capture_logs() as logs:
        assert (await zalo_account.send(item(server))).verdict is Verdict.DELIVERED
    copy = copy_of(zalo_account, tmp_path)
    assert (copy.format, copy.size) == ("JPEG", (1200, 675))
    created, updated = (
        fact["payload"]["cover"]["photo_url"]
        for fact in zalo_account.sandbox.world.journal.facts()
        if fact["kind"].startswith("article")
    )
    assert created == updated == shown(zalo_account)
    assert "zalo_cover_copied" in [line["event"] for line in logs]
    assert "127.0.0.1" not in str(logs)


async def test_it_is_fetched_once_however_often_the_article_is_worked_on(zalo_account, server):
    zalo_account.set_rules(processing=9)
    zalo_account.fault("article.create", "drop_after")
    zalo_account.fault("article.update", "html_after")
    assert await deliver_row(zalo_account, item(server), "article") is Verdict.DELIVERED
    zalo_account.new_channel()
    await zalo_account.send(item(server))
    await zalo_account.send(sample_correction(cover={"url": server.url("/bia.png"), "alt": "Bìa"}))
    assert server.request_counts == {"/bia.png": 1}
    assert shown(zalo_account).startswith(f"{SITE.public_url}/anh/")


async def test_a_correction_with_another_picture_shows_that_one(zalo_account, server, tmp_path):
    server.serve("/moi.png", png((30, 30, 200)))
    await zalo_account.send(item(server))
    before = shown(zalo_account)
    await zalo_account.send(sample_correction(cover={"url": server.url("/moi.png"), "alt": "Bìa"}))
    assert shown(zalo_account) != before
    assert copy_of(zalo_account, tmp_path).getpixel((9, 9))[2] > 150
    await zalo_account.send(sample_correction(3))
    assert shown(zalo_account) == SITE.cover_url, "a text without a picture has the default one"


async def test_items_with_the_same_picture_share_the_file(zalo_account, server, tmp_path):
    await zalo_account.send(item(server))
    await zalo_account.send(item(server, content_id="tin-hai"))
    assert server.request_counts == {"/bia.png": 2}
    assert len(list((tmp_path / "portal" / "public" / "anh").iterdir())) == 1


FOR_GOOD = {
    "not there": {"status": 404},
    "a page that calls itself a picture": {"body": b"<!doctype html><h1>404</h1>"},
    "an SVG that calls itself a PNG": {"body": b'<svg xmlns="http://www.w3.org/2000/svg"/>'},
    "a page": {"body": b"<!doctype html>", "type": "text/html"},
    "half a picture": {"body": png()[:300]},
    "a way inside": {"status": 302, "headers": {"Location": "http://169.254.169.254/"}},
}


@pytest.mark.parametrize("what", FOR_GOOD)
async def test_what_is_no_picture_is_replaced_at_once(zalo_account, server, what):
    server.serve("/bia.png", **FOR_GOOD[what])
    with structlog.testing.capture_logs() as logs:
        assert (await zalo_account.send(item(server))).verdict is Verdict.DELIVERED
    assert shown(zalo_account) == SITE.cover_url
    [line] = [line for line in logs if line["event"] == "zalo_cover_unusable"]
    assert line["reason"]
    zalo_account.new_channel()
    await zalo_account.send(item(server))
    assert server.request_counts["/bia.png"] == 1


@pytest.mark.parametrize("url", ["http://10.0.0.5/bia.png", "http://localhost/bia.png"])
async def test_a_picture_inside_our_own_network_is_not_asked_for(zalo_account, url):
    outcome = await zalo_account.send(a_publication(cover={"url": url, "alt": "Bìa"}))
    assert outcome.verdict is Verdict.DELIVERED
    assert shown(zalo_account) == SITE.cover_url


async def test_a_correction_tries_a_picture_again_that_was_none(zalo_account, server):
    server.serve("/bia.png", status=404)
    await zalo_account.send(item(server))
    server.serve("/bia.png", png())
    await zalo_account.send(sample_correction(cover={"url": server.url("/bia.png"), "alt": "Bìa"}))
    assert shown(zalo_account).startswith(f"{SITE.public_url}/anh/")


async def test_a_server_in_trouble_is_asked_a_few_times_and_then_done_without(zalo_account, server):
    server.serve("/bia.png", status=503)
    begun, waits = zalo_account.clock(), []
    with structlog.testing.capture_logs() as logs:
        while (outcome := await zalo_account.send(item(server))).verdict is Verdict.HELD:
            assert not outcome.reached_provider, "this is not Zalo's trouble"
            assert zalo_account.articles == []
            waits.append(outcome.retry_after_s)
            zalo_account.clock.advance(outcome.retry_after_s)
            zalo_account.new_channel()
    assert outcome.verdict is Verdict.DELIVERED
    assert tuple(waits) == RETRY_DELAYS_S
    assert server.request_counts["/bia.png"] == len(RETRY_DELAYS_S) + 1
    assert zalo_account.clock() - begun < 5 * MINUTES_S
    assert shown(zalo_account) == SITE.cover_url
    assert [line["event"] for line in logs].count("zalo_cover_unusable") == 1


async def test_a_server_that_comes_back_in_time_is_in_time(zalo_account, server):
    server.serve("/bia.png", status=503)
    zalo_account.clock.advance((await zalo_account.send(item(server))).retry_after_s)
    server.serve("/bia.png", png())
    assert (await zalo_account.send(item(server))).verdict is Verdict.DELIVERED
    assert shown(zalo_account).startswith(f"{SITE.public_url}/anh/")


async def test_a_disk_that_takes_no_picture_holds_no_article_up(zalo_account, server, tmp_path):
    (tmp_path / "portal").write_bytes(b"no folder")
    assert await deliver_row(zalo_account, item(server), "article") is Verdict.DELIVERED
    assert shown(zalo_account) == SITE.cover_url


async def test_a_copy_that_was_lost_is_made_again(zalo_account, server, tmp_path):
    """An emptied portal folder, or a restore: pictures are in no backup."""
    await zalo_account.send(item(server))
    for file in (tmp_path / "portal" / "public" / "anh").iterdir():
        file.unlink()
    await zalo_account.send(sample_correction(cover={"url": server.url("/bia.png"), "alt": "Bìa"}))
    assert server.request_counts == {"/bia.png": 2}
    assert copy_of(zalo_account, tmp_path)


async def test_a_copy_that_zalo_can_not_use_is_replaced_by_the_default_one(zalo_account, server):
    zalo_account.set_rules(broken_images=("/anh/",))
    with structlog.testing.capture_logs() as logs:
        assert (await zalo_account.send(item(server))).verdict is Verdict.DELIVERED
    assert shown(zalo_account) == SITE.cover_url
    assert "zalo_cover_replaced" in [line["event"] for line in logs]
    assert server.request_counts == {"/bia.png": 1}


async def test_an_item_without_a_picture_and_a_withdrawal_ask_for_none(zalo_account, server):
    await zalo_account.send(a_publication())
    assert shown(zalo_account) == SITE.cover_url
    await zalo_account.send(sample_withdrawal())
    assert zalo_account.visible == []
    assert not server.request_counts


async def test_where_zalo_could_not_fetch_from_us_it_gets_the_items_url(zalo_account, server):
    zalo_account.elsewhere = replace(zalo_account.stores, covers=None)
    zalo_account.new_channel()
    await zalo_account.send(item(server))
    assert shown(zalo_account) == server.url("/bia.png")
    assert not server.request_counts


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("trouble", [kill_at, silence_at])
async def test_trouble_around_any_note_leaves_one_article_with_its_picture(
    zalo_account, server, trouble, number, moment
):
    setattr(zalo_account.article_store, moment, trouble(number))
    assert await deliver_row(zalo_account, item(server), "article") is Verdict.DELIVERED
    assert len(zalo_account.articles) == 1
    assert zalo_account.effects("article_created") == 1
    assert shown(zalo_account).startswith(f"{SITE.public_url}/anh/")
    assert server.request_counts["/bia.png"] <= 2


async def test_a_death_while_a_picture_is_fetched_is_no_doubt(zalo_account, server, monkeypatch):
    """Nothing was asked of Zalo yet, and its list knows that."""

    def killed(body):
        raise SimulatedKill

    monkeypatch.setattr(cover_image, "make_cover", killed)
    with pytest.raises(SimulatedKill):
        await zalo_account.send(item(server))
    monkeypatch.undo()
    zalo_account.new_channel()
    assert (await zalo_account.resolve(item(server))).verdict is Verdict.ABSENT
    assert (await zalo_account.send(item(server))).verdict is Verdict.DELIVERED


async def test_pictures_are_drawn_beside_the_loop(zalo_account, server, monkeypatch):
    real, threads = cover_image.make_cover, []

    def drawing(body):
        threads.append(threading.get_ident())
        return real(body)

    monkeypatch.setattr(covers.cover_image, "make_cover", drawing)
    await zalo_account.send(item(server))
    assert threads
    assert threading.get_ident() not in threads
