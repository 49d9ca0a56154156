"""An article's cover: our copy of the item's picture, fetched once, and never waited for long."""

import threading
from dataclasses import replace
from io import BytesIO

import pytest
import structlog
from PIL import Image

from channels.base import Verdict
from channels.fetch.fetcher import Fetcher
from channels.portal.pictures import Pictures
from channels.zalo import covers, picture
from channels.zalo.connect import Stores
from channels.zalo.covers import AGAIN_S
from tests.builders import a_publication
from tests.picture_server import picture_server
from tests.zalo_house import BOTH, zalo_house
from tests.zalo_stage import (
    SITE,
    Killed,
    a_correction,
    a_withdrawal,
    carried_through,
    kill_at,
    silence_at,
    staged,
)

ITEM = "lich-nghi-tet-2027"
MINUTES_S = 60.0


def png(color=(200, 30, 30)) -> bytes:
    file = BytesIO()
    Image.new("RGB", (1280, 720), color).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
async def server():
    async with picture_server() as server:
        server.lay("/bia.png", png())
        yield server


def copying(stage, server, folder) -> None:
    """Every process from now on copies covers to *folder*; the server is the only way out."""
    real = stage.start

    def start():
        channel = real()
        channel.articles.covers.fetcher = Fetcher(server.gate())
        return channel

    stage.elsewhere = replace(stage.stores, pictures=Pictures(folder))
    stage.start = start
    stage.start()


@pytest.fixture
async def stage(tmp_path, clock, server):
    async with staged(tmp_path / "sandbox", clock) as stage:
        copying(stage, server, tmp_path / "portal")
        yield stage


def item(server, path="/bia.png", **changes):
    return a_publication(cover={"url": server.url(path), "alt": "Bìa"}, **changes)


def shown(stage) -> str:
    """The cover that the public sees."""
    [article] = stage.visible
    return article.payload["cover"]["photo_url"]


def copy_of(stage, tmp_path) -> Image.Image:
    home = f"{SITE.public_url}/"
    assert shown(stage).startswith(f"{home}anh/")
    path = shown(stage).removeprefix(home)
    return Image.open(BytesIO((tmp_path / "portal" / "public" / path).read_bytes()))


async def test_an_article_has_our_copy_of_the_items_picture(stage, server, tmp_path):
    with structlog.testing.capture_logs() as logs:
        assert (await stage.send(item(server))).verdict is Verdict.DELIVERED
    copy = copy_of(stage, tmp_path)
    assert (copy.format, copy.size) == ("JPEG", (1200, 675))
    created, updated = (
        fact["payload"]["cover"]["photo_url"]
        for fact in stage.sandbox.world.journal.facts()
        if fact["kind"].startswith("article")
    )
    assert created == updated == shown(stage)
    assert "zalo_cover_copied" in [line["event"] for line in logs]
    assert "127.0.0.1" not in str(logs)


async def test_it_is_fetched_once_however_often_the_article_is_worked_on(stage, server):
    stage.rules(processing=9)
    stage.fault("article.create", "drop_after")
    stage.fault("article.update", "html_after")
    assert await carried_through(stage, item(server), "article") is Verdict.DELIVERED
    stage.start()
    await stage.send(item(server))
    await stage.send(a_correction(cover={"url": server.url("/bia.png"), "alt": "Bìa"}))
    assert server.asked == {"/bia.png": 1}
    assert shown(stage).startswith(f"{SITE.public_url}/anh/")


async def test_a_correction_with_another_picture_shows_that_one(stage, server, tmp_path):
    server.lay("/moi.png", png((30, 30, 200)))
    await stage.send(item(server))
    before = shown(stage)
    await stage.send(a_correction(cover={"url": server.url("/moi.png"), "alt": "Bìa"}))
    assert shown(stage) != before
    assert copy_of(stage, tmp_path).getpixel((9, 9))[2] > 150
    await stage.send(a_correction(3))
    assert shown(stage) == SITE.cover_url, "a text without a picture has the default one"


async def test_items_with_the_same_picture_share_the_file(stage, server, tmp_path):
    await stage.send(item(server))
    await stage.send(item(server, content_id="tin-hai"))
    assert server.asked == {"/bia.png": 2}
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
async def test_what_is_no_picture_is_replaced_at_once(stage, server, what):
    server.lay("/bia.png", **FOR_GOOD[what])
    with structlog.testing.capture_logs() as logs:
        assert (await stage.send(item(server))).verdict is Verdict.DELIVERED
    assert shown(stage) == SITE.cover_url
    [line] = [line for line in logs if line["event"] == "zalo_cover_unusable"]
    assert line["reason"]
    stage.start()
    await stage.send(item(server))
    assert server.asked["/bia.png"] == 1


@pytest.mark.parametrize("url", ["http://10.0.0.5/bia.png", "http://localhost/bia.png"])
async def test_a_picture_inside_our_own_network_is_not_asked_for(stage, url):
    outcome = await stage.send(a_publication(cover={"url": url, "alt": "Bìa"}))
    assert outcome.verdict is Verdict.DELIVERED
    assert shown(stage) == SITE.cover_url


async def test_a_correction_tries_a_picture_again_that_was_none(stage, server):
    server.lay("/bia.png", status=404)
    await stage.send(item(server))
    server.lay("/bia.png", png())
    await stage.send(a_correction(cover={"url": server.url("/bia.png"), "alt": "Bìa"}))
    assert shown(stage).startswith(f"{SITE.public_url}/anh/")


async def test_a_server_in_trouble_is_asked_a_few_times_and_then_done_without(stage, server):
    server.lay("/bia.png", status=503)
    begun, waits = stage.clock(), []
    with structlog.testing.capture_logs() as logs:
        while (outcome := await stage.send(item(server))).verdict is Verdict.HELD:
            assert not outcome.asked, "this is not Zalo's trouble"
            assert stage.articles == []
            waits.append(outcome.after_s)
            stage.clock.advance(outcome.after_s)
            stage.start()
    assert outcome.verdict is Verdict.DELIVERED
    assert tuple(waits) == AGAIN_S
    assert server.asked["/bia.png"] == len(AGAIN_S) + 1
    assert stage.clock() - begun < 5 * MINUTES_S
    assert shown(stage) == SITE.cover_url
    assert [line["event"] for line in logs].count("zalo_cover_unusable") == 1


async def test_a_server_that_comes_back_in_time_is_in_time(stage, server):
    server.lay("/bia.png", status=503)
    stage.clock.advance((await stage.send(item(server))).after_s)
    server.lay("/bia.png", png())
    assert (await stage.send(item(server))).verdict is Verdict.DELIVERED
    assert shown(stage).startswith(f"{SITE.public_url}/anh/")


async def test_a_disk_that_takes_no_picture_holds_no_article_up(stage, server, tmp_path):
    (tmp_path / "portal").write_bytes(b"no folder")
    assert await carried_through(stage, item(server), "article") is Verdict.DELIVERED
    assert shown(stage) == SITE.cover_url


async def test_a_copy_that_was_lost_is_made_again(stage, server, tmp_path):
    """An emptied portal folder, or a restore: pictures are in no backup."""
    await stage.send(item(server))
    for file in (tmp_path / "portal" / "public" / "anh").iterdir():
        file.unlink()
    await stage.send(a_correction(cover={"url": server.url("/bia.png"), "alt": "Bìa"}))
    assert server.asked == {"/bia.png": 2}
    assert copy_of(stage, tmp_path)


async def test_a_copy_that_zalo_can_not_use_is_replaced_by_the_default_one(stage, server):
    stage.rules(broken_images=("/anh/",))
    with structlog.testing.capture_logs() as logs:
        assert (await stage.send(item(server))).verdict is Verdict.DELIVERED
    assert shown(stage) == SITE.cover_url
    assert "zalo_cover_replaced" in [line["event"] for line in logs]
    assert server.asked == {"/bia.png": 1}


async def test_an_item_without_a_picture_and_a_withdrawal_ask_for_none(stage, server):
    await stage.send(a_publication())
    assert shown(stage) == SITE.cover_url
    await stage.send(a_withdrawal())
    assert stage.visible == []
    assert not server.asked


async def test_where_zalo_could_not_fetch_from_us_it_gets_the_items_own_address(stage, server):
    stage.elsewhere = Stores(stage.vault, stage.notebook, stage.key)
    stage.start()
    await stage.send(item(server))
    assert shown(stage) == server.url("/bia.png")
    assert not server.asked


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("trouble", [kill_at, silence_at])
async def test_trouble_around_any_note_leaves_one_article_with_its_picture(
    stage, server, trouble, number, moment
):
    setattr(stage.notebook, moment, trouble(number))
    assert await carried_through(stage, item(server), "article") is Verdict.DELIVERED
    assert len(stage.articles) == 1
    assert stage.effects("article_created") == 1
    assert shown(stage).startswith(f"{SITE.public_url}/anh/")
    assert server.asked["/bia.png"] <= 2


async def test_a_death_while_a_picture_is_fetched_is_no_doubt(stage, server, monkeypatch):
    """Nothing was asked of Zalo yet, and its list knows that."""

    def killed(body):
        raise Killed

    monkeypatch.setattr(picture, "cover", killed)
    with pytest.raises(Killed):
        await stage.send(item(server))
    monkeypatch.undo()
    stage.start()
    assert (await stage.resolve(item(server))).verdict is Verdict.ABSENT
    assert (await stage.send(item(server))).verdict is Verdict.DELIVERED


async def test_pictures_are_drawn_beside_the_loop(stage, server, monkeypatch):
    real, threads = picture.cover, []

    def drawing(body):
        threads.append(threading.get_ident())
        return real(body)

    monkeypatch.setattr(covers.picture, "cover", drawing)
    await stage.send(item(server))
    assert threads
    assert threading.get_ident() not in threads


async def test_on_the_ledgers_time_a_lost_picture_costs_minutes(bus, tmp_path, clock, server):
    server.lay("/bia.png", status=503)
    async with zalo_house(bus, tmp_path, clock) as house:
        copying(house.stage, server, tmp_path / "portal")
        house.worker = house.a_worker()
        batch, begun = await house.publish(item(server)), house.clock()
        came = []
        while not (await house.entry(batch)).closed:
            wait_s = await house.visit(batch)
            came += [house.clock() - begun] if house.stage.visible else []
            house.clock.advance(wait_s)
        assert await house.ending(batch) == BOTH
        assert came[0] <= 5 * MINUTES_S
        assert house.clock() - begun <= 15 * MINUTES_S
        assert shown(house.stage) == SITE.cover_url
