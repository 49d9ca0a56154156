"""A lost answer, a crash or a silent store on an article's way: one public article."""

import pytest

from channels.base import Verdict
from channels.zalo.clock import SETTLE_S
from tests.support.publications import a_publication
from tests.support.zalo_account import AFTER, BEFORE, SITE, sample_withdrawal, silence_at
from tests.support.zalo_late_effects import UPDATE, LateEffects, publish_article


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_a_lost_create_is_a_doubt_that_the_list_settles(zalo_account, kind):
    zalo_account.fault("article.create", kind, delay_s=0.2)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    await publish_article(zalo_account, doubtful=True)
    assert len(zalo_account.visible) == 1
    assert zalo_account.effects("article_created") == 1


@pytest.mark.parametrize("kind", BEFORE)
async def test_a_create_that_left_no_trace_is_not_repeated_before_it_is_settled(zalo_account, kind):
    zalo_account.fault("article.create", kind, delay_s=0.2)
    begun = zalo_account.clock.now
    await zalo_account.send(a_publication())
    while (outcome := await zalo_account.resolve(a_publication())).verdict is Verdict.DOUBT:
        assert zalo_account.effects("article_created") == 0
        zalo_account.clock.advance(outcome.retry_after_s)
    assert outcome.verdict is Verdict.ABSENT
    assert zalo_account.clock.now - begun >= SETTLE_S


async def test_a_create_in_doubt_is_not_repeated_even_when_asked_to_send(zalo_account):
    zalo_account.fault("article.create", "drop_before")
    await zalo_account.send(a_publication())
    outcome = await zalo_account.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert 0 < outcome.retry_after_s <= SETTLE_S
    assert zalo_account.effects("article_created") == 0


async def test_an_article_that_the_list_shows_is_adopted_at_once(zalo_account):
    zalo_account.fault("article.create", "drop_after")
    await zalo_account.send(a_publication())
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    assert zalo_account.article_store.record().article_id == zalo_account.articles[0].id


@pytest.mark.parametrize("kind", BEFORE + AFTER)
@pytest.mark.parametrize("route", ["article.update", "article.verify"])
async def test_a_lost_update_or_verify_never_makes_a_second_article(zalo_account, route, kind):
    zalo_account.fault(route, kind, delay_s=0.2)
    await publish_article(zalo_account)
    assert len(zalo_account.articles) == 1
    assert len(zalo_account.visible) == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_an_update_that_arrived_is_seen_at_once(zalo_account, kind):
    zalo_account.fault("article.update", kind)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.DELIVERED


async def test_an_update_that_did_not_arrive_is_repeated_at_once(zalo_account):
    """A wrong text is taken back without a wait: the same change twice does no harm."""
    await zalo_account.send(a_publication())
    zalo_account.fault("article.update", "drop_before")
    assert (await zalo_account.send(sample_withdrawal())).verdict is Verdict.DOUBT
    assert (await zalo_account.resolve(sample_withdrawal())).verdict is Verdict.RESEND
    assert (await zalo_account.send(sample_withdrawal())).verdict is Verdict.DELIVERED
    assert zalo_account.visible == []


async def test_a_change_that_lands_after_its_repeat_was_refused_is_withdrawn(zalo_pipeline):
    """The repeat is not done, but the first may be: the withdrawal must hide the article."""
    account = zalo_pipeline.account
    account.clock = zalo_pipeline.clock
    LateEffects(account, UPDATE, SETTLE_S / 2)
    batch = await zalo_pipeline.publish(a_publication())
    await zalo_pipeline.wake(batch)
    account.fault("article.update", "refuse", code=-224, words="no package", times=1)
    zalo_pipeline.clock.advance(10)
    await zalo_pipeline.wake(batch)
    withdrawal = await zalo_pipeline.publish(sample_withdrawal())
    zalo_pipeline.clock.advance(SETTLE_S)
    assert len(account.visible) == 1, "the first change has landed"
    await zalo_pipeline.finish(withdrawal)
    assert account.visible == []


async def test_a_notebook_that_is_silent_from_the_start_holds_the_row(zalo_account):
    zalo_account.article_store.before = silence_at(1)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.HELD
    assert zalo_account.effects("article_created") == 0


async def test_surplus_hidden_copies_are_removed_and_other_articles_left_alone(zalo_account):
    await zalo_account.send(a_publication(content_id="tin-khac"))
    zalo_account.fault("article.create", "drop_after")
    await zalo_account.send(a_publication())
    world = zalo_account.sandbox.world
    copy = dict(zalo_account.articles[1].payload)
    world.record("article_created", id="copy", token="copy", payload=copy)
    await publish_article(zalo_account, doubtful=True)
    mine = zalo_account.article_store.record().article_id
    other = zalo_account.article_store.record("tin-khac").article_id
    assert {item.id for item in zalo_account.visible} == {mine, other}
    assert "copy" not in world.articles or mine == "copy"
    assert len(zalo_account.articles) == 2


async def test_an_article_of_somebody_else_with_the_same_title_is_not_ours(zalo_account):
    payload = zalo_account.channel.render(a_publication()).payload("other", SITE.cover_url, "show")
    zalo_account.sandbox.world.record(
        "article_created", id="theirs", token="theirs", payload=payload
    )
    zalo_account.fault("article.create", "drop_before")
    await zalo_account.send(a_publication())
    zalo_account.clock.advance(SETTLE_S)
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    assert zalo_account.article_store.record().article_id == ""


@pytest.mark.parametrize("number", [2, 5])
async def test_an_effect_that_could_not_be_noted_is_a_doubt(zalo_account, number):
    zalo_account.article_store.before = silence_at(number)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    await publish_article(zalo_account, doubtful=True)
    assert len(zalo_account.articles) == 1
