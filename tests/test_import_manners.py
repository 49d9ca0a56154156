"""Sites are asked as they wish: not too often, one at a time, and no more once they have ended."""

import re
from typing import Any

import pytest
from structlog.testing import capture_logs

from producers.bus import Silence
from producers.imports import after
from producers.imports.after import Taken
from producers.imports.draft import Plan
from producers.imports.feed import Feed
from producers.imports.manners import DAY_S, next_visit
from producers.imports.round import Wish
from producers.imports.service import Imports
from producers.imports.site import Found
from producers.imports.state import FeedState
from tests.feed_site import Article, rss
from tests.import_house import import_house


@pytest.fixture
async def house(bus, clock):
    async with import_house(bus, clock) as house:
        yield house


@pytest.mark.parametrize(
    ("asked_s", "failures", "least"),
    [(0, 0, 900), (60, 0, 900), (7200, 0, 7200), (0, 1, 1800), (0, 3, 7200), (0, 50, DAY_S),
     (10 * DAY_S, 0, 7 * DAY_S), (2 * DAY_S, 50, 2 * DAY_S)],
)  # fmt: skip
def test_the_longest_wish_counts(asked_s, failures, least):
    assert next_visit(900, asked_s, failures, luck=0) == least
    assert next_visit(900, asked_s, failures, luck=1) == pytest.approx(least * 1.1)


async def test_trouble_of_a_site_is_told_and_waited_out_ever_longer(house):
    await house.follow()
    house.site.server.lay("/rss", status=500)
    first = await house.read()
    second = await house.read()
    assert (first.failures, second.failures) == (1, 2)
    assert second.trouble.field == "url" and "HTTP 500" in second.trouble.message_vi
    assert second.due - house.clock() > first.due - house.clock() >= 900
    house.site.lay(rss(Article(1)))
    assert ((await house.read()).trouble, await house.kinds()) == (None, {"submitted": 1})


async def test_a_site_is_left_alone_for_as_long_as_it_asks(house):
    await house.follow()
    house.site.server.lay("/rss", status=429, headers={"Retry-After": "7200"})
    state = await house.read()
    assert state.closed_until == house.clock() + 7200 <= state.due


WISHES = [({}, 0, 900), ({"Cache-Control": "max-age=3600"}, 0, 3600), ({}, 120, 7200)]


@pytest.mark.parametrize(("headers", "ttl", "least"), WISHES)
async def test_the_next_visit_is_no_sooner_than_anybody_wants(house, headers, ttl, least):
    await house.follow()
    house.site.lay(rss(Article(1), ttl=ttl), **headers)
    wait = (await house.read()).due - house.clock()
    assert least <= wait <= least * 1.1


async def test_no_site_closes_itself_for_longer_than_a_week(house):
    await house.follow()
    house.site.server.lay("/rss", status=503, headers={"Retry-After": "999999999"})
    assert (await house.read()).closed_until == house.clock() + 7 * DAY_S


def test_a_move_within_a_site_is_followed_and_one_to_another_is_not():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    within, beyond = "https://www.tcnn.example.vn/rss.xml", "https://khac.example.vn/rss"
    assert after.address(feed, FeedState(moved_to=within)) == within
    assert after.address(feed, FeedState(moved_to=beyond)) == feed.url


def test_a_reading_that_is_not_done_is_asked_for_in_full_again():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    found, state = Found(b"", feed.url, etag="new"), FeedState(etag="old", aside=("g.a", "g.x"))
    made = Plan(aside={"g.x"})
    half = after.settled(state, feed, 0.0, Taken(found, made, left=1))
    whole = after.settled(state, feed, 0.0, Taken(found, made))
    assert (half.etag, whole.etag) == ("old", "new")
    assert whole.aside == ("g.x", "g.a"), "what is still listed is forgotten last"


def test_what_was_never_read_is_not_read_because_a_site_says_that_nothing_is_new():
    feed = Feed(url="http://tcnn.example.vn/rss", topic="cai-cach-hanh-chinh")
    for read in (0.0, 5.0):
        state = after.unchanged(FeedState(read=read), feed, 9.0, Found(None, feed.url))
        assert (state.read, state.visited) == (9.0 if read else 0.0, 9.0)


async def test_a_site_that_says_unasked_that_nothing_is_new_is_in_trouble(house):
    """What it lists without a date is old when it is read at last, and no news."""
    await house.follow()
    house.site.server.lay("/rss", status=304)
    state = await house.read()
    assert (state.read, state.trouble.field, state.failures) == (0.0, "url", 1)
    house.site.lay(re.sub("<pubDate>.*?</pubDate>", "", rss(Article(1)).decode()).encode())
    assert (await house.read()).counts == {"old": 1}


async def test_a_feed_that_is_over_is_asked_no_more(house):
    await house.follow()
    house.site.server.lay("/rss", status=410)
    assert (await house.read()).stopped
    service = Imports(house.importer, house.registry)
    house.clock.advance(30 * DAY_S)
    await service.tick()
    assert house.site.server.asked["/rss"] == 1
    house.site.lay(rss(Article(1)))
    assert not (await house.read(wish=Wish())).stopped


async def test_a_feed_that_has_moved_for_good_is_asked_there(house):
    await house.follow()
    house.site.server.move("/rss", "/moi", 301)
    house.site.lay(rss(Article(1)), "/moi")
    assert (await house.read()).moved_to == house.site.url("/moi")
    await house.read()
    assert house.site.server.asked == {"/rss": 1, "/moi": 2}
    assert await house.kinds() == {"submitted": 1}


async def test_what_is_no_feed_is_told(house):
    await house.follow()
    house.site.lay(b"<html><body>B\xe1\xba\xa3o tr\xc3\xac</body></html>")
    assert (await house.read()).trouble.field == "feed"


async def test_words_that_nobody_knows_any_more_stop_a_feed_before_it_is_asked(house):
    await house.follow(house.feed(topic="chu-de-da-bo"))
    assert (await house.read()).trouble.field == "topic"
    assert not house.site.server.asked


async def test_the_clock_reads_what_is_due_and_one_host_is_asked_once_at_a_time(house):
    feeds = [house.feed(f"/rss/{n}") for n in range(3)]
    await house.follow(*feeds)
    for number in range(3):
        house.site.lay(rss(Article(number)), f"/rss/{number}")
    service = Imports(house.importer, house.registry)
    await service.tick()
    await service.tick()
    assert sum(house.site.server.asked.values()) == 3
    assert house.waited == [2.0, 2.0], "the pause between two requests to one host"
    house.clock.advance(20 * 60)
    await service.tick()
    assert sum(house.site.server.asked.values()) == 6
    assert await house.kinds() == {"submitted": 3}


async def test_while_the_bus_fails_the_clock_goes_on_and_asks_again(house):
    await house.follow()
    house.site.lay(rss(Article(1)))
    service = Imports(house.process(Silent(house.bus)), house.registry)
    with capture_logs() as lines:
        await service.one_host([(await house.member(), house.feed())])
    assert [line["event"] for line in lines] == ["bus_trouble"]
    assert not house.site.server.asked


class Silent:
    """A bus on which no bucket answers."""

    def __init__(self, bus: Any) -> None:
        self.bus = bus

    def bucket(self, name: str) -> Any:
        return self

    async def get(self, *_: object, **__: object) -> None:
        raise Silence("nobody there")


async def test_two_feeds_of_a_unit_with_one_article_make_one_item(house):
    feeds = [house.feed("/rss/a"), house.feed("/rss/b")]
    await house.follow(*feeds)
    house.site.lay(rss(Article(1)), "/rss/a")
    house.site.lay(rss(Article(1, lead="Tóm tắt khác")), "/rss/b")
    for feed in feeds * 2:
        state = await house.read(feed, Wish())
    assert (state.counts, await house.kinds()) == ({"duplicate": 1}, {"submitted": 1})


async def test_a_unit_is_slowed_as_the_door_would_slow_it(house):
    await house.follow()
    house.site.lay(rss(*map(Article, range(260))))
    await house.read()
    assert sum(house.waited) == pytest.approx(6, abs=0.5)


async def test_a_state_of_another_version_is_read(house):
    state = FeedState.model_validate({"etag": '"x"', "later": 1})
    assert state.model_dump()["later"] == 1
