"""An import that crashes at any call, and a feed of 500 articles."""

import pytest

from producers.imports.visit import ManualVisit
from tests.producers.imports.test_visit import survived
from tests.support.feed_site import Article, changed_article, rss


@pytest.mark.promise("2.5")
async def test_500_articles_twice_with_changes_moves_and_twins(import_pipeline):
    await import_pipeline.follow()
    first = [Article(n, ago=n) for n in range(500)]
    import_pipeline.site.publish(rss(*first))
    assert (await import_pipeline.visit_feed()).counts == {"new": 500}
    second = [changed_article(one, lead="<p>Sửa</p>") if one.number < 30 else one for one in first]
    second[30:60] = [changed_article(one, path=f"/moi/{one.number}") for one in first[30:60]]
    second[60:90] = [
        changed_article(one, path=f"/m/{one.number}", guid=f"m{one.number}") for one in first[60:90]
    ]
    twins = [
        changed_article(one, path=f"/d/{one.number}", guid=f"d{one.number}")
        for one in first[90:120]
    ]
    import_pipeline.site.publish(
        rss(*(Article(n, ago=0) for n in range(500, 510)), *twins, *second)
    )
    importer = import_pipeline.new_importer(
        import_pipeline.bus
    )  # nothing but the log is remembered
    state = await import_pipeline.visit_feed(importer=importer)
    assert state.counts == {
        "new": 10,
        "changed": 30,
        "moved": 60,
        "duplicate": 30,
        "unchanged": 410,
    }
    assert await import_pipeline.event_kinds() == {"submitted": 510, "corrected": 30}
    assert (await import_pipeline.visit_feed(wish=ManualVisit())).counts == {
        "duplicate": 30,
        "unchanged": 510,
    }
    assert await import_pipeline.event_kinds() == {"submitted": 510, "corrected": 30}
    said = await import_pipeline.stored_events()
    assert len({(one.data["content_id"], one.data["revision"]) for one in said}) == 540
    assert len({one.data["content_id"] for one in said}) == 510


@pytest.mark.promise("2.5")
async def test_a_process_that_dies_at_any_moment_leaves_nothing_out_and_says_nothing_twice(
    import_pipeline,
):
    """Each of its calls to the bus is the last one once, with and without its effect."""
    await import_pipeline.follow()
    deaths = 0
    for calls in range(1, 40):
        for after in (False, True):
            import_pipeline.site.publish(rss(Article(deaths), Article(deaths + 1)))
            alive = await survived(import_pipeline, calls, after=after)
            await import_pipeline.visit_feed(
                importer=import_pipeline.new_importer(import_pipeline.bus), wish=ManualVisit()
            )
            deaths += 2
        if alive:
            break
    said = await import_pipeline.stored_events()
    assert alive and calls > 8
    assert len({one.data["content_id"] for one in said}) == len(said) == deaths
    assert {one.data["revision"] for one in said} == {1}
