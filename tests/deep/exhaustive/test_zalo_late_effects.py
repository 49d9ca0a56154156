"""Effects at Zalo at any moment within the settling time, by seed."""

import random

import pytest

from channels.zalo.timing import SETTLE_S
from tests.support.publications import a_publication
from tests.support.zalo_account import (
    sample_correction,
    sample_withdrawal,
)
from tests.support.zalo_late_effects import (
    CREATE,
    SEEDS,
    UPDATE,
    LateEffects,
    publish_article,
)


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
