"""The day that a site has put on an article is said, and waited for where it is still to come."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from contracts.delivery import ChannelName
from contracts.text.moments import VIETNAM
from producers.imports.compose_event import compose_event
from producers.imports.parse.dates import MAX_AHEAD, parse_published
from producers.imports.parse.feed_document import parse_feed
from producers.imports.parse.feed_entry import Entry
from producers.imports.planned import Draft
from tests.producers.imports.parse.test_feed_document import channel
from tests.producers.imports.test_plan import whys
from tests.support.feed_site import NOW, SITE, Article, rss
from tests.support.import_planner import FEED, OLD, UNIT, ImportPlanner

DAYS_3 = 3 * 24 * 60
HOUR = timedelta(hours=1)


def event_of(entry: Entry):
    return compose_event(Draft("bai-1", 1, entry, "new", ("portal",)), FEED, UNIT)


def link_of(article: Article) -> str:
    [entry] = parse_feed(rss(article), FEED.url, "", NOW).entries
    return event_of(entry).data["links"][0]["title"]


@pytest.mark.parametrize(
    ("ago", "day"), [(60, "15/01/2027"), (24 * 60 * 580, "14/06/2025"), (-DAYS_3, "18/01/2027")]
)
def test_the_link_says_where_and_on_which_day_it_was_published(ago, day):
    assert link_of(Article(1, ago=ago)) == f"Đăng trên tcnn.example.vn ngày {day} – xem toàn văn"


def test_a_link_without_a_date_or_with_a_mistaken_one_says_no_day():
    undated = event_of(Entry("A", f"{SITE}/1")).data["links"][0]["title"]
    mistaken = link_of(Article(1, ago=-400 * 24 * 60))
    assert undated == mistaken == "Xem toàn văn trên tcnn.example.vn"


def test_where_there_is_no_link_the_text_ends_with_the_day():
    item = channel("<item><title>A</title><guid>a3</guid><description>Một.</description>"
                   "<pubDate>2025-04-25T09:00:00+07:00</pubDate></item>")  # fmt: skip
    [entry] = parse_feed(item.encode(), FEED.url, "", NOW).entries
    said = event_of(entry).data
    assert (said["body"], "links" in said) == ("Một.\n\nNgày đăng: 25/4/2025.", False)


def test_another_day_in_the_feed_is_no_correction():
    planner = ImportPlanner()
    planner.plan(Article(1))
    assert planner.plan(Article(1, ago=25 * 60)).counts == {"unchanged": 1}


def test_twenty_old_articles_reach_the_portal_alone_and_each_says_its_day():
    planner = ImportPlanner(FEED.model_copy(update={"backfill": True}))
    planner.plan(*(Article(n, ago=OLD + n * 24 * 60) for n in range(20)))
    assert {tuple(one.data["channels"]) for one in planner.log} == {(ChannelName.PORTAL,)}
    assert len({one.data["links"][0]["title"] for one in planner.log}) == 20


def test_an_article_dated_ahead_waits_until_then():
    planner = ImportPlanner()
    assert whys(planner.plan(Article(1, ago=-DAYS_3), Article(2))) == ["new", "new"]
    ahead = {one.data["links"][0]["url"][-6:]: one.data.get("not_before") for one in planner.log}
    assert ahead == {"1.html": "2027-01-18T08:00:00+00:00", "2.html": None}


@pytest.mark.parametrize(("hours", "at"), [(6, None), (8, "16:00"), (48, "08:00")])
def test_what_calls_itself_gmt_waits_only_where_local_time_lies_ahead_as_well(hours, at):
    found = parse_published(format_datetime(NOW + hours * HOUR, usegmt=True), NOW)
    assert (f"{found.ahead:%H:%M}" if found.ahead else None) == at


def test_so_does_its_correction_for_as_long_as_it_lies_ahead():
    planner = ImportPlanner()
    planner.plan(Article(1, ago=-DAYS_3))
    planner.plan(Article(1, ago=-DAYS_3, lead="Khác"))
    assert planner.log[-1].data["not_before"] == planner.log[0].data["not_before"]
    planner.plan(Article(1, ago=0, lead="Lại khác"))
    assert "not_before" not in planner.log[-1].data


@pytest.mark.parametrize(
    ("ahead", "waits"),
    [(timedelta(minutes=9), False), (HOUR, True), (MAX_AHEAD, True), (MAX_AHEAD + HOUR, False)],
)
def test_a_clock_that_is_fast_and_a_year_that_is_wrong_make_nobody_wait(ahead, waits):
    now = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
    found = parse_published((now + ahead).astimezone(VIETNAM).isoformat(), now)
    assert (found.ahead is not None, found.at) == (waits, now)
