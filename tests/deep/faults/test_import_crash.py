"""An import that crashes at any call, and a feed of 500 articles."""

import pytest

from producers.imports.planned import ManualVisit
from tests.support.feed_site import Article, changed_article


def renamed(article, place):
    number = article.number
    return changed_article(article, path=f"/{place}/{number}", guid=f"{place}{number}")


@pytest.mark.promise("2.5")
async def test_500_articles_twice_with_changes_moves_and_twins(imports):
    first = [Article(n, ago=n) for n in range(500)]
    assert (await imports.read(*first)).counts == {"new": 500}
    second = [changed_article(one, lead="<p>Sửa</p>") if one.number < 30 else one for one in first]
    second[30:60] = [changed_article(one, path=f"/moi/{one.number}") for one in first[30:60]]
    second[60:90] = [renamed(one, "m") for one in first[60:90]]
    twins = [renamed(one, "d") for one in first[90:120]]
    imports.publish(*(Article(n, ago=0) for n in range(500, 510)), *twins, *second)
    importer = imports.new_importer(imports.bus)  # nothing but the log is remembered
    state = await imports.visit_feed(importer=importer)
    counts = {"new": 10, "changed": 30, "moved": 60, "duplicate": 30, "unchanged": 410}
    assert state.counts == counts
    assert await imports.event_kinds() == {"submitted": 510, "corrected": 30}
    again = await imports.visit_feed(wish=ManualVisit())
    assert again.counts == {"duplicate": 30, "unchanged": 510}
    assert await imports.event_kinds() == {"submitted": 510, "corrected": 30}
    said = await imports.stored_events()
    assert len({(one.data["content_id"], one.data["revision"]) for one in said}) == 540
    assert len({one.data["content_id"] for one in said}) == 510


@pytest.mark.promise("2.5")
async def test_a_process_that_dies_at_any_moment_leaves_nothing_out_and_says_nothing_twice(imports):
    """Each of its calls to the bus is the last one once, with and without its effect."""
    deaths = 0
    for calls in range(1, 40):
        for after in (False, True):
            imports.publish(Article(deaths), Article(deaths + 1))
            alive = await imports.survives(calls, after=after)
            await imports.visit_feed(fresh=True, wish=ManualVisit())
            deaths += 2
        if alive:
            break
    said = await imports.stored_events()
    assert alive and calls > 8
    assert len({one.data["content_id"] for one in said}) == len(said) == deaths
    assert {one.data["revision"] for one in said} == {1}
