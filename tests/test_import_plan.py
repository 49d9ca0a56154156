"""What follows from a feed and from what is known: exactly the right events, and no others."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import events
from contracts.vocabulary import DEFAULT
from producers.imports.compose import compose
from producers.imports.document import read
from producers.imports.entry import trusted
from producers.imports.feed import Feed
from producers.imports.known import Known
from producers.imports.plan import Plan, Reading, plan
from tests.feed_site import NOW, SITE, Article, but

UNIT = "tap-chi-to-chuc-nha-nuoc-va-lao-dong"
FEED = Feed(url=f"{SITE}/rss", topic="cai-cach-hanh-chinh", since=NOW - timedelta(days=2), most=500)
OTHER = FEED.model_copy(update={"url": f"{SITE}/rss/hai"})
OLD = 3 * 24 * 60


class House:
    """A unit whose feeds are read: what is planned goes into the log, as the door would have it."""

    def __init__(self, feed: Feed = FEED) -> None:
        self.feed = feed
        self.known = Known(UNIT)
        self.aside: frozenset[str] = frozenset()
        self.read = False
        self.log: list = []

    def take(self, *articles: Article, feed: Feed | None = None, **more) -> Plan:
        feed = feed or self.feed
        entries = trusted(one.entry() for one in articles)
        feeds = frozenset({FEED.feed_id, OTHER.feed_id})
        given = {"first": not self.read, "aside": self.aside, "feeds": feeds, "now": NOW} | more
        made = plan(Reading(feed, entries, **given), self.known)
        for draft in made.drafts:
            self.hear(compose(draft, feed, UNIT), given["now"])
        self.aside |= made.aside
        self.read = True
        return made

    def hear(self, event, at=NOW) -> None:
        events.check(event, DEFAULT)
        events.check_sender(event, UNIT, DEFAULT)
        self.log.append(event)
        self.known.learn(event, at)

    def said(self, since: int = 0) -> Counter:
        return Counter(events.kind_of(one.type) for one in self.log[since:])


@pytest.fixture
def house():
    return House()


def whys(made: Plan) -> list[str]:
    return [one.why for one in made.drafts]


def test_a_new_article_is_submitted_once(house):
    made = house.take(Article(1))
    assert whys(made) == ["new"]
    assert house.log[0].data == {
        "content_id": made.drafts[0].content_id,
        "revision": 1,
        "title": "Hướng dẫn số 1 về cải cách hành chính",
        "summary": "",
        "body": "Bộ Nội vụ hướng dẫn thực hiện.",
        "topic": "cai-cach-hanh-chinh",
        "audiences": [],
        "channels": ["portal", "email", "zalo"],
        "links": [{"url": f"{SITE}/tin/1.html", "title": "Xem toàn văn trên tcnn.example.vn"}],
    }
    assert whys(house.take(Article(1))) == []


def test_the_oldest_goes_first(house):
    made = house.take(Article(1, ago=5), Article(2, ago=50), Article(3, ago=20))
    assert [one.entry.guid for one in made.drafts] == ["tcnn-2", "tcnn-3", "tcnn-1"]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Tiêu đề đính chính"},
        {"lead": "<p>Khác</p>"},
        {"full": "Toàn văn"},
        {"path": "/moi/1"},
    ],
)
def test_whatever_a_reader_would_see_makes_a_correction(house, change):
    house.take(Article(1))
    made = house.take(but(Article(1), **change))
    assert whys(made) == ["changed"]
    assert house.log[-1].type == events.CORRECTED
    assert (house.log[-1].data["revision"], house.log[-1].data["corrects_revision"]) == (2, 1)
    assert whys(house.take(but(Article(1), **change))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"lead": "<div>Bộ Nội vụ <i>hướng  dẫn</i>\n thực hiện.</div>"},
        {"path": "/tin/1.html?utm_source=oa"},
        {"path": "//tin/1.html#binh-luan"},
        {"ago": 30},
    ],
)
def test_what_no_reader_would_see_makes_none(house, change):
    house.take(Article(1))
    assert whys(house.take(but(Article(1), **change))) == []


def test_an_article_that_has_moved_is_the_same_item(house):
    house.take(Article(1))
    by_guid = house.take(Article(1, path="/moi/1.html"))
    by_title = house.take(Article(1, path="/nua/1.html", guid="khac-1"))
    assert [*whys(by_guid), *whys(by_title)] == ["changed", "changed"]
    assert len(house.known.stories) == 1
    assert house.log[-1].data["links"][0]["url"] == f"{SITE}/nua/1.html"
    assert whys(house.take(Article(1, path="/nua/1.html", guid="khac-1"))) == []


def test_a_second_address_of_an_article_is_a_duplicate_for_ever(house):
    first = Article(1, path="/tintuc/1")
    twin = Article(1, path="/danh-muc/2", guid="khac", lead="Khác đôi chút")
    assert whys(house.take(first, twin)) == ["new"]
    assert whys(house.take(first, but(twin, lead="Lại khác"))) == []
    assert whys(house.take(twin)) == [], "the first one has left the feed"


def test_a_twin_that_comes_later_is_none_of_its_own(house):
    house.take(Article(1))
    assert house.take(Article(1, path="/b", guid="b"), Article(1)).counts["duplicate"] == 1
    assert len(house.log) == 1


def test_the_real_pair_of_the_ministrys_portal_is_one_item():
    house = House(FEED.model_copy(update={"url": "https://moha.gov.vn/rss", "since": None}))
    text = """<rss version="2.0"><channel><title>T</title>
    <item><title>Bộ Nội vụ họp</title><pubDate>10/06/2020 17:18</pubDate>
    <link>https://moha.gov.vn/tintuc/Pages/listbnv.aspx?Cat=735&amp;ItemID=45244</link></item>
    <item><title>Bộ  Nội vụ HỌP</title><pubDate>17:18 10/06/2020 | Lượt xem : 15846</pubDate>
    <link>https://moha.gov.vn/danh-muc/bo-noi-vu-hop-44514.html</link></item>
    </channel></rss>"""
    entries = read(text.encode(), house.feed.url, "", NOW).entries
    made = plan(Reading(house.feed, entries, NOW), house.known)
    assert (whys(made), made.counts["duplicate"]) == (["new"], 1)


def test_the_same_title_on_another_day_is_another_article(house):
    made = house.take(Article(1, title="Thông báo"), Article(2, title="Thông báo", ago=60 * 26))
    assert whys(made) == ["new", "new"]


def test_what_leaves_the_feed_is_not_taken_back(house):
    house.take(Article(1), Article(2))
    assert (whys(house.take(Article(2))), len(house.log)) == ([], 2)


def test_what_was_there_before_is_left_alone_even_when_it_changes(house):
    made = house.take(Article(1, ago=OLD), Article(2))
    assert (whys(made), made.counts["old"]) == (["new"], 1)
    assert whys(house.take(Article(1, ago=10, title="Mới sửa"), Article(2))) == []


def test_a_backfill_reaches_the_portal_alone():
    house = House(FEED.model_copy(update={"backfill": True}))
    assert whys(house.take(Article(1, ago=OLD), Article(2))) == ["old", "new"]
    assert house.log[0].data["channels"] == ["portal"]
    house.take(Article(1, ago=OLD, lead="Khác"), Article(2))
    assert house.log[-1].data["channels"] == ["portal"], "and so does its correction"


def test_what_has_no_date_is_new_unless_it_lay_there_at_the_first_reading(house):
    def undated(*numbers):
        return [replace(Article(n).entry(), at=None, days=frozenset()) for n in numbers]

    first = plan(Reading(FEED, undated(1, 2), NOW, first=True), house.known)
    assert (whys(first), first.counts["old"]) == ([], 2)
    then = plan(Reading(FEED, undated(3, 1, 2), NOW, aside=frozenset(first.aside)), house.known)
    assert [one.entry.guid for one in then.drafts] == ["tcnn-3"]


def test_what_was_withdrawn_stays_so_whatever_the_site_does(house):
    house.take(Article(1))
    said = house.log[0]
    gone = {"content_id": said.data["content_id"], "reason": "Sai sự thật"}
    by_hand = {"extensions": {}, "source": f"/units/{UNIT}"}
    house.hear(said.model_copy(update={"type": events.WITHDRAWN, "data": gone, **by_hand}))
    made = house.take(Article(1, lead="Khác"))
    assert (whys(made), made.counts["withdrawn"]) == ([], 1)


def test_a_text_that_somebody_corrected_by_hand_is_corrected_behind_theirs(house):
    house.take(Article(1))
    said = house.log[0]
    data = {**said.data, "revision": 5, "corrects_revision": 1, "title": "Sửa tay"}
    by_hand = {"extensions": {}, "source": f"/units/{UNIT}"}
    house.hear(said.model_copy(update={"type": events.CORRECTED, "data": data, **by_hand}))
    assert whys(house.take(Article(1))) == [], "the site says what it said"
    house.take(Article(1, lead="Khác"))
    assert (house.log[-1].data["revision"], house.log[-1].data["corrects_revision"]) == (6, 5)


def test_an_item_follows_the_feed_that_brought_it(house):
    house.take(Article(1))
    made = house.take(Article(1, lead="Tóm tắt khác"), feed=OTHER)
    assert (whys(made), made.counts["duplicate"]) == ([], 1)
    alone = house.take(
        Article(1, lead="Tóm tắt khác"), feed=OTHER, feeds=frozenset({OTHER.feed_id})
    )
    assert whys(alone) == ["changed"], "the other feed is imported no more"


def test_a_restless_article_does_not_wear_readers_out(house):
    for number in range(6):
        house.take(Article(1, lead=f"Bản {number}"), now=NOW + timedelta(minutes=number))
    assert len(house.log) == 3
    late = house.take(Article(1, lead="Bản cuối"), now=NOW + timedelta(days=1, minutes=1))
    assert whys(late) == ["changed"]


def test_too_much_at_once_is_held_until_somebody_has_looked(house):
    house.feed = FEED.model_copy(update={"most": 3})
    many = [Article(number) for number in range(5)]
    made = house.take(*many)
    assert (whys(made), len(made.held), made.counts["held"]) == ([], 5, 5)
    assert len(house.take(*many, released=True).drafts) == 5


def test_a_flood_for_the_portal_alone_is_none():
    house = House(FEED.model_copy(update={"most": 3, "backfill": True}))
    assert len(house.take(*(Article(number, ago=OLD) for number in range(9))).drafts) == 9


def test_what_was_refused_is_tried_again_only_when_it_has_changed(house):
    first = plan(Reading(FEED, [Article(1).entry()], NOW), house.known)
    refused = frozenset(one.refusal for one in first.drafts)
    again = house.take(Article(1), refused=refused)
    assert (whys(again), again.counts["refused"]) == ([], 1)
    assert whys(house.take(Article(1, title="Đã rút gọn"), refused=refused)) == ["new"]


def test_ids_are_the_same_whenever_they_are_worked_out(house):
    house.take(Article(1), Article(2))
    ids = set(house.known.stories)
    fresh = House()
    fresh.take(Article(2, lead="Khác"), Article(1, title="Khác"))
    assert set(fresh.known.stories) == ids


def test_of_two_units_with_one_feed_each_has_items_of_its_own(house):
    house.take(Article(1))
    other = plan(Reading(FEED, [Article(1).entry()], NOW), Known("van-phong-bo"))
    assert other.drafts[0].content_id not in house.known.stories


def test_500_articles_twice_with_changes_moves_and_twins_give_exactly_the_right_events(house):
    first = [Article(n, ago=n) for n in range(500)]
    house.take(*first)
    assert house.said() == {"submitted": 500}
    second = [*first]
    for n in range(40):
        second[n] = but(first[n], lead=f"<p>Sửa {n}</p>")
    for n in range(40, 80):
        second[n] = but(first[n], path=f"/chuyen-muc-moi/{n}.html")
    for n in range(80, 120):
        second[n] = but(first[n], path=f"/moi/{n}.html", guid=f"moi-{n}")
    for n in range(120, 160):
        second[n] = but(
            first[n], path=f"/tin/{n}.html?utm_source=zalo#x", lead=f"<div>{first[n].lead}</div>"
        )
    twins = [
        but(first[n], path=f"/danh-muc/{n}.html", guid=f"ban-sao-{n}") for n in range(160, 200)
    ]
    fresh = [Article(n, ago=0) for n in range(500, 520)]
    made = house.take(*fresh, *twins, *second[:480])
    assert house.said(since=500) == {"submitted": 20, "corrected": 120}
    assert {one.data["revision"] for one in house.log[500:] if one.type == events.CORRECTED} == {2}
    assert (made.counts["duplicate"], made.counts["unchanged"]) == (40, 360)
    assert len(house.known.stories) == 520
    assert house.take(*fresh, *twins, *second[:480]).drafts == []


ARTICLES = st.builds(
    Article,
    number=st.integers(0, 5),
    title=st.sampled_from(["", "Thông báo", "Công văn"]),
    lead=st.sampled_from(["<p>Một</p>", "Hai", ""]),
    path=st.sampled_from(["", "/a", "/b", "/tin?utm_source=x"]),
    guid=st.sampled_from(["", "g-1", "g-2"]),
    ago=st.sampled_from([5, 60, OLD]),
)
FEEDS = st.lists(ARTICLES, max_size=8)


@given(st.lists(FEEDS, min_size=1, max_size=5), st.booleans())
def test_whatever_is_read_a_second_reading_gives_nothing_and_revisions_go_up(readings, backfill):
    house = House(FEED.model_copy(update={"backfill": backfill}))
    for number, articles in enumerate(readings):
        now = NOW + timedelta(days=2 * number)
        house.take(*articles, now=now)
        assert house.take(*articles, now=now + timedelta(days=1)).drafts == []
    names = [(one.data["content_id"], one.data["revision"]) for one in house.log]
    assert len(set(names)) == len(names)
    for content_id in {name for name, _ in names}:
        revisions = [revision for name, revision in names if name == content_id]
        assert revisions == list(range(1, len(revisions) + 1))


@given(st.lists(FEEDS, min_size=1, max_size=4))
def test_losing_all_memory_but_the_log_publishes_nothing_again(readings):
    house = House()
    for articles in readings:
        house.take(*articles)
    again = House()
    for event in house.log:
        again.known.learn(event, NOW)
    assert again.known.stories == house.known.stories
    made = again.take(*readings[-1], now=NOW + timedelta(days=1))
    assert not {one.content_id for one in made.drafts if one.why == "new"} & {*house.known.stories}


@given(FEEDS, st.randoms(use_true_random=False))
def test_another_order_in_the_feed_makes_no_item_of_what_is_known(articles, rng):
    house = House()
    house.take(*articles)
    known = {*house.known.stories}
    shuffled = rng.sample(articles, len(articles))
    assert {one.content_id for one in house.take(*shuffled).drafts} <= known
