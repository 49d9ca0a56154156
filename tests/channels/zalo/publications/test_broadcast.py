"""The broadcast: one per item, only by day, only of a live article, never repeated by itself."""

from datetime import datetime

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.clock import SETTLE_S
from contracts.base.times import vietnam_time
from contracts.text.moments import VIETNAM
from tests.support.publications import a_publication
from tests.support.zalo_account import (
    AFTER,
    ARTICLE,
    BEFORE,
    BROADCAST,
    sample_correction,
    sample_withdrawal,
)


def night(account, hour: int, minute: int = 0) -> None:
    at = datetime(2027, 1, 15, hour, minute, tzinfo=VIETNAM).timestamp()
    account.sandbox.clock.set(at)


async def test_an_article_and_one_broadcast_of_it_reach_every_follower(zalo_account):
    assert (await zalo_account.send(a_publication(), ARTICLE)).verdict is Verdict.DELIVERED
    assert (await zalo_account.send(a_publication(), BROADCAST)).verdict is Verdict.DELIVERED
    [sent] = zalo_account.broadcasts
    assert (sent.articles, sent.target) == ([zalo_account.visible[0].id], {})


async def test_the_broadcast_waits_for_the_article(zalo_account):
    outcome = await zalo_account.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.DEFERRED
    assert outcome.retry_after_s > 10
    assert zalo_account.broadcasts == []


async def test_the_broadcast_waits_for_its_own_revision(zalo_account):
    await zalo_account.send(a_publication(), ARTICLE)
    assert (await zalo_account.send(sample_correction(), BROADCAST)).verdict is Verdict.DEFERRED
    await zalo_account.send(sample_correction(), ARTICLE)
    assert (await zalo_account.send(sample_correction(), BROADCAST)).verdict is Verdict.DELIVERED


async def test_a_refused_article_fails_its_broadcast(zalo_account):
    zalo_account.fault("article.create", "refuse", code=-248)
    await zalo_account.send(a_publication(), ARTICLE)
    assert (await zalo_account.send(a_publication(), BROADCAST)).verdict is Verdict.FAILED
    assert zalo_account.broadcasts == []


async def test_a_withdrawn_article_is_not_broadcast(zalo_account):
    await zalo_account.send(a_publication(), ARTICLE)
    await zalo_account.send(sample_withdrawal(), ARTICLE)
    assert (await zalo_account.send(a_publication(), BROADCAST)).verdict is Verdict.SUPPRESSED
    assert (await zalo_account.send(sample_withdrawal(), BROADCAST)).verdict is Verdict.SUPPRESSED
    assert zalo_account.broadcasts == []


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_a_lost_answer_is_a_doubt_that_only_a_person_ends(zalo_account, kind):
    await zalo_account.send(a_publication(), ARTICLE)
    zalo_account.fault("oa.message", kind, delay_s=0.2)
    assert (await zalo_account.send(a_publication(), BROADCAST)).verdict is Verdict.DOUBT
    zalo_account.clock.advance(SETTLE_S)
    assert (await zalo_account.resolve(a_publication(), BROADCAST)).verdict is Verdict.UNKNOWN
    assert len(zalo_account.broadcasts) == (0 if kind in BEFORE else 1)


async def test_a_success_without_a_message_id_is_a_doubt(zalo_account):
    await zalo_account.send(a_publication(), ARTICLE)
    zalo_account.replace_body("/oa/message", b'{"error":0,"message":"Success","data":{}}')
    assert (await zalo_account.send(a_publication(), BROADCAST)).verdict is Verdict.DOUBT


@pytest.mark.parametrize(("hour", "minute"), [(21, 59), (22, 0), (23, 30), (0, 0), (5, 59)])
async def test_at_night_nothing_is_called_and_the_row_is_held(zalo_account, hour, minute):
    await zalo_account.send(a_publication(), ARTICLE)
    night(zalo_account, hour, minute)
    zalo_account.clock.advance(61)
    night(zalo_account, hour, minute)
    zalo_account.fault("oa.message", "refuse", code=-99999, times=9)
    outcome = await zalo_account.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.HELD
    release = vietnam_time(zalo_account.sandbox.clock() + outcome.retry_after_s)
    assert f"{release:%H:%M}" == "06:10"
    assert outcome.retry_after_s <= 8.25 * 3600


async def test_the_hours_are_judged_by_zalos_clock_even_when_ours_is_wrong(zalo_account):
    await zalo_account.send(a_publication(), ARTICLE)
    zalo_account.clock.advance(12 * 3600)
    zalo_account.sandbox.world.tokens.expires = 1e12
    night(zalo_account, 12)
    assert vietnam_time(zalo_account.clock.now).hour == 0
    zalo_account.new_channel()
    assert (await zalo_account.send(a_publication(), BROADCAST)).verdict is Verdict.DELIVERED


async def test_zalos_time_is_asked_for_when_it_was_not_told_lately(zalo_account):
    await zalo_account.send(a_publication(), ARTICLE)
    zalo_account.new_channel()
    zalo_account.fault("oa.getoa", "html_before", times=9)
    outcome = await zalo_account.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.HELD
    assert zalo_account.broadcasts == []


async def test_nothing_is_broadcast_after_the_deadline(zalo_account):
    await zalo_account.send(a_publication(), ARTICLE)
    answers = iter([False, True])
    outcome = await zalo_account.send(a_publication(), BROADCAST, expired=lambda: next(answers))
    assert outcome.verdict is Verdict.UNSENT
    assert zalo_account.broadcasts == []


async def test_logs_name_the_message_but_not_the_text(zalo_account):
    with structlog.testing.capture_logs() as logs:
        await zalo_account.send(a_publication(), ARTICLE)
        await zalo_account.send(a_publication(), BROADCAST)
    assert [line["event"] for line in logs] == [
        "zalo_article_created",
        "zalo_article_shown",
        "zalo_broadcast_sent",
    ]
    assert "Nguyên đán" not in str(logs)
