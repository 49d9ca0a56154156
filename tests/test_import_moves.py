"""A moved article: where it stands is remembered, and nobody is told that nothing has changed."""

import pytest

from producers.imports.state import PLACES_MAX
from tests.feed_site import SITE, Article, but, rss
from tests.import_house import UNIT, import_house
from tests.import_plans import House
from tests.test_import_plan import whys

MOVED = Article(1, path="/moi/1.html")
RENAMED = Article(1, path="/nua/1.html", guid="khac-1")


@pytest.fixture
def house():
    return House()


@pytest.mark.parametrize("moved", [MOVED, RENAMED])
def test_a_move_is_counted_once_and_makes_no_event(house, moved):
    house.take(Article(1))
    assert house.take(moved).counts == {"moved": 1}
    assert house.take(moved).counts == {"unchanged": 1}
    assert house.said() == {"submitted": 1}


def test_the_next_real_change_carries_the_new_address(house):
    house.take(Article(1))
    house.take(MOVED)
    assert house.log[-1].data["links"][0]["url"] == f"{SITE}/tin/1.html"
    assert whys(house.take(but(MOVED, lead="Khác"))) == ["changed"]
    assert house.log[-1].data["links"][0]["url"] == f"{SITE}/moi/1.html"


def test_an_article_under_other_names_is_still_the_item_when_its_text_changes(house):
    """Neither guid nor address nor text stand in the log: only the move was remembered."""
    house.take(Article(1))
    house.take(RENAMED)
    changed = but(RENAMED, title="Tiêu đề mới", lead="Nội dung khác hẳn")
    assert whys(house.take(changed)) == ["changed"]
    assert len(house.known.stories) == 1
    assert house.take(changed).counts == {"unchanged": 1}


def test_it_may_move_again_and_again(house):
    house.take(Article(1))
    for number in range(5):
        moved = but(RENAMED, path=f"/lan/{number}", guid=f"lan-{number}")
        assert house.take(moved).counts == {"moved": 1}
    assert whys(house.take(but(moved, lead="Khác"))) == ["changed"]
    assert house.said() == {"submitted": 1, "corrected": 1}


def test_names_from_before_the_newest_text_are_still_the_items(house):
    house.take(Article(1))
    house.take(RENAMED)
    house.take(Article(1, lead="Khác"))
    made = house.take(Article(1, lead="Khác"), RENAMED)
    assert made.counts == {"unchanged": 1, "duplicate": 1}
    assert len(house.known.stories) == 1


def test_of_an_article_that_moves_at_every_visit_a_few_places_are_remembered(house):
    house.take(Article(1))
    for visit in range(20):
        house.take(but(MOVED, path=f"/phien/{visit}"))
    assert [one.names[0] for one in house.moved] == [Article(1).entry().guid_key] * PLACES_MAX
    assert house.take(but(MOVED, path="/phien/19")).counts == {"unchanged": 1}


def test_its_former_address_beside_the_new_one_is_a_second_address(house):
    house.take(Article(1))
    house.take(RENAMED)
    made = house.take(Article(1), RENAMED)
    assert made.counts == {"unchanged": 1, "duplicate": 1}
    assert house.take(Article(1), RENAMED).counts == made.counts
    assert house.said() == {"submitted": 1}


async def test_a_move_outlives_the_process_and_mails_nobody(bus, clock):
    async with import_house(bus, clock) as house:
        await house.follow()
        for listed in (Article(1), RENAMED, RENAMED, but(RENAMED, lead="Khác", title="Mới")):
            house.site.lay(rss(listed))
            state = await house.read(importer=house.process(house.bus))
        assert [one.names for one in state.moved] == [RENAMED.entry().names]
        assert await house.kinds() == {"submitted": 1, "corrected": 1}


async def test_a_lost_memory_of_moves_is_found_again_by_guid_and_text(bus, clock):
    async with import_house(bus, clock) as house:
        await house.follow()
        for listed in (Article(1), RENAMED):
            house.site.lay(rss(listed))
            await house.read()
        await house.importer.states.forget(UNIT, house.feed())
        assert (await house.read()).counts == {"moved": 1}
        assert await house.kinds() == {"submitted": 1}
