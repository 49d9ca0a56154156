"""One title twice on one day: an article under two addresses, or two articles."""

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.imports.feed_state import FeedState
from producers.imports.imported_articles import ImportedArticles
from producers.imports.parse.feed_document import parse_feed
from producers.imports.parse.similarity import (
    SAMPLE_SIZE,
    Similarity,
    compare,
    overlap,
    text_signature,
)
from producers.imports.plan import plan_events
from producers.imports.planned import Reading
from tests.producers.imports.test_plan import whys
from tests.support.feed_site import NOW, Article, changed_article
from tests.support.import_planner import FEED, ImportPlanner

TITLE = "Thông báo tuyển dụng"
SHORT = "Chi tiết xem tệp đính kèm."
LONG = (
    "Thực hiện Kế hoạch số 15/KH-TT ngày 10/01/2027, Trung tâm Lưu trữ quốc gia I thông báo tuyển "
    "dụng viên chức năm 2027 tại Hà Nội, vị trí kế toán viên, hình thức xét tuyển; hồ sơ nộp trực "
    "tiếp tại trụ sở trong giờ hành chính, người dự tuyển mang theo bản chính văn bằng đối chiếu."
)
LATER = NOW + timedelta(minutes=20)
MIDNIGHT = NOW.replace(hour=17, minute=0)  # in Vietnam
SAME, NEAR, OTHER = Similarity.SAME, Similarity.NEAR, Similarity.OTHER
PAIRS = {
    "word for word, long, at another hour": (LONG, LONG, LATER, SAME),
    "other marks, case and spaces": (LONG, LONG.upper().replace(",", " –"), LATER, SAME),
    "word for word, short, in the same minute": (SHORT, SHORT, NOW, SAME),
    "word for word, short, twenty minutes later": (SHORT, SHORT, LATER, OTHER),
    "no text, in the same minute": ("", "", NOW, SAME),
    "no text, at another hour": ("", "", LATER, OTHER),
    "a word mended, in the same minute": (LONG, LONG.replace("đối chiếu", "so sánh"), NOW, NEAR),
    "a word mended, twenty minutes later": (LONG, LONG.replace("đối chiếu", "so"), LATER, OTHER),
    "another number": (LONG, LONG.replace("15/KH", "16/KH"), NOW, OTHER),
    "another day": (LONG, LONG.replace("10/01", "11/01"), NOW, OTHER),
    "another office": (LONG, LONG.replace("gia I ", "gia II "), NOW, OTHER),
    "another place": (LONG, LONG.replace("Hà Nội", "Đà Lạt"), NOW, OTHER),
    "another half": (LONG, LONG[:150] + " nội dung khác hẳn " * 10, NOW, OTHER),
    "only the beginning": (LONG, LONG[:120], NOW, OTHER),
    "nothing in common": (LONG, "Kết quả xét tuyển vòng hai được công bố hôm nay", NOW, OTHER),
    "a text and none": (LONG, "", NOW, OTHER),
}


def signed(text, at=NOW, file=""):
    return text_signature(text, [file] if file else [], at)


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_one_article_and_what_is_two(name):
    one, other, at, judged = PAIRS[name]
    assert compare(signed(one), signed(other, at)) is judged
    assert compare(signed(other, at), signed(one)) is judged


def test_a_site_that_knows_the_day_alone_gives_no_minute():
    assert compare(signed(SHORT, MIDNIGHT), signed(SHORT, MIDNIGHT)) is OTHER
    assert compare(signed(LONG, MIDNIGHT), signed(LONG, MIDNIGHT)) is SAME


def test_other_files_make_another_article():
    assert compare(signed(LONG, file="a.pdf"), signed(LONG, file="b.pdf")) is OTHER
    assert compare(signed(LONG, file="a.pdf"), signed(LONG, file="a.pdf")) is SAME


def test_a_sample_of_a_long_text_judges_as_all_of_it_would():
    words = [f"chữ{number}" for number in range(20 * SAMPLE_SIZE)]
    for kept in (0.5, 0.9):
        other = words[: int(kept * len(words))]
        part = overlap(signed(" ".join(words)).shingles, signed(" ".join(other)).shingles)
        assert part == pytest.approx(kept, abs=0.08)


@pytest.mark.parametrize("text", ["", "Bộ Nội vụ họp về cải cách hành chính."])
def test_the_real_pair_of_the_ministrys_portal_is_one_item(text):
    """Two numbers for one article, with the same title and time, as the portal had them."""
    written = f"""<rss version="2.0"><channel><title>T</title>
    <item><title>Bộ Nội vụ họp</title><pubDate>10/06/2020 17:18</pubDate>
    <link>https://moha.gov.vn/tintuc/Pages/listbnv.aspx?Cat=735&amp;ItemID=45244</link>
    <description>{text}</description></item>
    <item><title>Bộ  Nội vụ HỌP</title><pubDate>17:18 10/06/2020 | Lượt xem : 15846</pubDate>
    <link>https://moha.gov.vn/danh-muc/bo-noi-vu-hop-44514.html</link>
    <description>&lt;p&gt;{text}&lt;/p&gt;</description></item>
    </channel></rss>"""
    feed = FEED.model_copy(update={"url": "https://moha.gov.vn/rss", "since": None})
    entries = parse_feed(written.encode(), feed.url, "", NOW).entries
    made = plan_events(Reading(feed, entries, NOW), ImportedArticles("van-phong-bo"))
    assert (whys(made), made.counts["duplicate"]) == (["new"], 1)
    [twin] = made.twins.values()
    assert (twin.of, twin.url[-10:]) == (made.drafts[0].content_id, "44514.html")


# ---- readings, one after the other ---------------------------------------------------------


def notice(number: int, lead: str, **more) -> Article:
    return Article(number, title=TITLE, lead=lead, **more)


ONE, TWO = notice(1, LONG), notice(2, LONG.replace("kế toán", "Văn thư"))


@pytest.mark.parametrize(
    "readings",
    [
        [(ONE, TWO)],
        [(ONE,), (TWO,)],
        [(ONE,), (TWO,), (ONE,), (TWO, ONE)],
        [(TWO, ONE), (TWO,), (ONE,)],
    ],
)
def test_two_notices_of_one_title_and_day_are_two_items(planner, readings):
    for listed in readings:
        planner.plan(*listed)
    assert planner.event_counts() == {"submitted": 2}


def test_what_is_nearly_an_item_is_set_aside_and_never_written_over_it(planner):
    near = notice(2, LONG.replace("đối chiếu", "so sánh"))
    planner.plan(ONE)
    for listed in ((near,), (ONE, near), (near,)):
        made = planner.plan(*listed)
        assert ([one.url for one in made.twins.values()], whys(made)) == ([near.url], [])
    assert planner.event_counts() == {"submitted": 1}


def test_an_item_that_is_listed_under_its_first_address_again_is_not_told_again(planner):
    moved = changed_article(ONE, number=2)
    planner.plan(ONE)
    assert planner.plan(moved).counts == {"moved": 1}
    for listed in ((ONE,), (moved,), (moved, ONE), (ONE,)):
        assert whys(planner.plan(*listed)) == []
    assert whys(planner.plan(changed_article(ONE, lead="Khác hẳn"))) == [], (
        "it was listed beside its successor"
    )


def test_a_text_in_two_feeds_of_a_unit_is_told_of_without_being_set_aside(planner):
    planner.plan(ONE)
    other = FEED.model_copy(update={"url": "https://tcnn.example.vn/rss/hai"})
    made = planner.plan(changed_article(ONE, number=2), feed=other)
    assert (len(made.twins), made.set_aside, whys(made)) == (1, set(), [])


def test_an_entry_without_any_name_is_known_by_what_it_says(planner):
    feed = FEED.model_copy(update={"url": "https://b.example.vn/rss"})
    for text, whole in (("Một", ["new"]), ("Một", []), ("Hai", ["new"]), ("Một", [])):
        body = f"""<rss version="2.0"><channel><title>T</title><item><title>Thông báo</title>
        <description>{text}</description></item></channel></rss>"""
        entries = parse_feed(body.encode(), feed.url, "", NOW).entries
        reading = Reading(feed, entries, NOW, FeedState(read=NOW.timestamp()))
        made = plan_events(reading, planner.known)
        assert whys(made) == whole
        planner.apply(made)


KINDS = {
    "tuyển một": LONG,
    "tuyển hai": LONG.replace("gia I ", "gia II "),
    "tuyển ba": LONG.replace("15/KH", "16/KH"),
    "ngắn": SHORT,
    "khác": "Kết quả xét tuyển vòng hai được công bố hôm nay",
    "rỗng": "",
}
"""Each is an article of its own; of some, the site has two addresses."""
NUMBERS = count()
POOL = [
    notice(next(NUMBERS), text, ago=minutes)
    for minutes, text in enumerate(KINDS.values(), start=5)
    for _ in range(2)
]


@pytest.mark.promise("2.5")
@given(st.lists(st.lists(st.sampled_from(POOL), max_size=8), max_size=8), st.booleans())
def test_in_any_order_each_article_is_one_item_and_keeps_its_text(readings, remembers):
    planner = ImportPlanner()
    for articles in readings:
        if not remembers:
            planner.state = planner.state.model_copy(update={"aside": ()})
        planner.plan(*articles)
    said = {(event.data["content_id"], event.data["body"]) for event in planner.log}
    listed = {one.ago for articles in readings for one in articles}
    assert len(said) == len({item for item, _ in said}) == len({text for _, text in said})
    assert len(said) == len(listed)
