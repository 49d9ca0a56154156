"""Calls to Zalo that take effect after they were given up, by seed."""

import random

import pytest

from channels.zalo.timing import SETTLE_S
from tests.support.zalo_late_effects import (
    CREATE,
    SEEDS,
    LateEffects,
    publish_article,
)


@pytest.mark.promise("6.2")
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_lands_too_late_is_gone_after_the_next_look(zalo_account, seed):
    chance = random.Random(seed)
    late = LateEffects(zalo_account, CREATE, chance.uniform(SETTLE_S, 20 * 3600))
    await publish_article(zalo_account)
    while late.pending:
        zalo_account.clock.advance(600)
        await zalo_account.channel.articles.abandoned_calls.sweep()
        assert len(zalo_account.visible) == 1
    assert zalo_account.effects("article_created") == 2
    assert [item.id for item in zalo_account.articles] == [
        zalo_account.article_store.record().article_id
    ]
