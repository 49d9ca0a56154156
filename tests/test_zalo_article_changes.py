"""What comes after an article: corrections, withdrawals and covers; an older text never returns."""

import json

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.notebook import Note
from channels.zalo.pace import SETTLE_S
from channels.zalo.render import Site
from tests.builders import a_publication
from tests.zalo_stage import (
    AFTER,
    ARTICLE,
    BEFORE,
    SITE,
    a_correction,
    a_withdrawal,
    carried_through,
    staged,
)

ITEM = "lich-nghi-tet-2027"
OWN_COVER = {"url": "https://moha.example/bia.jpg", "alt": "Bìa"}


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


async def test_a_correction_updates_the_article_under_its_link(stage):
    await stage.send(a_publication())
    before = stage.notebook.note().article_id
    assert (await stage.send(a_correction())).verdict is Verdict.DELIVERED
    [article] = stage.articles
    assert article.id == before
    assert article.visible
    assert article.payload["title"].startswith("Đính chính")


async def test_a_correction_of_an_article_that_never_was_creates_it(stage):
    assert (await stage.send(a_correction())).verdict is Verdict.DELIVERED
    assert len(stage.visible) == 1


async def test_a_correction_finds_the_article_that_an_older_revision_left_in_doubt(stage):
    stage.fault("article.create", "drop_after")
    await stage.send(a_publication())
    assert (await stage.send(a_correction())).verdict is Verdict.DELIVERED
    [article] = stage.articles
    assert article.payload["title"].startswith("Đính chính")


async def test_an_older_revision_never_comes_after_a_newer_one(stage):
    await stage.send(a_correction())
    assert (await stage.send(a_publication())).verdict is Verdict.FAILED
    assert (await stage.resolve(a_publication())).verdict is Verdict.FAILED
    [article] = stage.articles
    assert article.payload["title"].startswith("Đính chính")


async def test_a_withdrawal_hides_the_article_and_its_text(stage):
    await stage.send(a_publication())
    assert (await stage.send(a_withdrawal())).verdict is Verdict.DELIVERED
    [article] = stage.articles
    assert not article.visible
    assert "Nguyên đán</p>" not in json.dumps(article.payload["body"], ensure_ascii=False)
    assert (await stage.resolve(a_withdrawal())).verdict is Verdict.DELIVERED


async def test_a_withdrawal_of_nothing_is_done(stage):
    assert (await stage.send(a_withdrawal())).verdict is Verdict.DELIVERED
    assert stage.articles == []


async def test_a_withdrawal_waits_for_a_create_in_doubt(stage):
    stage.fault("article.create", "drop_before")
    await stage.send(a_publication())
    assert (await stage.send(a_withdrawal())).verdict is Verdict.HELD
    stage.clock.advance(SETTLE_S)
    assert (await stage.send(a_withdrawal())).verdict is Verdict.DELIVERED
    assert stage.articles == []


async def test_a_withdrawal_of_an_article_that_somebody_removed_is_done(stage):
    await stage.send(a_publication())
    stage.sandbox.world.record("article_removed", id=stage.articles[0].id)
    assert (await stage.send(a_withdrawal())).verdict is Verdict.DELIVERED


async def test_a_correction_of_an_article_that_somebody_removed_fails(stage):
    await stage.send(a_publication())
    stage.sandbox.world.record("article_removed", id=stage.articles[0].id)
    assert (await stage.send(a_correction())).verdict is Verdict.FAILED
    assert stage.articles == []


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_a_lost_withdrawal_ends_hidden(stage, kind):
    await stage.send(a_publication())
    stage.fault("article.update", kind, delay_s=0.2)
    assert await carried_through(stage, a_withdrawal(), ARTICLE) is Verdict.DELIVERED
    assert stage.visible == []


async def test_a_cover_that_zalo_can_not_fetch_is_replaced_by_the_default_one(stage):
    stage.rules(broken_images=("moha.example",))
    outcome = await stage.send(a_publication(cover=OWN_COVER))
    assert outcome.verdict is Verdict.DELIVERED
    [article] = stage.articles
    assert article.payload["cover"]["photo_url"] == SITE.cover_url


async def test_a_correction_tries_its_own_cover_again(stage):
    stage.rules(broken_images=("moha.example",))
    await stage.send(a_publication(cover=OWN_COVER))
    stage.rules(broken_images=())
    await stage.send(a_correction(cover=OWN_COVER))
    assert stage.articles[0].payload["cover"]["photo_url"] == OWN_COVER["url"]


async def test_a_correction_with_a_broken_cover_gets_the_default_one(stage):
    await stage.send(a_publication())
    stage.rules(broken_images=("moha.example",))
    assert (await stage.send(a_correction(cover=OWN_COVER))).verdict is Verdict.DELIVERED
    assert stage.articles[0].payload["title"].startswith("Đính chính")


async def test_a_broken_default_cover_holds_the_row_until_it_is_put_right(stage):
    stage.rules(broken_images=("cong.example",))
    with structlog.testing.capture_logs() as logs:
        outcome = await stage.send(a_publication())
    assert outcome.verdict is Verdict.HELD
    assert "LOA_PUBLIC_URL" in next(
        line["fix"] for line in logs if line["event"] == "zalo_operator_needed"
    )
    assert stage.articles == []
    for _ in range(3):
        outcome = await stage.send(a_publication())
    assert (outcome.verdict, outcome.after_s) == (Verdict.DEFERRED, 300)
    stage.rules(broken_images=())
    stage.clock.advance(300)
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED
    assert stage.effects("article_created") == 1


async def test_a_default_cover_at_another_address_is_handed_in_anew(stage):
    stage.rules(broken_images=("cong.example",))
    await stage.send(a_publication())
    stage.site = Site("https://cong.example", "https://other.example/bia.png")
    stage.start()
    assert (await stage.send(a_publication())).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    ("call", "verdict"), [("create", Verdict.HELD), ("verify", Verdict.FAILED)]
)
async def test_a_refused_older_revision_clears_nothing_of_a_newer_one(stage, call, verdict):
    """Its worker was slow, and the item has moved on since it asked Zalo."""
    newer = Note(revision=2, token="t-2", marker="m-2")

    def moved_on(request):
        if request.url.endswith(f"/article/{call}"):
            stage.notebook.pages[ITEM] = newer.encode()
            stage.notebook.revisions[ITEM] += 1

    stage.before_request = moved_on
    stage.fault(f"article.{call}", "refuse", code=-248)
    assert (await stage.send(a_publication())).verdict is verdict
    assert stage.notebook.note() == newer


async def test_a_worker_that_was_overtaken_is_in_doubt_about_what_it_sent(stage):
    """What it has created is Zalo's to tell; the newer note is not written over."""
    newer = Note(revision=2, token="t-2", marker="m-2")

    def moved_on(request):
        if request.url.endswith("/article/create"):
            stage.notebook.pages[ITEM] = newer.encode()
            stage.notebook.revisions[ITEM] += 1

    stage.after_request = moved_on
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    assert stage.notebook.note() == newer
