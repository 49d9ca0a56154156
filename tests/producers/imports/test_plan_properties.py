"""Whole feeds, and whatever feeds one can think of: exactly the right events, and none twice."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts import events
from tests.support.feed_site import NOW, Article, changed_article
from tests.support.import_planner import FEED, OLD, ImportPlanner


def test_500_articles_twice_with_changes_moves_and_twins_give_exactly_the_right_events(planner):
    first = [Article(n, ago=n) for n in range(500)]
    planner.plan_reading(*first)
    assert planner.event_counts() == {"submitted": 500}
    second = [*first]
    for n in range(40):
        second[n] = changed_article(first[n], lead=f"<p>Sửa {n}</p>")
    for n in range(40, 80):
        second[n] = changed_article(first[n], path=f"/chuyen-muc-moi/{n}.html")
    for n in range(80, 120):
        second[n] = changed_article(first[n], path=f"/moi/{n}.html", guid=f"moi-{n}")
    for n in range(120, 160):
        second[n] = changed_article(
            first[n], path=f"/tin/{n}.html?utm_source=zalo#x", lead=f"<div>{first[n].lead}</div>"
        )
    twins = [
        changed_article(first[n], path=f"/danh-muc/{n}.html", guid=f"ban-sao-{n}")
        for n in range(160, 200)
    ]
    fresh = [Article(n, ago=0) for n in range(500, 520)]
    made = planner.plan_reading(*fresh, *twins, *second[:480])
    assert planner.event_counts(since=500) == {"submitted": 20, "corrected": 40}
    assert {one.data["revision"] for one in planner.log[500:] if one.type == events.CORRECTED} == {
        2
    }
    assert made.counts == {"duplicate": 40, "unchanged": 360, "moved": 80}
    assert len(planner.known.articles) == 520
    again = planner.plan_reading(*fresh, *twins, *second[:480])
    assert (again.drafts, again.counts) == ([], {"duplicate": 40, "unchanged": 500})


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
    house = ImportPlanner(FEED.model_copy(update={"backfill": backfill}))
    for number, articles in enumerate(readings):
        now = NOW + timedelta(days=2 * number)
        house.plan_reading(*articles, now=now)
        assert house.plan_reading(*articles, now=now + timedelta(days=1)).drafts == []
    names = [(one.data["content_id"], one.data["revision"]) for one in house.log]
    assert len(set(names)) == len(names)
    for content_id in {name for name, _ in names}:
        revisions = [revision for name, revision in names if name == content_id]
        assert revisions == list(range(1, len(revisions) + 1))


@given(st.lists(FEEDS, min_size=1, max_size=4))
def test_losing_all_memory_but_the_log_publishes_nothing_again(readings):
    house = ImportPlanner()
    for articles in readings:
        house.plan_reading(*articles)
    again = ImportPlanner()
    for event in house.log:
        again.known.add_event(event, NOW)
    assert again.known.articles == house.known.articles
    made = again.plan_reading(*readings[-1], now=NOW + timedelta(days=1))
    assert not {one.content_id for one in made.drafts if one.reason == "new"} & {
        *house.known.articles
    }


@given(FEEDS, st.randoms(use_true_random=False))
def test_another_order_in_the_feed_makes_no_item_of_what_is_known(articles, rng):
    house = ImportPlanner()
    house.plan_reading(*articles)
    known = {*house.known.articles}
    shuffled = rng.sample(articles, len(articles))
    assert {one.content_id for one in house.plan_reading(*shuffled).drafts} <= known
