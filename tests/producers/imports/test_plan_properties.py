"""Any feeds: exactly the right events, and none twice."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.feed_site import NOW, Article
from tests.support.import_planner import FEED, OLD, ImportPlanner

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
    planner = ImportPlanner(FEED.model_copy(update={"backfill": backfill}))
    for number, articles in enumerate(readings):
        now = NOW + timedelta(days=2 * number)
        planner.plan(*articles, now=now)
        assert planner.plan(*articles, now=now + timedelta(days=1)).drafts == []
    names = [(one.data["content_id"], one.data["revision"]) for one in planner.log]
    assert len(set(names)) == len(names)
    for content_id in {name for name, _ in names}:
        revisions = [revision for name, revision in names if name == content_id]
        assert revisions == list(range(1, len(revisions) + 1))


@given(st.lists(FEEDS, min_size=1, max_size=4))
def test_losing_all_memory_but_the_log_publishes_nothing_again(readings):
    planner = ImportPlanner()
    for articles in readings:
        planner.plan(*articles)
    again = ImportPlanner()
    for event in planner.log:
        again.known.add_event(event, NOW)
    assert again.known.articles == planner.known.articles
    made = again.plan(*readings[-1], now=NOW + timedelta(days=1))
    new = {one.content_id for one in made.drafts if one.reason == "new"}
    assert new.isdisjoint(planner.known.articles)


@given(FEEDS, st.randoms(use_true_random=False))
def test_another_order_in_the_feed_makes_no_item_of_what_is_known(articles, rng):
    planner = ImportPlanner()
    planner.plan(*articles)
    known = {*planner.known.articles}
    shuffled = rng.sample(articles, len(articles))
    assert {one.content_id for one in planner.plan(*shuffled).drafts} <= known
