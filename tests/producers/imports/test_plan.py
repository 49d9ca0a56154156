"""Plan of a feed, by its known items: exactly the right events, and no others."""

import pytest

from contracts import events
from contracts.delivery import ChannelName
from producers.imports.imported_articles import ImportedArticles
from producers.imports.parse import feed_entry
from producers.imports.parse.feed_entry import Enclosure
from producers.imports.plan import plan_events
from producers.imports.planned import Plan, Reading
from tests.support.feed_site import NOW, SITE, Article, changed_article
from tests.support.import_planner import FEED, OLD, OTHER, UNIT, ImportPlanner

WHERE = "Đăng trên tcnn.example.vn ngày 15/01/2027 – xem toàn văn"


def whys(made: Plan) -> list[str]:
    return [one.reason for one in made.drafts]


def test_a_new_article_is_submitted_once(planner):
    made = planner.plan(Article(1))
    assert whys(made) == ["new"]
    assert planner.log[0].data == {
        "content_id": made.drafts[0].content_id,
        "revision": 1,
        "title": "Hướng dẫn số 1 về cải cách hành chính",
        "summary": "",
        "body": "Bộ Nội vụ hướng dẫn thực hiện.",
        "topic": "cai-cach-hanh-chinh",
        "lane": "normal",
        "audiences": [],
        "channels": ["portal", "email", "zalo"],
        "links": [{"url": f"{SITE}/tin/1.html", "title": WHERE}],
    }
    assert whys(planner.plan(Article(1))) == []


def test_a_title_that_is_too_long_is_cut_between_words_and_stands_whole_in_the_text(planner):
    title = "Về việc triển khai thực hiện Nghị quyết của Chính phủ " * 8
    planner.plan(Article(1, title=title.strip()))
    said = planner.log[0].data
    assert 280 < len(said["title"]) <= 300 and said["title"].endswith("…")
    assert title.startswith(said["title"].removesuffix("…") + " ")
    assert said["body"] == f"{title.strip()}\n\nBộ Nội vụ hướng dẫn thực hiện."
    assert said["summary"] == ""
    assert whys(planner.plan(Article(1, title=title.strip()))) == []
    planner.plan(Article(2, title=title + "2", lead="", ago=50))
    assert planner.log[1].data["body"] == title + "2", "and stands there once"


def test_an_article_imported_with_a_shorter_title_is_unchanged(planner, monkeypatch):
    article = Article(1, title="Về việc triển khai thực hiện Nghị quyết của Chính phủ " * 4)
    with monkeypatch.context() as earlier:
        earlier.setattr(feed_entry, "_MAX_TITLE", 150)
        planner.plan(article)
    assert len(planner.log[0].data["title"]) <= 150
    assert whys(planner.plan(article)) == []


def test_documents_that_an_article_encloses_are_attached(planner):
    pdf = Enclosure("https://a.vn/1.pdf", "1.pdf", "application/pdf", 7)
    files = (pdf, Enclosure("https://a.vn/2", "2"))
    planner.plan(Article(1, files=files))
    assert planner.log[0].data["attachments"] == [
        {"url": "https://a.vn/1.pdf", "title": "1.pdf", "media_type": "application/pdf", "size": 7},
        {"url": "https://a.vn/2", "title": "2"},
    ]
    assert whys(planner.plan(Article(1, files=files))) == []


def test_the_oldest_goes_first(planner):
    made = planner.plan(Article(1, ago=5), Article(2, ago=50), Article(3, ago=20))
    assert [one.entry.guid for one in made.drafts] == ["tcnn-2", "tcnn-3", "tcnn-1"]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Tiêu đề đính chính"},
        {"lead": "<p>Khác</p>"},
        {"full": "Toàn văn"},
        {"files": (Enclosure("https://a.vn/1.pdf", "1.pdf"),)},
    ],
)
def test_whatever_a_reader_would_see_makes_a_correction(planner, change):
    planner.plan(Article(1))
    made = planner.plan(changed_article(Article(1), **change))
    assert whys(made) == ["changed"]
    assert planner.log[-1].type == events.CORRECTED
    assert (planner.log[-1].data["revision"], planner.log[-1].data["corrects_revision"]) == (2, 1)
    assert whys(planner.plan(changed_article(Article(1), **change))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"lead": "<div>Bộ Nội vụ <i>hướng  dẫn</i>\n thực hiện.</div>"},
        {"path": "/tin/1.html?utm_source=oa"},
        {"path": "//tin/1.html#binh-luan"},
        {"ago": 30},
    ],
)
def test_what_no_reader_would_see_makes_none(planner, change):
    planner.plan(Article(1))
    assert whys(planner.plan(changed_article(Article(1), **change))) == []


def test_a_second_address_of_an_article_is_a_duplicate_for_ever(planner):
    first = Article(1, path="/tintuc/1")
    twin = Article(1, path="/danh-muc/2", guid="khac")
    assert whys(planner.plan(first, twin)) == ["new"]
    assert whys(planner.plan(first, changed_article(twin, lead="Lại khác"))) == []
    assert whys(planner.plan(twin)) == [], "the first one has left the feed"


def test_what_waits_for_somebody_to_look_is_not_set_aside_with_its_twin(planner):
    planner.feed = FEED.model_copy(update={"most": 1})
    listed = (Article(1), Article(1, guid="b", lead="Khác"), Article(2))
    assert len(planner.plan(*listed).held) == 2
    assert len(planner.plan(*listed, release_held=True).drafts) == 2


def test_of_two_versions_in_one_feed_the_one_that_is_out_stays(planner):
    versions = (
        Article(1, title="Công văn", path="/a", guid="g", ago=5),
        Article(2, title="Công văn", path="/a", guid="g", ago=50, lead="Hai"),
    )
    planner.plan(versions[1])
    assert whys(planner.plan(*versions)) == []
    assert planner.log[0].data["body"] == "Hai"


def test_a_link_to_the_home_page_says_nothing_of_which_article_it_is(planner):
    planner.plan(Article(1, path="/"))
    assert whys(planner.plan(Article(2, path="/"))) == ["new"]


def test_a_guid_that_is_an_address_may_be_spelt_in_many_ways(planner):
    planner.plan(Article(1, guid=f"{SITE}/bai/1"))
    same = Article(
        1, guid="http://www.tcnn.example.vn/bai/1/?utm_source=x", path="/k", title="Khác"
    )
    assert whys(planner.plan(same)) == ["changed"]


def test_the_same_title_on_another_day_is_another_article(planner):
    made = planner.plan(Article(1, title="Thông báo"), Article(2, title="Thông báo", ago=60 * 26))
    assert whys(made) == ["new", "new"]


def test_what_leaves_the_feed_is_not_taken_back(planner):
    planner.plan(Article(1), Article(2))
    assert (whys(planner.plan(Article(2))), len(planner.log)) == ([], 2)


def test_what_was_there_before_is_left_alone_even_when_it_changes(planner):
    made = planner.plan(Article(1, ago=OLD), Article(2))
    assert (whys(made), made.counts["old"]) == (["new"], 1)
    again = planner.plan(Article(1, ago=10, title="Mới sửa"), Article(2))
    assert (whys(again), len(again.set_aside)) == ([], 2), "and stays remembered"


@pytest.mark.promise("2.5")
def test_a_backfill_reaches_the_portal_alone():
    planner = ImportPlanner(FEED.model_copy(update={"backfill": True}))
    assert whys(planner.plan(Article(1, ago=OLD), Article(2))) == ["backfilled", "new"]
    assert planner.log[0].data["channels"] == ["portal"]
    planner.plan(Article(1, ago=OLD, lead="Khác"), Article(2))
    assert planner.log[-1].data["channels"] == ["portal"], "and so does its correction"


def test_an_item_follows_the_feed_that_brought_it(planner):
    planner.plan(Article(1))
    made = planner.plan(Article(1, lead="Tóm tắt khác"), feed=OTHER)
    assert (whys(made), made.counts["duplicate"]) == ([], 1)
    alone = planner.plan(Article(1, lead="Tóm tắt khác"), feed=OTHER, feeds=[OTHER])
    assert whys(alone) == ["changed"], "the other feed is imported no more"


def lanes(planner, *articles, **more) -> set[tuple[str, str]]:
    """Released items and their lanes, by the events."""
    begun = len(planner.log)
    made = planner.plan(*articles, **more)
    said = (one.data["lane"] for one in planner.log[begun:])
    return set(zip(whys(made), said, strict=True))


def test_old_items_and_many_at_once_let_everybodys_news_go_first():
    planner = ImportPlanner(FEED.model_copy(update={"most": 3, "backfill": True}))
    old = [Article(number, ago=OLD) for number in range(9)]
    assert lanes(planner, *old, Article(10)) == {("backfilled", "bulk"), ("new", "normal")}
    assert lanes(planner, changed_article(old[0], lead="Khác")) == {("changed", "normal")}
    changed = [changed_article(one, lead="Nữa") for one in old[1:]]
    assert lanes(planner, *changed) == {("changed", "bulk")}
    few, many = [Article(n) for n in range(20, 23)], [Article(n) for n in range(30, 34)]
    assert lanes(planner, *few) == {("new", "normal")}
    assert lanes(planner, *many) == set(), "held"
    assert lanes(planner, *many, Article(40, ago=OLD), release_held=True) == {
        ("new", "bulk"),
        ("backfilled", "bulk"),
    }
    assert lanes(planner, Article(50), release_held=True) == {("new", "normal")}


def test_a_feed_for_the_portal_alone_is_never_held():
    planner = ImportPlanner(FEED.model_copy(update={"most": 3, "channels": (ChannelName.PORTAL,)}))
    assert len(planner.plan(*map(Article, range(9))).drafts) == 9
    changed = [Article(number, lead="Khác") for number in range(9)]
    assert len(planner.plan(*changed).drafts) == 9


def test_ids_are_the_same_whenever_they_are_worked_out(planner):
    planner.plan(Article(1), Article(2))
    ids = set(planner.known.articles)
    fresh = ImportPlanner()
    fresh.plan(Article(2, lead="Khác"), Article(1, title="Khác"))
    assert set(fresh.known.articles) == ids


def test_of_two_units_with_one_feed_each_has_items_of_its_own(planner):
    planner.plan(Article(1))
    other = plan_events(Reading(FEED, [Article(1).entry()], NOW), ImportedArticles("van-phong-bo"))
    assert other.drafts[0].content_id not in planner.known.articles


# ---- people have the last word


def accept_by_hand(planner, kind, **data):
    """Accept the unit's own event on the first item that the import brought."""
    event = planner.log[0]
    fields = {"type": kind, "data": data, "extensions": {}, "source": f"/units/{UNIT}"}
    planner.accept(event.model_copy(update=fields))


def test_a_text_that_was_corrected_by_hand_is_corrected_behind_it(planner):
    planner.plan(Article(1))
    by_hand = {"revision": 5, "corrects_revision": 1, "title": "Sửa tay"}
    accept_by_hand(planner, events.CORRECTED, **planner.log[0].data | by_hand)
    assert whys(planner.plan(Article(1))) == [], "the site says what it said"
    planner.plan(Article(1, lead="Khác"))
    assert (planner.log[-1].data["revision"], planner.log[-1].data["corrects_revision"]) == (6, 5)


def test_an_event_that_was_overtaken_counts_no_revision_back(planner):
    planner.plan(Article(1))
    first = planner.log[0]
    newer = first.data | {"revision": 5, "corrects_revision": 1}
    accept_by_hand(planner, events.CORRECTED, **newer)
    late = first.data | {"revision": 2, "corrects_revision": 1}
    planner.accept(first.model_copy(update={"type": events.CORRECTED, "data": late}))
    planner.plan(Article(1, lead="Khác"))
    assert planner.log[-1].data["revision"] == 6
