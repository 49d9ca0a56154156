"""A moved article: its new place is remembered, and no reader hears of an unchanged text."""

from datetime import timedelta

import pytest

from producers.imports.feed_state import MAX_PLACES_PER_ITEM
from tests.producers.imports.test_plan import whys
from tests.support.feed_site import NOW, SITE, Article, changed_article
from tests.support.import_pipeline import UNIT

MOVED = Article(1, path="/moi/1.html")
RENAMED = Article(1, path="/nua/1.html", guid="khac-1")


@pytest.mark.parametrize("moved", [MOVED, RENAMED])
def test_a_move_is_counted_once_and_makes_no_event(planner, moved):
    planner.plan(Article(1))
    assert planner.plan(moved).counts == {"moved": 1}
    assert planner.plan(moved).counts == {"unchanged": 1}
    assert planner.event_counts() == {"submitted": 1}


def test_the_next_real_change_carries_the_new_address(planner):
    planner.plan(Article(1))
    planner.plan(MOVED)
    assert planner.log[-1].data["links"][0]["url"] == f"{SITE}/tin/1.html"
    assert whys(planner.plan(changed_article(MOVED, lead="Khác"))) == ["changed"]
    assert planner.log[-1].data["links"][0]["url"] == f"{SITE}/moi/1.html"


def test_an_article_under_other_names_is_still_the_item_when_its_text_changes(planner):
    """The log has neither guid nor address nor text: only the move was remembered."""
    planner.plan(Article(1))
    planner.plan(RENAMED)
    changed = changed_article(RENAMED, title="Tiêu đề mới", lead="Nội dung khác hẳn")
    assert whys(planner.plan(changed)) == ["changed"]
    assert len(planner.known.articles) == 1
    assert planner.plan(changed).counts == {"unchanged": 1}


def test_it_may_move_again_and_again(planner):
    planner.plan(Article(1))
    for number in range(5):
        moved = changed_article(RENAMED, path=f"/lan/{number}", guid=f"lan-{number}")
        assert planner.plan(moved).counts == {"moved": 1}
    assert whys(planner.plan(changed_article(moved, lead="Khác"))) == ["changed"]
    assert planner.event_counts() == {"submitted": 1, "corrected": 1}


def test_names_from_before_the_newest_text_are_still_the_items(planner):
    planner.plan(Article(1))
    planner.plan(RENAMED)
    planner.plan(Article(1, lead="Khác"))
    made = planner.plan(Article(1, lead="Khác"), RENAMED)
    assert made.counts == {"unchanged": 1, "duplicate": 1}
    text_is_back = (Article(1), changed_article(RENAMED, lead="Khác"))
    assert whys(planner.plan(*text_is_back)) == ["changed"]
    assert whys(planner.plan(*text_is_back, now=NOW + timedelta(days=2))) == []
    assert len(planner.known.articles) == 1


def test_a_move_that_an_older_version_remembers_is_known(planner):
    planner.plan(Article(1))
    planner.plan(RENAMED)
    [move] = planner.state.moved
    moved = (move.model_copy(update={"revision": None}),)
    planner.state = planner.state.model_copy(update={"moved": moved})
    assert planner.plan(RENAMED).counts == {"unchanged": 1}


def test_an_address_stays_with_the_item_that_moved_there_first(planner):
    for listed in ([Article(1), Article(2)], [MOVED], [Article(2, path=MOVED.path)]):
        planner.plan(*listed)
    assert planner.plan(changed_article(MOVED, guid="khac-1")).counts == {"moved": 1}


def test_of_an_article_that_moves_at_every_visit_a_few_places_are_remembered(planner):
    planner.plan(Article(1))
    for visit in range(20):
        planner.plan(changed_article(MOVED, path=f"/phien/{visit}"))
    assert [one.names[0] for one in planner.state.moved] == [
        Article(1).entry().guid_key
    ] * MAX_PLACES_PER_ITEM
    assert planner.plan(changed_article(MOVED, path="/phien/19")).counts == {"unchanged": 1}


def test_its_former_address_beside_the_new_one_is_a_second_address(planner):
    planner.plan(Article(1))
    planner.plan(RENAMED)
    made = planner.plan(Article(1), RENAMED)
    assert made.counts == {"unchanged": 1, "duplicate": 1}
    assert planner.plan(Article(1), RENAMED).counts == made.counts
    assert planner.event_counts() == {"submitted": 1}


@pytest.mark.promise("2.5")
async def test_a_move_outlives_the_process_and_mails_nobody(imports):
    changed = changed_article(RENAMED, lead="Khác", title="Mới")
    for listed in (Article(1), RENAMED, RENAMED, changed):
        state = await imports.read(listed, fresh=True)
    assert [one.names for one in state.moved] == [RENAMED.entry().names]
    assert await imports.event_kinds() == {"submitted": 1, "corrected": 1}


async def test_a_lost_memory_of_moves_is_found_again_by_guid_and_text(imports):
    for listed in (Article(1), RENAMED):
        await imports.read(listed)
    await imports.importer.states.forget(UNIT, imports.feed())
    assert (await imports.visit_feed()).counts == {"moved": 1}
    assert await imports.event_kinds() == {"submitted": 1}
