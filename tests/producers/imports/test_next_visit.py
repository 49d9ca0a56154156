"""Sites are asked as they wish: not too often, one at a time, and no more once they have ended."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.base.conditional_response import ConditionalResponse
from contracts.vocabulary import DEFAULT
from producers.bus import NoReply
from producers.imports import next_state
from producers.imports.feed_state import FeedState
from producers.imports.next_state import DAY_S, ReadingResult, next_visit_s
from producers.imports.planned import ManualVisit, Plan
from producers.imports.service import ImportService
from producers.imports.visit import settings_error
from producers.units.feed_settings import Feed
from tests.support.feed_site import Article, undated_rss
from tests.support.import_pipeline import visit_due
from tests.support.import_planner import FEED


@pytest.mark.parametrize(
    ("asked_s", "failures", "least"),
    [(0, 0, 900), (60, 0, 900), (7200, 0, 7200), (0, 1, 1800), (0, 3, 7200), (0, 50, DAY_S),
     (10 * DAY_S, 0, 7 * DAY_S), (2 * DAY_S, 50, 2 * DAY_S)],
)  # fmt: skip
def test_the_longest_wish_counts(asked_s, failures, least):
    assert next_visit_s(900, asked_s, failures, jitter=0) == least
    assert next_visit_s(900, asked_s, failures, jitter=1) == pytest.approx(least * 1.1)


async def test_trouble_of_a_site_is_told_and_waited_out_ever_longer(imports):
    imports.site.server.serve("/rss", status=500)
    first = await imports.visit_feed()
    second = await imports.visit_feed()
    assert (first.failures, second.failures) == (1, 2)
    assert second.trouble.field == "url" and "HTTP 500" in second.trouble.message_vi
    assert second.due - imports.clock() > first.due - imports.clock() >= 900
    assert (await imports.read(Article(1))).trouble is None
    assert await imports.event_kinds() == {"submitted": 1}


async def test_a_site_is_left_alone_for_as_long_as_it_asks(imports):
    imports.site.server.serve("/rss", status=429, headers={"Retry-After": "7200"})
    state = await imports.visit_feed()
    assert state.closed_until == imports.clock() + 7200 <= state.due


WISHES = [({}, 0, 900), ({"Cache-Control": "max-age=3600"}, 0, 3600), ({}, 120, 7200)]


@pytest.mark.parametrize(("headers", "ttl", "least"), WISHES)
async def test_the_next_visit_is_no_sooner_than_anybody_wants(imports, headers, ttl, least):
    imports.publish(Article(1), ttl=ttl, **headers)
    wait = (await imports.visit_feed()).due - imports.clock()
    assert least <= wait <= least * 1.1


async def test_no_site_closes_itself_for_longer_than_a_week(imports):
    imports.site.server.serve("/rss", status=503, headers={"Retry-After": "999999999"})
    assert (await imports.visit_feed()).closed_until == imports.clock() + 7 * DAY_S


def test_a_move_within_a_site_is_followed_and_one_to_another_is_not():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    within, beyond = "https://www.tcnn.example.vn/rss.xml", "https://khac.example.vn/rss"
    assert next_state.request_url(feed, FeedState(moved_to=within)) == within
    assert next_state.request_url(feed, FeedState(moved_to=beyond)) == feed.url


def test_a_reading_that_is_not_done_is_asked_for_in_full_again():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    found = ConditionalResponse(b"", feed.url, etag="new")
    state = FeedState(etag="old", aside=("g.a", "g.x"))
    made = Plan(set_aside={"g.x"})
    half = next_state.after_reading(state, feed, 0.0, ReadingResult(found, made, overtaken=1))
    whole = next_state.after_reading(state, feed, 0.0, ReadingResult(found, made))
    assert (half.etag, whole.etag) == ("old", "new")
    assert whole.aside == ("g.x", "g.a"), "what is still listed is forgotten last"


def test_what_was_never_read_is_not_read_because_a_site_says_that_nothing_is_new():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    unchanged = ConditionalResponse(None, feed.url)
    for read in (0.0, 5.0):
        state = next_state.after_unchanged(FeedState(read=read), feed, 9.0, unchanged)
        assert (state.read, state.visited) == (9.0 if read else 0.0, 9.0)


async def test_a_site_that_says_unasked_that_nothing_is_new_is_in_trouble(imports):
    """Items that it lists without a date are old when they are read at last, and no news."""
    imports.site.server.serve("/rss", status=304)
    state = await imports.visit_feed()
    assert (state.read, state.trouble.field, state.failures) == (0.0, "url", 1)
    imports.site.publish(undated_rss(Article(1)))
    assert (await imports.visit_feed()).counts == {"old": 1}


async def test_a_feed_that_is_over_is_asked_no_more(imports):
    imports.site.server.serve("/rss", status=410)
    assert (await imports.visit_feed()).stopped
    service = ImportService(imports.importer, imports.registry)
    imports.clock.advance(30 * DAY_S)
    await visit_due(service)
    assert imports.site.server.request_counts["/rss"] == 1
    imports.publish(Article(1))
    assert not (await imports.visit_feed(wish=ManualVisit())).stopped


async def test_a_feed_that_has_moved_for_good_is_asked_there(imports):
    imports.site.server.move("/rss", "/moi", 301)
    imports.publish(Article(1), path="/moi")
    assert (await imports.visit_feed()).moved_to == imports.site.url("/moi")
    await imports.visit_feed()
    assert imports.site.server.request_counts == {"/rss": 1, "/moi": 2}
    assert await imports.event_kinds() == {"submitted": 1}


async def test_what_is_no_feed_is_told(imports):
    imports.site.publish(b"<html><body>B\xe1\xba\xa3o tr\xc3\xac</body></html>")
    assert (await imports.visit_feed()).trouble.field == "feed"


async def test_words_that_nobody_knows_any_more_stop_a_feed_before_it_is_asked(imports):
    await imports.follow(imports.feed(topic="chu-de-da-bo"))
    assert (await imports.visit_feed()).trouble.field == "topic"
    assert not imports.site.server.request_counts


async def test_the_clock_reads_what_is_due_and_one_host_is_asked_once_at_a_time(imports):
    feeds = [imports.feed(f"/rss/{n}") for n in range(3)]
    await imports.follow(*feeds)
    for number in range(3):
        imports.publish(Article(number), path=f"/rss/{number}")
    service = ImportService(imports.importer, imports.registry)
    await visit_due(service)
    await visit_due(service)
    assert sum(imports.site.server.request_counts.values()) == 3
    assert imports.sleeps == [2.0, 2.0], "the pause between two requests to one host"
    imports.clock.advance(20 * 60)
    await visit_due(service)
    assert sum(imports.site.server.request_counts.values()) == 6
    assert await imports.event_kinds() == {"submitted": 3}


async def test_while_the_bus_fails_the_clock_goes_on_and_asks_again(imports):
    imports.publish(Article(1))
    service = ImportService(imports.new_importer(SilentBus(imports.bus)), imports.registry)
    with capture_logs() as lines:
        await service.visit_host([(await imports.member(), imports.feed())])
    assert [line["event"] for line in lines] == ["bus_trouble"]
    assert not imports.site.server.request_counts


class SilentBus:
    """A bus on which no bucket answers."""

    def __init__(self, bus: Any) -> None:
        self.bus = bus

    def bucket(self, name: str) -> Any:
        return self

    async def get(self, *_: object, **__: object) -> None:
        raise NoReply("nobody there")


async def test_two_feeds_of_a_unit_with_one_article_make_one_item(imports):
    feeds = [imports.feed("/rss/a"), imports.feed("/rss/b")]
    await imports.follow(*feeds)
    imports.publish(Article(1), path="/rss/a")
    imports.publish(Article(1, lead="Tóm tắt khác"), path="/rss/b")
    for feed in feeds * 2:
        state = await imports.visit_feed(feed, ManualVisit())
    assert (state.counts, await imports.event_kinds()) == ({"duplicate": 1}, {"submitted": 1})


async def test_a_unit_is_slowed_as_the_door_would_slow_it(imports):
    await imports.read(*map(Article, range(260)))
    assert sum(imports.sleeps) == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("dinh-chinh", "is filled by Loa itself"),
        ("khong-co", "is not a known topic"),
        ("canh-bao-khan", None),
    ],
)
def test_an_import_is_given_a_topic_that_units_may_use(topic, words):
    feed = FEED.model_copy(update={"topic": topic})
    error = settings_error("van-phong-bo", feed, DEFAULT)
    assert (error and error.field) == (words and "topic")
    assert words is None or words in error.message


async def test_a_slow_host_holds_up_no_other_feed(imports):
    """Its own feeds wait for it; the others are asked at each beat of the clock."""
    slow = [imports.feed(url=f"https://cham.example/rss/{number}") for number in range(2)]
    await imports.follow(*slow, imports.feed())
    imports.publish(Article(1))
    ask, goes_on, asked = imports.importer.request, asyncio.Event(), []

    async def request(url, **conditions):
        asked.append(url)
        if "cham.example" in url:
            await goes_on.wait()
        return await ask(imports.site.url("/rss"), **conditions)

    imports.importer.request = request
    service = ImportService(imports.importer, imports.registry)
    for _ in range(2):
        await service.begin_due_visits()
        await service.visits["127.0.0.1"]
        imports.clock.advance(60 * 60)
    assert asked.count(imports.site.url("/rss")) == 2
    assert [url for url in asked if "cham" in url] == [slow[0].url]
    goes_on.set()
    await asyncio.gather(*service.visits.values())
    assert asked[-1] == slow[1].url
