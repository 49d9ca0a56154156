"""Requests that act long after their answer was given up: one visible article, one broadcast."""

import random

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.pace import SETTLE_S
from tests.builders import a_publication
from tests.zalo_late import CREATE, MESSAGE, SEEDS, UPDATE, LateEffects, events, published
from tests.zalo_stage import BROADCAST, a_correction, a_withdrawal, carried_through, staged

ITEM = "lich-nghi-tet-2027"
IN_TIME = [0.0, 1.0, 59.0, 61.0, SETTLE_S / 2, SETTLE_S - 1]


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


@pytest.mark.parametrize("late_s", IN_TIME)
@pytest.mark.parametrize("path", [CREATE, UPDATE])
async def test_an_effect_within_the_settle_time_makes_no_copy(stage, path, late_s):
    late = LateEffects(stage, path, late_s)
    await published(stage)
    stage.clock.advance(SETTLE_S)
    assert late.on_the_way == []
    assert stage.effects("article_created") == 1
    assert len(stage.visible) == 1


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_effects_at_any_moment_within_the_settle_time_make_no_copy(stage, seed):
    """Article, correction and withdrawal, each with a call that acts late, again and again."""
    chance = random.Random(seed)
    for item in (a_publication(), a_correction(), a_withdrawal()):
        path = chance.choice([CREATE, UPDATE])
        late = LateEffects(stage, path, chance.uniform(0, SETTLE_S - 1))
        await published(stage, item)
        stage.clock.advance(SETTLE_S)
        assert late.on_the_way == []
        shown = [article.payload["title"] for article in stage.visible]
        assert shown == ([] if item.action == "withdrawn" else [item.title])
    assert stage.effects("article_created") == 1


async def test_a_show_that_lands_after_the_withdrawal_is_reported(stage):
    """Nothing can prevent it, and the public may read a withdrawn text: a person has to act."""
    LateEffects(stage, UPDATE, SETTLE_S + 60)
    await published(stage)
    await published(stage, a_withdrawal())
    assert stage.visible == []
    stage.clock.advance(60)
    assert len(stage.visible) == 1, "the old text is back"
    with structlog.testing.capture_logs() as logs:
        await stage.channel.articles.strays.sweep()
    [line] = [line for line in logs if line["event"] == "zalo_article_differs"]
    assert (line["log_level"], line["content_id"]) == ("error", ITEM)
    await published(stage, a_withdrawal(revision=4))
    assert stage.visible == []


async def test_a_late_show_of_the_text_that_is_shown_is_nobody_s_concern(stage):
    LateEffects(stage, UPDATE, SETTLE_S + 60)
    await published(stage)
    stage.clock.advance(61)
    with structlog.testing.capture_logs() as logs:
        await stage.channel.articles.strays.sweep()
    assert events(logs) == []
    assert len(stage.visible) == 1


@pytest.mark.parametrize("late_s", [*IN_TIME, SETTLE_S + 60, 86400.0])
async def test_a_broadcast_that_lands_late_is_the_only_one(stage, late_s):
    await published(stage)
    LateEffects(stage, MESSAGE, late_s)
    assert await carried_through(stage, a_publication(), BROADCAST) is Verdict.UNKNOWN
    stage.clock.advance(late_s + 1)
    assert len(stage.broadcasts) == 1
    assert (await stage.resolve(a_publication(), BROADCAST)).verdict is Verdict.UNKNOWN
    assert len(stage.broadcasts) == 1
