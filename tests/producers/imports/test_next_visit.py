"""Sites are asked as they wish: not too often, one at a time, and no more once they have ended."""

import re
from typing import Any

import pytest
from structlog.testing import capture_logs

from producers.bus import NoReply
from producers.imports import next_state
from producers.imports.feed_request import FeedResponse
from producers.imports.feed_state import FeedState
from producers.imports.next_state import DAY_S, ReadingResult, next_visit_s
from producers.imports.planned import Plan
from producers.imports.service import ImportService
from producers.imports.visit import ManualVisit
from producers.units.feed_settings import Feed
from tests.support.feed_site import Article, rss


@pytest.mark.parametrize(
    ("asked_s", "failures", "least"),
    [(0, 0, 900), (60, 0, 900), (7200, 0, 7200), (0, 1, 1800), (0, 3, 7200), (0, 50, DAY_S),
     (10 * DAY_S, 0, 7 * DAY_S), (2 * DAY_S, 50, 2 * DAY_S)],
)  # fmt: skip
def test_the_longest_wish_counts(asked_s, failures, least):
    assert next_visit_s(900, asked_s, failures, jitter=0) == least
    assert next_visit_s(900, asked_s, failures, jitter=1) == pytest.approx(least * 1.1)


async def test_trouble_of_a_site_is_told_and_waited_out_ever_longer(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.server.serve("/rss", status=500)
    first = await import_pipeline.visit_feed()
    second = await import_pipeline.visit_feed()
    assert (first.failures, second.failures) == (1, 2)
    assert second.trouble.field == "url" and "HTTP 500" in second.trouble.message_vi
    assert second.due - import_pipeline.clock() > first.due - import_pipeline.clock() >= 900
    import_pipeline.site.publish(rss(Article(1)))
    assert ((await import_pipeline.visit_feed()).trouble, await import_pipeline.event_kinds()) == (
        None,
        {"submitted": 1},
    )


async def test_a_site_is_left_alone_for_as_long_as_it_asks(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.server.serve("/rss", status=429, headers={"Retry-After": "7200"})
    state = await import_pipeline.visit_feed()
    assert state.closed_until == import_pipeline.clock() + 7200 <= state.due


WISHES = [({}, 0, 900), ({"Cache-Control": "max-age=3600"}, 0, 3600), ({}, 120, 7200)]


@pytest.mark.parametrize(("headers", "ttl", "least"), WISHES)
async def test_the_next_visit_is_no_sooner_than_anybody_wants(import_pipeline, headers, ttl, least):
    await import_pipeline.follow()
    import_pipeline.site.publish(rss(Article(1), ttl=ttl), **headers)
    wait = (await import_pipeline.visit_feed()).due - import_pipeline.clock()
    assert least <= wait <= least * 1.1


async def test_no_site_closes_itself_for_longer_than_a_week(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.server.serve("/rss", status=503, headers={"Retry-After": "999999999"})
    assert (await import_pipeline.visit_feed()).closed_until == import_pipeline.clock() + 7 * DAY_S


def test_a_move_within_a_site_is_followed_and_one_to_another_is_not():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    within, beyond = "https://www.tcnn.example.vn/rss.xml", "https://khac.example.vn/rss"
    assert next_state.request_url(feed, FeedState(moved_to=within)) == within
    assert next_state.request_url(feed, FeedState(moved_to=beyond)) == feed.url


def test_a_reading_that_is_not_done_is_asked_for_in_full_again():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    found, state = (
        FeedResponse(b"", feed.url, etag="new"),
        FeedState(etag="old", aside=("g.a", "g.x")),
    )
    made = Plan(set_aside={"g.x"})
    half = next_state.after_reading(state, feed, 0.0, ReadingResult(found, made, overtaken=1))
    whole = next_state.after_reading(state, feed, 0.0, ReadingResult(found, made))
    assert (half.etag, whole.etag) == ("old", "new")
    assert whole.aside == ("g.x", "g.a"), "what is still listed is forgotten last"


def test_what_was_never_read_is_not_read_because_a_site_says_that_nothing_is_new():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    for read in (0.0, 5.0):
        state = next_state.after_unchanged(
            FeedState(read=read), feed, 9.0, FeedResponse(None, feed.url)
        )
        assert (state.read, state.visited) == (9.0 if read else 0.0, 9.0)


async def test_a_site_that_says_unasked_that_nothing_is_new_is_in_trouble(import_pipeline):
    """What it lists without a date is old when it is read at last, and no news."""
    await import_pipeline.follow()
    import_pipeline.site.server.serve("/rss", status=304)
    state = await import_pipeline.visit_feed()
    assert (state.read, state.trouble.field, state.failures) == (0.0, "url", 1)
    import_pipeline.site.publish(
        re.sub("<pubDate>.*?</pubDate>", "", rss(Article(1)).decode()).encode()
    )
    assert (await import_pipeline.visit_feed()).counts == {"old": 1}


async def test_a_feed_that_is_over_is_asked_no_more(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.server.serve("/rss", status=410)
    assert (await import_pipeline.visit_feed()).stopped
    service = ImportService(import_pipeline.importer, import_pipeline.registry)
    import_pipeline.clock.advance(30 * DAY_S)
    await service.visit_due_feeds()
    assert import_pipeline.site.server.request_counts["/rss"] == 1
    import_pipeline.site.publish(rss(Article(1)))
    assert not (await import_pipeline.visit_feed(wish=ManualVisit())).stopped


async def test_a_feed_that_has_moved_for_good_is_asked_there(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.server.move("/rss", "/moi", 301)
    import_pipeline.site.publish(rss(Article(1)), "/moi")
    assert (await import_pipeline.visit_feed()).moved_to == import_pipeline.site.url("/moi")
    await import_pipeline.visit_feed()
    assert import_pipeline.site.server.request_counts == {"/rss": 1, "/moi": 2}
    assert await import_pipeline.event_kinds() == {"submitted": 1}


async def test_what_is_no_feed_is_told(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.publish(b"<html><body>B\xe1\xba\xa3o tr\xc3\xac</body></html>")
    assert (await import_pipeline.visit_feed()).trouble.field == "feed"


async def test_words_that_nobody_knows_any_more_stop_a_feed_before_it_is_asked(import_pipeline):
    await import_pipeline.follow(import_pipeline.feed(topic="chu-de-da-bo"))
    assert (await import_pipeline.visit_feed()).trouble.field == "topic"
    assert not import_pipeline.site.server.request_counts


async def test_the_clock_reads_what_is_due_and_one_host_is_asked_once_at_a_time(import_pipeline):
    feeds = [import_pipeline.feed(f"/rss/{n}") for n in range(3)]
    await import_pipeline.follow(*feeds)
    for number in range(3):
        import_pipeline.site.publish(rss(Article(number)), f"/rss/{number}")
    service = ImportService(import_pipeline.importer, import_pipeline.registry)
    await service.visit_due_feeds()
    await service.visit_due_feeds()
    assert sum(import_pipeline.site.server.request_counts.values()) == 3
    assert import_pipeline.sleeps == [2.0, 2.0], "the pause between two requests to one host"
    import_pipeline.clock.advance(20 * 60)
    await service.visit_due_feeds()
    assert sum(import_pipeline.site.server.request_counts.values()) == 6
    assert await import_pipeline.event_kinds() == {"submitted": 3}


async def test_while_the_bus_fails_the_clock_goes_on_and_asks_again(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.publish(rss(Article(1)))
    service = ImportService(
        import_pipeline.new_importer(SilentBus(import_pipeline.bus)), import_pipeline.registry
    )
    with capture_logs() as lines:
        await service.visit_host([(await import_pipeline.member(), import_pipeline.feed())])
    assert [line["event"] for line in lines] == ["bus_trouble"]
    assert not import_pipeline.site.server.request_counts


class SilentBus:
    """A bus on which no bucket answers."""

    def __init__(self, bus: Any) -> None:
        self.bus = bus

    def bucket(self, name: str) -> Any:
        return self

    async def get(self, *_: object, **__: object) -> None:
        raise NoReply("nobody there")


async def test_two_feeds_of_a_unit_with_one_article_make_one_item(import_pipeline):
    feeds = [import_pipeline.feed("/rss/a"), import_pipeline.feed("/rss/b")]
    await import_pipeline.follow(*feeds)
    import_pipeline.site.publish(rss(Article(1)), "/rss/a")
    import_pipeline.site.publish(rss(Article(1, lead="Tóm tắt khác")), "/rss/b")
    for feed in feeds * 2:
        state = await import_pipeline.visit_feed(feed, ManualVisit())
    assert (state.counts, await import_pipeline.event_kinds()) == (
        {"duplicate": 1},
        {"submitted": 1},
    )


async def test_a_unit_is_slowed_as_the_door_would_slow_it(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.publish(rss(*map(Article, range(260))))
    await import_pipeline.visit_feed()
    assert sum(import_pipeline.sleeps) == pytest.approx(6, abs=0.5)


async def test_a_state_of_another_version_is_read(import_pipeline):
    state = FeedState.model_validate({"etag": '"x"', "later": 1})
    assert state.model_dump()["later"] == 1
