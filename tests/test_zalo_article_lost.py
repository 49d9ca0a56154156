"""A lost answer, a death or a silent notebook on an article's way: the public sees only one."""

import pytest

from channels.base import Verdict
from channels.zalo.pace import SETTLE_S
from tests.builders import a_publication
from tests.zalo_stage import (
    AFTER,
    ARTICLE,
    BEFORE,
    SITE,
    Killed,
    carried_through,
    kill_at,
    silence_at,
    staged,
)


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_a_lost_create_is_a_doubt_that_the_list_settles(stage, kind):
    stage.fault("article.create", kind, delay_s=0.2)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert (
        await carried_through(stage, a_publication(), ARTICLE, doubtful=True) is Verdict.DELIVERED
    )
    assert len(stage.visible) == 1
    assert stage.effects("article_created") == 1


@pytest.mark.parametrize("kind", BEFORE)
async def test_a_create_that_left_no_trace_is_not_repeated_before_it_is_settled(stage, kind):
    stage.fault("article.create", kind, delay_s=0.2)
    begun = stage.clock.now
    await stage.send(a_publication())
    while (outcome := await stage.resolve(a_publication())).verdict is Verdict.DOUBT:
        assert stage.effects("article_created") == 0
        stage.clock.advance(outcome.after_s)
    assert outcome.verdict is Verdict.ABSENT
    assert stage.clock.now - begun >= SETTLE_S


async def test_a_create_in_doubt_is_not_repeated_even_when_asked_to_send(stage):
    stage.fault("article.create", "drop_before")
    await stage.send(a_publication())
    outcome = await stage.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert 0 < outcome.after_s <= SETTLE_S
    assert stage.effects("article_created") == 0


async def test_an_article_that_the_list_shows_is_adopted_at_once(stage):
    stage.fault("article.create", "drop_after")
    await stage.send(a_publication())
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    assert stage.notebook.note().article_id == stage.articles[0].id


@pytest.mark.parametrize("kind", BEFORE + AFTER)
@pytest.mark.parametrize("route", ["article.update", "article.verify"])
async def test_a_lost_update_or_verify_never_makes_a_second_article(stage, route, kind):
    stage.fault(route, kind, delay_s=0.2)
    assert await carried_through(stage, a_publication(), ARTICLE) is Verdict.DELIVERED
    assert len(stage.articles) == 1
    assert len(stage.visible) == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_an_update_that_arrived_is_seen_at_once(stage, kind):
    stage.fault("article.update", kind)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED


async def test_an_update_that_did_not_arrive_is_repeated_only_when_no_late_one_can_land(stage):
    stage.fault("article.update", "drop_before")
    await stage.send(a_publication())
    outcome = await stage.resolve(a_publication())
    assert outcome.verdict is Verdict.DOUBT
    stage.clock.advance(SETTLE_S)
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
async def test_a_kill_around_any_note_leaves_one_article(stage, number, moment):
    setattr(stage.notebook, moment, kill_at(number))
    assert await carried_through(stage, a_publication(), ARTICLE) is Verdict.DELIVERED
    assert len(stage.visible) == 1
    assert len(stage.articles) == 1


async def test_a_crash_between_create_and_its_note_leaves_no_second_article(stage):
    stage.notebook.before = kill_at(2)
    with pytest.raises(Killed):
        await stage.send(a_publication())
    assert stage.effects("article_created") == 1
    stage.start()
    outcome = await carried_through(stage, a_publication(), ARTICLE, doubtful=True)
    assert outcome is Verdict.DELIVERED
    assert stage.effects("article_created") == 1
    assert len(stage.visible) == 1


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_silent_notebook_never_makes_a_second_article(stage, number, moment):
    setattr(stage.notebook, moment, silence_at(number))
    assert await carried_through(stage, a_publication(), ARTICLE) is Verdict.DELIVERED
    assert stage.effects("article_created") == 1


async def test_a_notebook_that_is_silent_from_the_start_holds_the_row(stage):
    stage.notebook.before = silence_at(1)
    assert (await stage.send(a_publication())).verdict is Verdict.HELD
    assert stage.effects("article_created") == 0


async def test_surplus_hidden_copies_are_removed_and_other_articles_left_alone(stage):
    await stage.send(a_publication(content_id="tin-khac"))
    stage.fault("article.create", "drop_after")
    await stage.send(a_publication())
    world = stage.sandbox.world
    copy = dict(stage.articles[1].payload)
    world.record("article_created", id="copy", token="copy", payload=copy)
    assert (
        await carried_through(stage, a_publication(), ARTICLE, doubtful=True) is Verdict.DELIVERED
    )
    mine = stage.notebook.note().article_id
    assert {item.id for item in stage.visible} == {
        mine,
        stage.notebook.note("tin-khac").article_id,
    }
    assert "copy" not in world.articles or mine == "copy"
    assert len(stage.articles) == 2


async def test_an_article_of_somebody_else_with_the_same_title_is_not_ours(stage):
    payload = stage.channel.render(a_publication()).payload("other", SITE.cover_url, "show")
    stage.sandbox.world.record("article_created", id="theirs", token="theirs", payload=payload)
    stage.fault("article.create", "drop_before")
    await stage.send(a_publication())
    stage.clock.advance(SETTLE_S)
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    assert stage.notebook.note().article_id == ""


async def test_our_article_is_found_on_the_third_page(stage):
    stage.fault("article.create", "drop_after")
    await stage.send(a_publication())
    payload = stage.channel.render(a_publication()).payload("other", SITE.cover_url, "show")
    for number in range(25):
        stage.clock.advance(1)
        stage.sandbox.world.record(
            "article_created", id=f"a{number}", token=f"t{number}", payload=payload
        )
    await stage.resolve(a_publication())
    assert stage.notebook.note().article_id == stage.articles[0].id


@pytest.mark.parametrize("number", [2, 5])
async def test_an_effect_that_could_not_be_noted_is_a_doubt(stage, number):
    stage.notebook.before = silence_at(number)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert await carried_through(stage, a_publication(), ARTICLE, doubtful=True)
    assert len(stage.articles) == 1
