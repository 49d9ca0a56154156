"""`loa import`: what an operator sets, sees and asks for, in both languages and as JSON."""

import json

import pytest
from structlog.testing import capture_logs

from producers.imports import dry_run
from tests.support.cli import InProcessCli
from tests.support.feed_site import Article, rss
from tests.support.import_pipeline import TOPIC, UNIT, open_import_pipeline


@pytest.fixture
async def pipeline(bus, clock, nats_server, tmp_path, monkeypatch):
    async with open_import_pipeline(bus, clock) as pipeline:
        port = pipeline.site.server.port
        monkeypatch.setenv("LOA_NATS_URL", nats_server.url)
        monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("LOA_IMPORT_ALLOW", f"127.0.0.1:{port}")
        monkeypatch.setenv("LOA_IMPORT_PAUSE_S", "0")
        await pipeline.registry.add(UNIT, release="desk")
        pipeline.site.publish(rss(Article(1), Article(2, title="\u00d0ề án")))
        yield pipeline


async def loa(*words: str, code: int = 0) -> str:
    """What `loa import` says."""
    with capture_logs():
        done = await InProcessCli({}, ("import",))(*words)
    assert done.exit_code == code, done.output
    return done.output


async def added(pipeline, *more: str, url: str = "") -> str:
    return await loa("add", UNIT, url or pipeline.site.url(), "--topic", TOPIC, *more)


async def test_a_feed_is_added_read_and_shown(pipeline):
    said = await added(pipeline, "--channel", "portal", "--audience", "cong-chuc", "--all")
    assert f"topic {TOPIC}; for cong-chuc; to portal" in said
    assert "every 15 min" in said and "older ones, too, for the portal alone" in said
    assert "2 items: 2 new, 0 old" in said and "2 bài: 2 mới" in said
    [asked] = json.loads(await loa("status", "--json"))
    assert (asked["read"], asked["topic"], asked["channels"]) == (None, TOPIC, ["portal"])
    [read] = json.loads(await loa("now", UNIT, "--json"))
    assert read["counts"] == {"new": 1, "refused": 1}
    [refused] = read["refused"]
    assert (refused["url"][-6:], refused["errors"][0]["field"]) == ("2.html", "data.title")
    [event] = await pipeline.stored_events()
    assert (event.data["channels"], event.data["audiences"]) == (["portal"], ["cong-chuc"])
    table = await loa("status")
    assert UNIT in table and "new 1 refused 1" in table
    assert table.count("  data.title: ") == 2
    assert asked["feed_id"] in table, "the log names it so"


async def test_what_was_set_aside_for_its_title_is_named(pipeline):
    await added(pipeline)
    twin = Article(3, title=Article(1).headline)
    pipeline.site.publish(rss(Article(1), twin))
    [read] = json.loads(await loa("now", UNIT, "--json"))
    [event] = await pipeline.stored_events()
    of = event.data["content_id"]
    assert read["duplicates"] == [{"title": twin.headline, "url": twin.url, "of": of}]
    table = await loa("status")
    assert f"set aside as {of}: {twin.headline}\n  {twin.url}" in table
    assert f"duplicate: {twin.headline}\n  {twin.url}" in await loa("check", pipeline.site.url())


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["add", UNIT, "ftp://a.vn/rss", "--topic", TOPIC], "url"),
        (["add", UNIT, "https://a.vn/rss", "--topic", "khong-co"], "--topic"),
        (["add", UNIT, "https://a.vn/rss", "--topic", TOPIC, "--audience", "ai-do"], "--audience"),
        (["add", "khong-co", "https://a.vn/rss", "--topic", TOPIC], "unit"),
        (["add", "van-phong-bo", "https://a.vn/rss", "--topic", TOPIC], "unit"),
        (["add", UNIT, "https://a.vn/rss", "--topic", TOPIC, "--since", "hôm qua"], "--since"),
        (["add", UNIT, "https://a.vn/rss", "--topic", TOPIC, "--every", "1"], "--every"),
        (["add", UNIT, "https://a.vn/rss", "--topic", TOPIC, "--most", "0"], "--most"),
        (["now", UNIT], "unit"),
        (["remove", UNIT, "https://a.vn/rss"], "unit"),
    ],
)
async def test_what_is_wrong_is_named_in_both_languages(pipeline, words, field):
    lines = (await loa(*words, code=2)).splitlines()
    assert [line.partition(":")[0] for line in lines] == [field, field]


async def test_a_feed_is_added_once_and_changed_on_purpose(pipeline):
    await added(pipeline)
    other = pipeline.site.url().replace("http://", "HTTP://") + "?utm_source=oa"
    assert "--replace" in await loa("add", UNIT, other, "--topic", TOPIC, code=2)
    await added(pipeline, "--all", "--since", "2026-11-01", "--replace")
    [asked] = json.loads(await loa("status", "--json"))
    assert (asked["backfill"], asked["since"]) == (True, "2026-10-31T17:00:00Z")


async def test_a_feed_that_is_removed_is_read_no_more(pipeline):
    await added(pipeline)
    await loa("now", UNIT)
    assert "https://b.vn" in await loa("remove", UNIT, "https://b.vn/rss", code=2)
    await loa("remove", UNIT, pipeline.site.url())
    assert json.loads(await loa("status", "--json")) == []
    assert [key async for key, _ in pipeline.bus.bucket("imports").values("")] == []


async def test_a_site_that_wants_to_be_left_alone_is_not_even_asked_by_hand(pipeline):
    await added(pipeline)
    pipeline.site.server.serve("/rss", status=503, headers={"Retry-After": "3600"})
    assert "HTTP 503" in await loa("now", UNIT, code=2)
    assert "asked to be left alone" in await loa("now", UNIT, code=2)
    assert pipeline.site.server.request_counts["/rss"] == 2, "added, and read"


async def test_a_feed_can_be_looked_at_without_consequences(pipeline):
    table = await loa("check", pipeline.site.url(), code=2)
    assert "2 items: 2 new, 0 old and not imported" in table
    assert "1 refused, 0 duplicates" in table and "1 không hợp lệ, 0 trùng" in table
    assert "tcnn.example.vn/tin/1.html" in table and "data.title" in table
    trial = json.loads(await loa("check", pipeline.site.url(), "--json", code=2))
    assert [bool(one["errors"]) for one in trial["items"]] == [False, True]
    assert await pipeline.stored_events() == []
    pipeline.site.publish(rss(Article(1)))
    await loa("check", pipeline.site.url())


async def test_a_feed_that_loa_itself_fails_at_is_added_and_told_in_both_languages(
    pipeline, monkeypatch
):
    def failing(*_):
        raise KeyError("Đề án")

    monkeypatch.setattr(dry_run, "plan_events", failing)
    said = await added(pipeline)
    assert "other feeds go on" in said and "(KeyError)" in said and "lỗi nội bộ" in said
    assert "(KeyError)" in await loa("check", pipeline.site.url(), code=2)


async def test_an_odd_address_stops_no_look_at_a_feed(pipeline):
    odd = Article(3).item().replace("https://tcnn", "http://[tcnn]")
    pipeline.site.publish(rss(Article(1)).replace(b"</channel>", odd.encode() + b"</channel>"))
    assert "2 items: 2 new" in await loa("check", pipeline.site.url())


async def test_what_is_no_web_address_is_not_offered_as_a_feed(pipeline):
    named = ("javascript:alert(1)", "ftp://a.vn/rss", "", "https://", "http://[ten-mien]/rss")
    named += ("//tcnn.example.vn/rss",)
    links = (f"<link rel=alternate type='application/rss+xml' href='{one}'>" for one in named)
    pipeline.site.publish(f"<html>{''.join(links)}</html>".encode(), "/trang")
    said = await loa("check", pipeline.site.url("/trang"), code=2)
    assert said.count("`loa import check") == 2, "one, in both languages"
    assert said.count("`loa import check http://tcnn.example.vn/rss`") == 2


async def test_a_page_tells_where_its_feeds_are(pipeline):
    page = """<html><!-- <link rel="alternate" type="application/rss+xml" href="/an.rss"> -->
    <link rel='stylesheet' href='/a.css'><LINK REL="Alternate" HREF="/b.rss?a=1&amp;c=2"
    TYPE="application/rss+xml; charset=utf-8"><link type=application/atom+xml rel=alternate
    href=https://tcnn.example.vn/a.atom><link rel="alternate" hreflang="en" href="/en"></html>"""
    pipeline.site.publish(page.encode(), "/trang")
    trial = json.loads(await loa("check", pipeline.site.url("/trang"), "--json", code=2))
    assert trial["feeds"] == [pipeline.site.url("/b.rss?a=1&c=2"), "https://tcnn.example.vn/a.atom"]
    said = await loa("check", pipeline.site.url("/trang"), code=2)
    typed = "`loa import check https://tcnn.example.vn/a.atom`"
    assert f"Trang này giới thiệu nguồn tin: https://tcnn.example.vn/a.atom; chạy {typed}" in said
    assert not said.startswith(f"{pipeline.site.url('/trang')}: \n")
    assert typed in await added(pipeline, url=pipeline.site.url("/trang"))
    assert typed in await loa("now", UNIT, code=2)
    assert typed in await loa("status")


async def test_nothing_inside_is_looked_at(pipeline):
    assert "cannot be read from there" in await loa("check", "http://127.0.0.1:1/rss", code=2)
