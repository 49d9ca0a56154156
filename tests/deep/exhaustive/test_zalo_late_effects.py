"""Effects at Zalo at any moment after their calls were given up, by seed."""

import random

import pytest

from channels.zalo.clock import SETTLE_S
from tests.support.publications import a_publication
from tests.support.zalo_account import sample_correction, sample_withdrawal
from tests.support.zalo_late_effects import CREATE, UPDATE, LateEffects, publish_article

SEEDS = 40


@pytest.mark.promise("6.1")
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_effects_at_any_moment_within_the_settle_time_make_no_copy(zalo_account, seed):
    """Article, correction and withdrawal, each with a call that acts late, again and again."""
    chance = random.Random(seed)
    for item in (a_publication(), sample_correction(), sample_withdrawal()):
        path = chance.choice([CREATE, UPDATE])
        late = LateEffects(zalo_account, path, chance.uniform(0, SETTLE_S - 1))
        await publish_article(zalo_account, item)
        zalo_account.clock.advance(SETTLE_S)
        assert late.pending == []
        shown = [article.payload["title"] for article in zalo_account.visible]
        assert shown == ([] if item.action == "withdrawn" else [item.title])
    assert zalo_account.effects("article_created") == 1


@pytest.mark.promise("6.2")
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_create_that_lands_too_late_is_gone_after_the_next_sweep(zalo_account, seed):
    late = LateEffects(zalo_account, CREATE, random.Random(seed).uniform(SETTLE_S, 20 * 3600))
    await publish_article(zalo_account)
    while late.pending:
        zalo_account.clock.advance(600)
        await zalo_account.channel.articles.abandoned_calls.sweep()
        assert len(zalo_account.visible) == 1
    assert zalo_account.effects("article_created") == 2
    [article] = zalo_account.articles
    assert article.id == zalo_account.article_store.record().article_id
