"""`loa import`: what an operator sets, sees and asks for, in both languages and as JSON."""

import json
from functools import partial

import pytest
from structlog.testing import capture_logs

from consumers.cli.imports import feed_facts, print_status, print_trial
from consumers.progress import progress_to
from contracts.base.conditional_response import ConditionalResponse
from contracts.delivery import ChannelName
from contracts.vocabulary import DEFAULT
from producers.imports import dry_run
from producers.imports.feed_state import FeedState, Refusal, ThrottledItem
from producers.texts import get_text
from producers.units.feed_settings import Feed
from tests.support import feed_site
from tests.support.cli import InProcessCli
from tests.support.feed_site import NOW, SITE, rss
from tests.support.import_pipeline import TOPIC, UNIT, open_import_pipeline

Article = partial(feed_site.Article, ago=-20 * 365 * 24 * 60)
"""One that is new to a feed which is added today: commands go by this machine's clock."""


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
    """Output of `loa import`."""
    with capture_logs():
        done = await InProcessCli({}, ("import",))(*words)
    assert done.exit_code == code, done.output
    return done.output


async def added(pipeline, *more: str, url: str = "") -> str:
    return await loa("add", UNIT, url or pipeline.site.url(), "--topic", TOPIC, *more)


async def test_commands_that_wait_for_a_site_show_that_they_do(pipeline, reported):
    for words in (["check", pipeline.site.url()], ["now", UNIT]):
        await added(pipeline, *(["--replace"] if reported else []))
        reported.clear()
        await InProcessCli({}, ("import",))(*words)
        assert set(reported) == {"feeds"}, words


async def test_a_feed_is_added_read_and_shown(pipeline):
    said = await added(pipeline, "--channel", "portal", "--audience", "cong-chuc", "--all")
    assert f"topic {TOPIC}; for cong-chuc; to portal" in said
    assert "every 15 min" in said and "older ones, too, for the portal alone" in said
    assert f"chủ đề {TOPIC}; đối tượng cong-chuc; gửi qua portal" in said
    assert "+07" in said and "UTC" not in said
    assert "2 items: 2 new, 0 old" in said and "2 bài: 2 mới" in said
    [asked] = json.loads(await loa("status", "--json"))
    assert (asked["read"], asked["topic"], asked["channels"]) == (None, TOPIC, ["portal"])
    told = list[tuple[str, int, int]]()
    with progress_to(lambda *progress: told.append(progress)):
        [read] = json.loads(await loa("now", UNIT, "--json"))
    assert told == [("feeds", 0, 1)]
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


async def test_a_feed_that_loa_itself_fails_at_is_added_and_told_bilingually(pipeline, monkeypatch):
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
    assert f"Trang này có nguồn RSS: https://tcnn.example.vn/a.atom; hãy chạy {typed}" in said
    assert not said.startswith(f"{pipeline.site.url('/trang')}: \n")
    assert typed in await added(pipeline, url=pipeline.site.url("/trang"))
    assert typed in await loa("now", UNIT, code=2)
    assert typed in await loa("status")


async def test_nothing_inside_is_looked_at(pipeline):
    assert "cannot be read from there" in await loa("check", "http://127.0.0.1:1/rss", code=2)


URL = f"{SITE}/rss?a=1&b=2"
FEED = Feed(url=URL, topic="lao-dong", since=NOW)
OLD = 40 * 24 * 60


def shown(state: FeedState, capsys) -> str:
    print_status([feed_facts(UNIT, FEED, state)])
    return capsys.readouterr().out


async def checked(body: bytes, capsys, url: str = URL, **changes) -> str:
    async def ask(url: str, *, etag: str, last_modified: str) -> ConditionalResponse:
        return ConditionalResponse(body, url)

    feed = dry_run.default_feed(url, DEFAULT, NOW).model_copy(update=changes)
    print_trial(await dry_run.dry_run(ask, feed, DEFAULT, NOW))
    return capsys.readouterr().out


async def test_an_item_says_whether_it_is_news_or_was_there_before(capsys):
    undated = Article(3).item().partition("<pubDate>")
    body = rss(Article(1), Article(2, ago=OLD), Article(4, ago=-3000)).replace(
        b"</channel>", f"{undated[0]}{undated[2].partition('</pubDate>')[2]}</channel>".encode()
    )
    lines = (await checked(body, capsys)).splitlines()
    becomes = {n: next(line for line in lines if line.endswith(f"/{n}.html")) for n in (1, 2, 3, 4)}
    assert " new / mới " in becomes[1]
    assert all(" old, not imported / cũ, không nhập " in becomes[n] for n in (2, 3))
    assert " new, waits until its date / mới, chờ đến ngày đăng " in becomes[4]
    assert "4 items: 2 new, 2 old and not imported, 0 old and for the portal alone" in lines[-2]
    assert lines[-1].startswith("4 bài: 2 mới, 2 cũ không nhập")


async def test_with_all_what_was_there_before_is_for_the_portal_alone(capsys):
    said = await checked(rss(Article(2, ago=OLD)), capsys, backfill=True)
    assert "cũ, chỉ đăng lên cổng" in said and "1 old and for the portal alone" in said


async def test_a_long_title_does_not_make_the_table_wide(capsys):
    said = await checked(rss(Article(1, title="Thông báo tuyển dụng " * 6)), capsys)
    assert max(map(len, said.splitlines())) < 160
    head = said.splitlines()[1]
    assert head.isascii() and "title" in head, "one language"


async def test_a_title_that_zalo_cuts_is_warned_of(capsys):
    said = await checked(rss(Article(1, title="Thông báo tuyển dụng " * 8), Article(2)), capsys)
    assert said.count("\nwarning: ") == 1
    assert "does not fit on Zalo" in said and "không vừa chỗ dành cho tiêu đề" in said
    assert "refused: " not in said


@pytest.mark.parametrize(
    ("body", "vi"),
    [
        (b"<!doctype html><html></html>", "là trang web, không phải nguồn RSS"),
        (b"", "là tệp rỗng"),
        (b'{"version": "https://jsonfeed.org/version/1.1"}', "là JSON Feed"),
    ],
)
async def test_what_is_no_feed_is_called_what_it_is(body, vi, capsys):
    said = await checked(body, capsys)
    assert vi in said and said.splitlines()[0] == URL, "no line that says nothing"


def test_of_many_that_are_held_the_rest_and_the_command_are_told(capsys):
    state = FeedState(counts={"held": 60}, held=tuple(f"Bài {n}" for n in range(20)))
    said = shown(state, capsys)
    typed = f"`loa import now {UNIT} --url '{URL}' --release`"
    assert "and 40 more are held" in said and said.count(typed) == 2
    few = shown(state.model_copy(update={"counts": {"held": 20}}), capsys)
    assert "20 are held" in few and "more" not in few


def test_an_article_that_is_restless_is_named_and_until_when(capsys):
    until = NOW.replace(day=16)
    state = FeedState(restless=(ThrottledItem(title="Giá xăng", url=f"{SITE}/1", until=until),))
    said = shown(state, capsys)
    assert f"waits until 2027-01-16 15:00:00+07: Giá xăng\n  {SITE}/1" in said
    assert "bản mới nhất sẽ phát sau 15:00 ngày 16/01/2027" in said


def test_what_is_refused_without_a_title_is_named_by_its_address(capsys):
    error = get_text("import", "empty").as_field_error("data.title")
    one = Refusal(key="k", title="", url=f"{SITE}/7", at=NOW, errors=(error,))
    assert f"{UNIT}: refused: {SITE}/7\n" in shown(FeedState(refused=(one,)), capsys)


async def test_a_backfill_is_counted_as_one(pipeline):
    pipeline.site.publish(rss(*(Article(n, ago=100 * OLD + n) for n in range(3))))
    said = await added(pipeline, "--all")
    assert "3 old and for the portal alone" in said
    [read] = json.loads(await loa("now", UNIT, "--json"))
    assert read["counts"] == {"backfilled": 3}
    assert {tuple(one.data["channels"]) for one in await pipeline.stored_events()} == {
        (ChannelName.PORTAL,)
    }


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [(404, b"", "HTTP 404"), (410, b"", "HTTP 410"), (200, b"<html></html>", "là trang web")],
)
async def test_what_cant_be_read_is_added_with_a_warning(pipeline, status, body, says):
    pipeline.site.server.serve("/sai", body, status=status)
    said = await added(pipeline, url=pipeline.site.url("/sai"))
    assert says in said and "loa import remove" in said
    assert "đã thêm" in said and "hiện chưa đọc được" in said
    [asked] = json.loads(await loa("status", "--json"))
    assert (asked["url"], asked["read"]) == (pipeline.site.url("/sai"), None)
