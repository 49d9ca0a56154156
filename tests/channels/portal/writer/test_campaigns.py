"""Campaigns on the portal: page, feed and lists, the same in every order of arrival."""

from datetime import timedelta
from itertools import permutations

import pytest

from contracts.content import Submitted
from contracts.publication import Publication
from tests.support.campaigns import CAMPAIGN, PLAN, campaign_data
from tests.support.portal_dir import PUBLIC_URL, page, public_files, publish, rebuild, text_of
from tests.support.publications import RELEASED_AT, a_publication

FOLDER = f"chuyen-de/{CAMPAIGN}"
LIST = "chuyen-de/index.html"
PAGE, FEED = f"{FOLDER}/index.html", f"nguon-tin/chuyen-de-{CAMPAIGN}.atom"
TITLE = campaign_data()["title"]
LATER = "Tiền lương mới từ 01/01/2027"


def a_position(content_id, revision=1, days=0, **changes):
    at = RELEASED_AT + timedelta(days=days)
    fields = {"content_id": content_id, "revision": revision, "released_at": at}
    first = {} if revision > 1 else {"first_released_at": at}
    return a_publication(**fields | first | changes)


HEAD = a_position(CAMPAIGN, title=TITLE, body="Vì sao có quy định mới.", campaign=CAMPAIGN)
RENAMED = a_position(
    CAMPAIGN, 2, 9, action="corrected", title=LATER, body="Lời mới.", campaign=CAMPAIGN
)
ONE = a_position("tin-mot", days=3, campaign=CAMPAIGN)
TWO = a_position("tin-hai", days=40, campaign=CAMPAIGN)
LEFT = a_position("tin-hai", 2, 41, action="corrected", campaign=None)
OTHER = a_position("tin-ngoai", days=4)
GONE = a_position(CAMPAIGN, 3, 50, action="withdrawn", title=LATER, body="", reason="Gộp.")


def test_a_campaign_has_a_page_with_its_own_item_as_the_head(tmp_path):
    publish(tmp_path, HEAD, ONE, OTHER)
    shown = page(tmp_path, FOLDER)
    assert text_of(shown.xpath("//h1")[0]) == TITLE
    assert "Vì sao có quy định mới." in text_of(shown)
    stories = "".join(shown.xpath("//ul[@class='stories']//a/@href"))
    assert "/tin/tin-mot" in stories
    assert "/tin/tin-ngoai" not in stories
    assert f"/tin/{CAMPAIGN}" not in stories


def test_its_feed_has_its_items_and_every_list_leads_to_it(tmp_path):
    publish(tmp_path, HEAD, ONE, OTHER)
    files = public_files(tmp_path)
    feed = files[FEED].decode()
    assert feed.count("</entry>") == 2
    assert TITLE in feed.partition("<entry")[0]
    for path in (LIST, "muc/index.html", "nguon-tin/index.html", "nguon-tin/nguon-tin.opml"):
        assert TITLE in files[path].decode()
    assert f"/chuyen-de/{CAMPAIGN}/" in files["so-do/trang.xml"].decode()
    for item in ("tin-mot", CAMPAIGN):
        assert f"/chuyen-de/{CAMPAIGN}/" in files[f"tin/{item}/index.html"].decode()
    assert "/chuyen-de/" not in files["tin/tin-ngoai/index.html"].decode()


def test_all_campaigns_are_on_one_page_to_which_each_leads(tmp_path):
    newer = a_position("nam-moi", days=5, title="Năm mới", campaign="nam-moi")
    publish(tmp_path, newer, HEAD, ONE)
    shown = page(tmp_path, "chuyen-de")
    assert shown.xpath("//main//h2/a/@href") == ["/chuyen-de/nam-moi/", f"/{FOLDER}/"]
    for path in (FOLDER, "muc"):
        assert "/chuyen-de/" in page(tmp_path, path).xpath("//a/@href")
    assert f"{PUBLIC_URL}/chuyen-de/<" in public_files(tmp_path)["so-do/trang.xml"].decode()


def test_the_page_of_campaigns_stays_where_one_was_and_is_gone(tmp_path):
    publish(tmp_path, HEAD, ONE, RENAMED, GONE)
    assert page(tmp_path, "chuyen-de").xpath("//main//h2") == []


def test_a_campaign_without_other_items_says_so(tmp_path):
    publish(tmp_path, HEAD)
    shown = page(tmp_path, FOLDER)
    [said] = map(text_of, shown.xpath("//p[@class='empty']"))
    assert said == "Chuyên đề này mới có tin giới thiệu."
    assert "1 tin (gồm cả tin giới thiệu)" in text_of(shown)


def test_the_month_of_the_introduction_says_that_it_counts_it(tmp_path):
    publish(tmp_path, HEAD, ONE, TWO)
    counts = map(text_of, page(tmp_path, FOLDER).xpath("//span[@class='count']"))
    assert list(counts) == ["1 tin", "2 tin (gồm cả tin giới thiệu)"]


def test_a_campaign_that_was_never_shown_has_no_page_and_is_named_nowhere(tmp_path):
    publish(tmp_path, ONE, OTHER)
    assert [path for path in public_files(tmp_path) if "chuyen-de" in path] == []
    assert not any(b"chuyen-de" in body for body in public_files(tmp_path).values())


def test_a_withdrawn_campaign_keeps_the_page_of_its_items_and_leaves_the_lists(tmp_path):
    publish(tmp_path, HEAD, ONE, RENAMED, GONE)
    files = public_files(tmp_path)
    shown = files[PAGE].decode()
    assert "tin-mot" in shown
    assert "Lời mới." not in shown
    assert f"/chuyen-de/{CAMPAIGN}/" not in files["muc/index.html"].decode()
    assert f"/chuyen-de/{CAMPAIGN}/" not in files["tin/tin-mot/index.html"].decode()


@pytest.mark.parametrize("history", [(HEAD, ONE, RENAMED), (HEAD, TWO, LEFT)])
def test_every_order_of_arrival_and_a_rebuild_give_the_same_files(tmp_path, history):
    rebuild(tmp_path / "anew", history)
    expected = public_files(tmp_path / "anew")
    for number, order in enumerate(permutations(history)):
        folder = tmp_path / str(number)
        if order.index(history[-1]) > order.index(_before(history)):  # else it comes too late
            publish(folder, *order)
            assert public_files(folder) == expected
    rebuild(tmp_path / "reversed", reversed(history))
    assert public_files(tmp_path / "reversed") == expected


def _before(history):
    """The earlier position of the item that the last one is of."""
    return next(one for one in history if one.content_id == history[-1].content_id)


def test_a_rebuild_touches_nothing_that_is_right(tmp_path):
    history = [HEAD, ONE, TWO, RENAMED, GONE]
    publish(tmp_path, *history)
    before = public_files(tmp_path)
    assert rebuild(tmp_path, history).written == 0
    assert public_files(tmp_path) == before


def test_no_file_has_anything_of_the_plan(tmp_path):
    text = Submitted.model_validate(campaign_data())
    shown = Publication.model_validate({**HEAD.model_dump(), **text.model_dump()})
    publish(tmp_path, shown, ONE)
    inside = [PLAN["purpose"], *(one["title"] for one in PLAN["entries"])]
    for body in public_files(tmp_path).values():
        assert not any(words.encode() in body for words in inside)
