"""Requests that act long after their answer was given up: one visible article, one broadcast."""

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.clock import SETTLE_S
from tests.support.publications import a_publication
from tests.support.zalo_account import BROADCAST, deliver_row, sample_withdrawal
from tests.support.zalo_late_effects import (
    CREATE,
    MESSAGE,
    UPDATE,
    LateEffects,
    event_names,
    publish_article,
)

ITEM = "lich-nghi-tet-2027"
IN_TIME = [0.0, 1.0, 59.0, 61.0, SETTLE_S / 2, SETTLE_S - 1]


@pytest.mark.parametrize("late_s", IN_TIME)
@pytest.mark.parametrize("path", [CREATE, UPDATE])
async def test_an_effect_within_the_settle_time_makes_no_copy(zalo_account, path, late_s):
    late = LateEffects(zalo_account, path, late_s)
    await publish_article(zalo_account)
    zalo_account.clock.advance(SETTLE_S)
    assert late.pending == []
    assert zalo_account.effects("article_created") == 1
    assert len(zalo_account.visible) == 1


@pytest.mark.promise("6.2")
async def test_a_show_that_lands_after_the_withdrawal_is_reported(zalo_account):
    """Nothing can prevent it, and the public may read a withdrawn text: a person has to act."""
    LateEffects(zalo_account, UPDATE, SETTLE_S + 60)
    await publish_article(zalo_account)
    await publish_article(zalo_account, sample_withdrawal())
    assert zalo_account.visible == []
    zalo_account.clock.advance(SETTLE_S + 60)
    assert len(zalo_account.visible) == 1, "the old text is back"
    with structlog.testing.capture_logs() as logs:
        await zalo_account.channel.articles.abandoned_calls.sweep()
    [line] = [line for line in logs if line["event"] == "zalo_article_differs"]
    assert (line["log_level"], line["content_id"]) == ("error", ITEM)
    await publish_article(zalo_account, sample_withdrawal(revision=4))
    assert zalo_account.visible == []


async def test_a_late_show_of_the_text_that_is_shown_is_nobody_s_concern(zalo_account):
    LateEffects(zalo_account, UPDATE, SETTLE_S + 60)
    await publish_article(zalo_account)
    zalo_account.clock.advance(61)
    with structlog.testing.capture_logs() as logs:
        await zalo_account.channel.articles.abandoned_calls.sweep()
    assert event_names(logs) == []
    assert len(zalo_account.visible) == 1


@pytest.mark.promise("6.3")
@pytest.mark.parametrize("late_s", [*IN_TIME, SETTLE_S + 60, 86400.0])
async def test_a_broadcast_that_lands_late_is_the_only_one(zalo_account, late_s):
    await publish_article(zalo_account)
    LateEffects(zalo_account, MESSAGE, late_s)
    assert await deliver_row(zalo_account, a_publication(), BROADCAST) is Verdict.UNKNOWN
    zalo_account.clock.advance(late_s + 1)
    assert len(zalo_account.broadcasts) == 1
    assert (await zalo_account.resolve(a_publication(), BROADCAST)).verdict is Verdict.UNKNOWN
    assert len(zalo_account.broadcasts) == 1
