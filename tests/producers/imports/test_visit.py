"""Feeds are read over HTTP and become events on a real bus: each once, under every fault."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from consumers.intake.handler import Intake
from contracts import events
from contracts.vocabulary import DEFAULT
from producers.imports.imported_articles import ImportedArticles
from producers.imports.plan import plan_events
from producers.imports.planned import ManualVisit, Reading
from tests.support.feed_site import NOW, Article, changed_article, undated_rss
from tests.support.import_pipeline import UNIT, ImportPipeline

DAY_S = 86_400


async def test_articles_come_in_and_an_unchanged_feed_is_not_sent_again(imports):
    state = await imports.read(Article(1), Article(2))
    assert (state.counts, state.title, state.trouble) == ({"new": 2}, "Tạp chí", None)
    assert await imports.event_kinds() == {"submitted": 2}
    await imports.visit_feed()
    assert (imports.site.unchanged, await imports.event_kinds()) == (1, {"submitted": 2})


@pytest.mark.parametrize(("release", "state"), [("automatic", "released"), ("desk", "")])
async def test_an_item_is_released_as_the_units_policy_says(imports, release, state):
    await imports.follow(release=release)
    await imports.read(Article(1))
    [event] = await imports.stored_events()
    intake = Intake(imports.bus, DEFAULT, imports.clock)
    await intake.handle(event, UNIT, "submitted")
    item = await intake.repository.item(event.data["content_id"])
    assert (item.state, item.waiting) == (state, () if state else (1,))


async def test_what_the_contract_refuses_is_told_by_field_and_not_tried_again(imports):
    lost, eth = Article(1, lead="B\ufffdo cáo"), Article(2, title="\u00d0ề án")
    state = await imports.read(lost, eth, Article(3))
    assert state.counts == {"new": 1, "refused": 2}
    told = {one.url[-6:]: [error.field for error in one.errors] for one in state.refused}
    assert told == {"1.html": ["data.body"], "2.html": ["data.title"]}
    assert all(error.message_vi for one in state.refused for error in one.errors)
    imports.publish(lost, eth, Article(3), Article(4))
    with capture_logs() as lines:
        state = await imports.visit_feed()
    assert (state.counts["refused"], len(state.refused)) == (2, 2)
    assert "import_item_refused" not in {line["event"] for line in lines}
    state = await imports.read(changed_article(lost, lead="Báo cáo"), eth, Article(3), Article(4))
    assert ([one.url[-6:] for one in state.refused], state.counts["new"]) == (["2.html"], 1)
    assert (await imports.read(Article(3), Article(4))).refused == ()


async def test_what_was_set_aside_for_its_title_is_remembered_until_it_leaves_the_feed(imports):
    twin = Article(2, title=Article(1).headline)
    for listed in ((Article(1), twin), (Article(3), Article(1), twin), (Article(4), twin)):
        state = await imports.read(*listed, fresh=True)
        assert [one.url for one in state.twins] == [twin.url]
        assert state.counts["duplicate"] == 1
    assert (await imports.read(Article(4))).twins == ()


async def test_a_flood_is_held_and_let_in_by_hand(imports):
    await imports.follow(imports.feed(most=3))
    imports.publish(*map(Article, range(5)))
    with capture_logs() as lines:
        state = await imports.visit_feed()
    assert (state.counts, len(state.held), await imports.stored_events()) == ({"held": 5}, 5, [])
    assert "import_held" in {line["event"] for line in lines}
    assert (await imports.visit_feed(wish=ManualVisit())).counts == {"held": 5}
    assert (await imports.visit_feed(wish=ManualVisit(release_held=True))).held == ()
    assert await imports.event_kinds() == {"submitted": 5}
    assert {one.data["lane"] for one in await imports.stored_events()} == {"bulk"}


@pytest.mark.promise("2.5")
async def test_losing_what_is_remembered_of_a_feed_publishes_nothing_twice(imports):
    imports.publish(Article(1), Article(2, path="/b", guid="b", title=Article(1).headline))
    await imports.visit_feed()
    before = await imports.stored_events()
    await imports.importer.states.forget(UNIT, imports.feed())
    await imports.visit_feed(fresh=True)
    assert await imports.stored_events() == before


async def test_what_lay_there_without_a_date_is_no_news(imports):
    imports.site.publish(undated_rss(Article(1), Article(2)))
    assert (await imports.visit_feed()).counts == {"old": 2}
    imports.site.publish(undated_rss(*map(Article, (3, 1, 2))))
    assert (await imports.visit_feed()).counts == {"new": 1, "old": 2}


async def test_a_draft_that_another_was_faster_with_is_left_to_the_next_reading(imports):
    await imports.read(Article(1, lead="Một"))
    reading = Reading(imports.feed(), [Article(1, lead="Hai").entry()], NOW)
    [draft] = plan_events(reading, ImportedArticles(UNIT)).drafts
    sent = await imports.importer.sender.send(await imports.member(), imports.feed(), draft)
    assert (sent, len(await imports.stored_events())) == (False, 1)


async def test_a_restless_article_is_looked_at_again_although_the_site_says_nothing_new(imports):
    imports.clock.now = time.time()  # the server's clock says when an event was stored
    await imports.follow(imports.feed(since=None))
    for number in range(4):
        state = await imports.read(Article(1, lead=f"Bản {number}"))
    assert state.counts == {"restless": 1}
    imports.clock.advance(DAY_S + 60)
    assert (await imports.visit_feed()).counts == {"changed": 1}


@pytest.mark.promise("2.5")
async def test_two_processes_at_once_say_it_once(imports):
    imports.publish(*map(Article, range(20)))
    others = [imports.new_importer(imports.bus) for _ in range(3)]
    member, feed = await imports.member(), imports.feed()
    await asyncio.gather(*(one.visit(member, feed) for one in others))
    assert await imports.event_kinds() == {"submitted": 20}


async def test_a_number_that_a_dying_process_claimed_for_another_text_is_left_to_it(imports):
    """Claimed for ever, never stored, and the site has changed the article since."""
    imports.publish(Article(1, lead="Một"))
    for calls in range(1, 40):
        await imports.importer.states.forget(UNIT, imports.feed())
        if await imports.survives(calls, after=True) or await claimed(imports):
            break
    assert await claimed(imports) and await imports.stored_events() == []
    assert (await imports.read(Article(1, lead="Hai"))).counts == {"new": 1}
    [event] = await imports.stored_events()
    assert (event.type, event.data["revision"], event.data["body"]) == (events.SUBMITTED, 2, "Hai")


async def claimed(imports: ImportPipeline) -> bool:
    return bool([key async for key, _ in imports.bus.bucket("events").values("")])
