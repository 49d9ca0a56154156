"""Feeds are read over HTTP and become events on a real bus: each once, whatever happens."""

import asyncio
import re
import time

import pytest
from structlog.testing import capture_logs

from consumers.intake.handler import Intake
from contracts import events
from contracts.vocabulary import DEFAULT
from producers.imports.imported_articles import ImportedArticles
from producers.imports.plan import plan_events
from producers.imports.planned import Reading
from producers.imports.visit import ManualVisit
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.feed_site import NOW, Article, changed_article, rss
from tests.support.import_pipeline import UNIT, ImportPipeline

DAY_S = 86_400


async def test_articles_come_in_and_an_unchanged_feed_is_not_sent_again(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.publish(rss(Article(1), Article(2)))
    state = await import_pipeline.visit_feed()
    assert (state.counts, state.title, state.trouble) == ({"new": 2}, "Tạp chí", None)
    assert await import_pipeline.event_kinds() == {"submitted": 2}
    await import_pipeline.visit_feed()
    assert (import_pipeline.site.unchanged, await import_pipeline.event_kinds()) == (
        1,
        {"submitted": 2},
    )


@pytest.mark.parametrize(("release", "state"), [("automatic", "released"), ("desk", "")])
async def test_an_item_is_released_as_the_units_policy_says(import_pipeline, release, state):
    await import_pipeline.follow(release=release)
    import_pipeline.site.publish(rss(Article(1)))
    await import_pipeline.visit_feed()
    [event] = await import_pipeline.stored_events()
    intake = Intake(import_pipeline.bus, DEFAULT, import_pipeline.clock)
    await intake.handle(event, UNIT, "submitted")
    item = await intake.repository.item(event.data["content_id"])
    assert (item.state, item.waiting) == (state, () if state else (1,))


async def test_what_the_contract_refuses_is_told_by_field_and_not_tried_again(import_pipeline):
    await import_pipeline.follow()
    lost, eth = Article(1, lead="B\ufffdo cáo"), Article(2, title="\u00d0ề án")
    import_pipeline.site.publish(rss(lost, eth, Article(3)))
    state = await import_pipeline.visit_feed()
    assert state.counts == {"new": 1, "refused": 2}
    told = {one.url[-6:]: [error.field for error in one.errors] for one in state.refused}
    assert told == {"1.html": ["data.body"], "2.html": ["data.title"]}
    assert all(error.message_vi for one in state.refused for error in one.errors)
    import_pipeline.site.publish(rss(lost, eth, Article(3), Article(4)))
    with capture_logs() as lines:
        state = await import_pipeline.visit_feed()
    assert (state.counts["refused"], len(state.refused)) == (2, 2)
    assert "import_item_refused" not in {line["event"] for line in lines}
    import_pipeline.site.publish(
        rss(changed_article(lost, lead="Báo cáo"), eth, Article(3), Article(4))
    )
    state = await import_pipeline.visit_feed()
    assert ([one.url[-6:] for one in state.refused], state.counts["new"]) == (["2.html"], 1)
    import_pipeline.site.publish(rss(Article(3), Article(4)))
    assert (await import_pipeline.visit_feed()).refused == ()


async def test_what_was_set_aside_for_its_title_is_remembered_until_it_leaves_the_feed(
    import_pipeline,
):
    await import_pipeline.follow()
    twin = Article(2, title=Article(1).headline)
    for listed in ((Article(1), twin), (Article(3), Article(1), twin), (Article(4), twin)):
        import_pipeline.site.publish(rss(*listed))
        state = await import_pipeline.visit_feed(
            importer=import_pipeline.new_importer(import_pipeline.bus)
        )
        assert [one.url for one in state.twins] == [twin.url]
        assert state.counts["duplicate"] == 1
    import_pipeline.site.publish(rss(Article(4)))
    assert (await import_pipeline.visit_feed()).twins == ()


async def test_an_old_encoding_is_refused_and_never_guessed(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.publish(rss(Article(1, title="Th«ng b¸o vÒ viÖc tuyÓn dông c«ng chøc")))
    state = await import_pipeline.visit_feed()
    assert (state.counts, state.refused[0].errors[0].field) == ({"refused": 1}, "data.title")
    assert await import_pipeline.stored_events() == []


async def test_a_flood_is_held_and_let_in_by_hand(import_pipeline):
    await import_pipeline.follow(import_pipeline.feed(most=3))
    import_pipeline.site.publish(rss(*map(Article, range(5))))
    with capture_logs() as lines:
        state = await import_pipeline.visit_feed()
    assert (state.counts, len(state.held), await import_pipeline.stored_events()) == (
        {"held": 5},
        5,
        [],
    )
    assert "import_held" in {line["event"] for line in lines}
    assert (await import_pipeline.visit_feed(wish=ManualVisit())).counts == {"held": 5}
    assert (await import_pipeline.visit_feed(wish=ManualVisit(release_held=True))).held == ()
    assert await import_pipeline.event_kinds() == {"submitted": 5}
    assert {one.data["lane"] for one in await import_pipeline.stored_events()} == {"bulk"}


@pytest.mark.promise("2.5")
async def test_losing_what_is_remembered_of_a_feed_publishes_nothing_twice(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.publish(
        rss(Article(1), Article(2, path="/b", guid="b", title=Article(1).headline))
    )
    await import_pipeline.visit_feed()
    before = await import_pipeline.stored_events()
    await import_pipeline.importer.states.forget(UNIT, import_pipeline.feed())
    await import_pipeline.visit_feed(importer=import_pipeline.new_importer(import_pipeline.bus))
    assert await import_pipeline.stored_events() == before


async def test_what_lay_there_without_a_date_is_no_news(import_pipeline):
    def undated(*numbers):
        return re.sub("<pubDate>.*?</pubDate>", "", rss(*map(Article, numbers)).decode()).encode()

    await import_pipeline.follow()
    import_pipeline.site.publish(undated(1, 2))
    assert (await import_pipeline.visit_feed()).counts == {"old": 2}
    import_pipeline.site.publish(undated(3, 1, 2))
    assert (await import_pipeline.visit_feed()).counts == {"new": 1, "old": 2}


async def test_a_draft_that_somebody_was_faster_with_is_left_to_the_next_reading(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.publish(rss(Article(1, lead="Một")))
    await import_pipeline.visit_feed()
    draft = plan_events(
        Reading(import_pipeline.feed(), [Article(1, lead="Hai").entry()], NOW),
        ImportedArticles(UNIT),
    ).drafts[0]
    sent = await import_pipeline.importer.sender.send(
        await import_pipeline.member(), import_pipeline.feed(), draft
    )
    assert (sent, len(await import_pipeline.stored_events())) == (False, 1)


async def test_a_restless_article_is_looked_at_again_although_the_site_says_nothing_new(
    import_pipeline,
):
    import_pipeline.clock.now = time.time()  # the server's clock says when an event was stored
    await import_pipeline.follow(import_pipeline.feed(since=None))
    for number in range(4):
        import_pipeline.site.publish(rss(Article(1, lead=f"Bản {number}")))
        state = await import_pipeline.visit_feed()
    assert state.counts == {"restless": 1}
    import_pipeline.clock.advance(DAY_S + 60)
    assert (await import_pipeline.visit_feed()).counts == {"changed": 1}


@pytest.mark.promise("2.5")
async def test_two_processes_at_once_say_it_once(import_pipeline):
    await import_pipeline.follow()
    import_pipeline.site.publish(rss(*map(Article, range(20))))
    others = [import_pipeline.new_importer(import_pipeline.bus) for _ in range(3)]
    member, feed = await import_pipeline.member(), import_pipeline.feed()
    await asyncio.gather(*(one.visit(member, feed) for one in others))
    assert await import_pipeline.event_kinds() == {"submitted": 20}


async def survived(house: ImportPipeline, calls: int, *, after: bool) -> bool:
    """Whether the process has outlived its reading."""
    try:
        await house.visit_feed(
            importer=house.new_importer(crashing_bus(house.bus, calls, after=after))
        )
    except SimulatedCrash:
        return False
    return True


async def test_a_number_that_a_dying_process_claimed_for_another_text_is_left_to_it(
    import_pipeline,
):
    """Claimed for ever, never stored, and the site has changed the article since."""
    await import_pipeline.follow()
    import_pipeline.site.publish(rss(Article(1, lead="Một")))
    for calls in range(1, 40):
        await import_pipeline.importer.states.forget(UNIT, import_pipeline.feed())
        if await survived(import_pipeline, calls, after=True) or await claimed(import_pipeline):
            break
    assert await claimed(import_pipeline) and await import_pipeline.stored_events() == []
    import_pipeline.site.publish(rss(Article(1, lead="Hai")))
    assert (await import_pipeline.visit_feed()).counts == {"new": 1}
    [event] = await import_pipeline.stored_events()
    assert (event.type, event.data["revision"], event.data["body"]) == (events.SUBMITTED, 2, "Hai")


async def claimed(house: ImportPipeline) -> bool:
    return bool([key async for key, _ in house.bus.bucket("events").values("")])
