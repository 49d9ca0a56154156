"""What `loa import` prints: feeds that wait or are wrong are named, with the way to go on."""

import json

import pytest

from consumers.cli.imports import feed_facts, print_status, print_trial
from contracts.base.conditional_response import ConditionalResponse
from contracts.delivery import ChannelName
from contracts.vocabulary import DEFAULT
from producers.imports.dry_run import default_feed, dry_run
from producers.imports.feed_state import FeedState, Refusal, ThrottledItem
from producers.texts import get_text
from producers.units.feed_settings import Feed
from tests.consumers.cli.test_imports import added, loa, pipeline
from tests.support.feed_site import NOW, SITE, Article, rss

__all__ = ["pipeline"]

UNIT = "cuc-viec-lam"
URL = f"{SITE}/rss?a=1&b=2"
FEED = Feed(url=URL, topic="lao-dong", since=NOW)
OLD = 40 * 24 * 60


def shown(state: FeedState, capsys) -> str:
    print_status([feed_facts(UNIT, FEED, state)])
    return capsys.readouterr().out


async def checked(body: bytes, capsys, url: str = URL, **changes) -> str:
    async def ask(url: str, *, etag: str, last_modified: str) -> ConditionalResponse:
        return ConditionalResponse(body, url)

    feed = default_feed(url, DEFAULT, NOW).model_copy(update=changes)
    print_trial(await dry_run(ask, feed, DEFAULT, NOW))
    return capsys.readouterr().out


async def test_an_item_says_whether_it_is_news_or_was_there_before(capsys):
    undated = Article(3).item().partition("<pubDate>")
    body = rss(Article(1), Article(2, ago=OLD), Article(4, ago=-3000)).replace(
        b"</channel>", f"{undated[0]}{undated[2].partition('</pubDate>')[2]}</channel>".encode()
    )
    lines = (await checked(body, capsys)).splitlines()
    becomes = {
        n: next(line for line in lines if line.endswith(f"/tin/{n}.html")) for n in (1, 2, 3, 4)
    }
    assert " new / mới " in becomes[1]
    assert all(" old, not imported / cũ, không nhập " in becomes[n] for n in (2, 3))
    assert " new, waits until its date / mới, chờ đến ngày đăng " in becomes[4]
    assert "4 items: 2 new, 2 old and not imported, 0 old and for the portal alone" in lines[-2]
    assert lines[-1].startswith("4 bài: 2 mới, 2 cũ không nhập")


async def test_with_all_what_was_there_before_is_for_the_portal_alone(capsys):
    said = await checked(rss(Article(2, ago=OLD)), capsys, backfill=True)
    assert "cũ, chỉ đăng lên cổng" in said and "1 old and for the portal alone" in said


async def test_a_long_title_does_not_make_the_table_wide(capsys):
    said = await checked(rss(Article(1, title="Thông báo tuyển dụng " * 8)), capsys)
    assert max(map(len, said.splitlines())) < 160
    head = said.splitlines()[1]
    assert head.isascii() and "title" in head, "one language"


@pytest.mark.parametrize(
    ("body", "vi"),
    [
        (b"<!doctype html><html></html>", "là trang web, không phải nguồn tin"),
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
    assert f"waits until 2027-01-16 08:00:00 UTC: Giá xăng\n  {SITE}/1" in said
    assert "bản mới nhất chờ đến 2027-01-16 08:00:00" in said


def test_what_is_refused_without_a_title_is_named_by_its_address(capsys):
    error = get_text("import", "empty").as_field_error("data.title")
    one = Refusal(key="k", title="", url=f"{SITE}/7", at=NOW, errors=(error,))
    assert f"{UNIT}: refused: {SITE}/7\n" in shown(FeedState(refused=(one,)), capsys)


async def test_a_backfill_is_counted_as_one(pipeline):
    pipeline.site.publish(rss(*(Article(n, ago=100 * OLD + n) for n in range(3))))
    said = await added(pipeline, "--all")
    assert "3 old and for the portal alone" in said
    [read] = json.loads(await loa("now", "tap-chi-to-chuc-nha-nuoc-va-lao-dong", "--json"))
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
    assert "đã thêm" in said and "lúc này chưa đọc được" in said
    [asked] = json.loads(await loa("status", "--json"))
    assert (asked["url"], asked["read"]) == (pipeline.site.url("/sai"), None)
