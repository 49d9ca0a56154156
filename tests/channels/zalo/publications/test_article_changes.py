"""Corrections, withdrawals and covers of an article; an older text never returns."""

import json

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.clock import SETTLE_S
from channels.zalo.publications.record import ArticleRecord
from channels.zalo.publications.render import ArticleDefaults
from tests.support.publications import a_publication
from tests.support.zalo_account import (
    AFTER,
    ARTICLE,
    BEFORE,
    SITE,
    deliver_row,
    sample_correction,
    sample_withdrawal,
)

ITEM = "lich-nghi-tet-2027"
OWN_COVER = {"url": "https://moha.example/bia.jpg", "alt": "Bìa"}


async def test_a_correction_updates_the_article_under_its_link(zalo_account):
    await zalo_account.send(a_publication())
    before = zalo_account.article_store.record().article_id
    assert (await zalo_account.send(sample_correction())).verdict is Verdict.DELIVERED
    [article] = zalo_account.articles
    assert article.id == before
    assert article.visible
    assert article.payload["title"].startswith("Đính chính")


async def test_a_correction_of_an_article_that_never_was_creates_it(zalo_account):
    assert (await zalo_account.send(sample_correction())).verdict is Verdict.DELIVERED
    assert len(zalo_account.visible) == 1


async def test_a_correction_finds_the_article_that_an_older_revision_left_in_doubt(zalo_account):
    zalo_account.fault("article.create", "drop_after")
    await zalo_account.send(a_publication())
    assert (await zalo_account.send(sample_correction())).verdict is Verdict.DELIVERED
    [article] = zalo_account.articles
    assert article.payload["title"].startswith("Đính chính")


async def test_an_older_revision_never_comes_after_a_newer_one(zalo_account):
    await zalo_account.send(sample_correction())
    assert (await zalo_account.send(a_publication())).verdict is Verdict.FAILED
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.FAILED
    [article] = zalo_account.articles
    assert article.payload["title"].startswith("Đính chính")


async def test_a_withdrawal_hides_the_article_and_its_text(zalo_account):
    await zalo_account.send(a_publication())
    assert (await zalo_account.send(sample_withdrawal())).verdict is Verdict.DELIVERED
    [article] = zalo_account.articles
    assert not article.visible
    assert "Nguyên đán</p>" not in json.dumps(article.payload["body"], ensure_ascii=False)
    assert (await zalo_account.resolve(sample_withdrawal())).verdict is Verdict.DELIVERED


async def test_a_withdrawal_of_nothing_is_done(zalo_account):
    assert (await zalo_account.send(sample_withdrawal())).verdict is Verdict.DELIVERED
    assert zalo_account.articles == []


async def test_a_withdrawal_waits_for_a_create_in_doubt(zalo_account):
    zalo_account.fault("article.create", "drop_before")
    await zalo_account.send(a_publication())
    assert (await zalo_account.send(sample_withdrawal())).verdict is Verdict.HELD
    zalo_account.clock.advance(SETTLE_S)
    assert (await zalo_account.send(sample_withdrawal())).verdict is Verdict.DELIVERED
    assert zalo_account.articles == []


async def test_a_withdrawal_of_an_article_that_somebody_removed_is_done(zalo_account):
    await zalo_account.send(a_publication())
    zalo_account.sandbox.world.record("article_removed", id=zalo_account.articles[0].id)
    assert (await zalo_account.send(sample_withdrawal())).verdict is Verdict.DELIVERED


async def test_a_correction_of_an_article_that_somebody_removed_fails(zalo_account):
    await zalo_account.send(a_publication())
    zalo_account.sandbox.world.record("article_removed", id=zalo_account.articles[0].id)
    assert (await zalo_account.send(sample_correction())).verdict is Verdict.FAILED
    assert zalo_account.articles == []


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_a_lost_withdrawal_ends_hidden(zalo_account, kind):
    await zalo_account.send(a_publication())
    zalo_account.fault("article.update", kind, delay_s=0.2)
    assert await deliver_row(zalo_account, sample_withdrawal(), ARTICLE) is Verdict.DELIVERED
    assert zalo_account.visible == []


async def test_a_cover_that_zalo_can_not_fetch_is_replaced_by_the_default_one(zalo_account):
    zalo_account.set_rules(broken_images=("moha.example",))
    outcome = await zalo_account.send(a_publication(cover=OWN_COVER))
    assert outcome.verdict is Verdict.DELIVERED
    [article] = zalo_account.articles
    assert article.payload["cover"]["photo_url"] == SITE.cover_url


async def test_a_correction_tries_its_own_cover_again(zalo_account):
    zalo_account.set_rules(broken_images=("moha.example",))
    await zalo_account.send(a_publication(cover=OWN_COVER))
    zalo_account.set_rules(broken_images=())
    await zalo_account.send(sample_correction(cover=OWN_COVER))
    assert zalo_account.articles[0].payload["cover"]["photo_url"] == OWN_COVER["url"]


async def test_a_broken_default_cover_holds_the_row_until_it_is_put_right(zalo_account):
    zalo_account.set_rules(broken_images=("cong.example",))
    with structlog.testing.capture_logs() as logs:
        outcome = await zalo_account.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert "LOA_PUBLIC_URL" in next(
        line["fix"] for line in logs if line["event"] == "zalo_operator_needed"
    )
    assert zalo_account.articles == []
    for _ in range(3):
        outcome = await zalo_account.send(a_publication())
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.DEFERRED, 300)
    zalo_account.set_rules(broken_images=())
    zalo_account.clock.advance(300)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert zalo_account.effects("article_created") == 1


async def test_a_default_cover_at_another_address_is_handed_in_anew(zalo_account):
    zalo_account.set_rules(broken_images=("cong.example",))
    await zalo_account.send(a_publication())
    zalo_account.site = ArticleDefaults("https://cong.example", "https://other.example/bia.png")
    zalo_account.new_channel()
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED


NEWER = ArticleRecord(revision=2, token="t-2", marker="m-2")


def move_on_at(account, call):
    """The item moves on when Zalo is called: another process stores a newer record."""

    def moved_on(request):
        if request.url.endswith(f"/article/{call}"):
            account.article_store.pages[ITEM] = NEWER.encode()
            account.article_store.revisions[ITEM] += 1

    return moved_on


@pytest.mark.parametrize(
    ("call", "verdict"), [("create", Verdict.HELD), ("verify", Verdict.FAILED)]
)
async def test_a_refused_older_revision_clears_nothing_of_a_newer_one(zalo_account, call, verdict):
    """Its worker was slow, and the item has moved on since it asked Zalo."""
    zalo_account.before_request = move_on_at(zalo_account, call)
    zalo_account.fault(f"article.{call}", "refuse", code=-248)
    assert (await zalo_account.send(a_publication())).verdict is verdict
    assert zalo_account.article_store.record() == NEWER


async def test_a_worker_that_was_overtaken_is_in_doubt_about_what_it_sent(zalo_account):
    """Zalo knows its own article; the newer record is not overwritten."""
    zalo_account.after_request = move_on_at(zalo_account, "create")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    assert zalo_account.article_store.record() == NEWER
