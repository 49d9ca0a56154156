"""The road of an article against the sandbox: seen by the public in the end, or why it is not."""

import pytest

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.clock import POLLS_S
from channels.zalo.outcomes import PROCESSING_S
from tests.support.publications import a_publication
from tests.support.zalo_account import ARTICLE, recipient


async def test_an_article_is_created_hidden_verified_and_shown(zalo_account):
    outcome = await zalo_account.send(a_publication())
    assert outcome.verdict is Verdict.DELIVERED
    granted, created, updated = zalo_account.sandbox.world.journal.facts()
    kinds = [fact["kind"] for fact in (granted, created, updated)]
    assert kinds == ["granted", "article_created", "article_updated"]
    assert created["payload"]["status"] == "hide"
    [article] = zalo_account.visible
    assert article.payload["title"] == a_publication().title


async def test_the_token_is_noted_before_it_is_verified(zalo_account):
    records = []
    store = zalo_account.article_store
    store.after = lambda number: records.append(store.record())
    await zalo_account.send(a_publication())
    intent, token, identity, *_, shown = records
    assert intent.intent_at and not intent.token
    assert token.token and not token.article_id
    assert identity.article_id and not identity.shown
    assert shown.shown == 1


async def test_sending_again_changes_nothing(zalo_account):
    await zalo_account.send(a_publication())
    before = len(list(zalo_account.sandbox.world.journal.facts()))
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert len(list(zalo_account.sandbox.world.journal.facts())) == before


async def test_an_article_that_takes_longer_is_put_off_with_its_token(zalo_account):
    zalo_account.set_rules(processing=len(POLLS_S) + 1)
    outcome = await zalo_account.send(a_publication())
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.HELD, PROCESSING_S)
    assert zalo_account.slept == list(POLLS_S)
    assert zalo_account.article_store.record().token
    zalo_account.new_channel()
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.DELIVERED
    assert zalo_account.effects("article_created") == 1


async def test_what_zalo_has_accepted_for_showing_is_in_doubt_until_it_is_verified(zalo_account):
    """A withdrawal must reach it: the public may see it already."""
    zalo_account.set_rules(processing=0)
    zalo_account.fault(
        "article.verify", "refuse", code=-214, words="Article is being processed", times=6
    )
    zalo_account.sandbox.faults.planned[0].skip = 1
    outcome = await zalo_account.send(a_publication())
    assert outcome.verdict is Verdict.DOUBT
    assert len(zalo_account.visible) == 1
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.DELIVERED


async def test_an_update_that_needs_no_verifying_is_done_at_once(zalo_account):
    zalo_account.set_rules(update_token=False)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert len(zalo_account.visible) == 1


@pytest.mark.parametrize(
    ("code", "verdict", "failed"), [(-224, Verdict.HELD, 0), (-248, Verdict.FAILED, 1)]
)
async def test_a_refused_create_ends_its_intent_or_revision(zalo_account, code, verdict, failed):
    zalo_account.fault("article.create", "refuse", code=code)
    assert (await zalo_account.send(a_publication())).verdict is verdict
    record = zalo_account.article_store.record()
    assert (record.intent_at, record.failed) == (0, failed)


async def test_a_token_that_zalo_forgot_is_looked_for_in_the_list(zalo_account):
    zalo_account.fault("article.verify", "refuse", code=-201, words="token is invalid!")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.HELD
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert zalo_account.effects("article_created") == 1


async def test_an_update_token_that_zalo_forgot_is_looked_up(zalo_account):
    zalo_account.fault("article.verify", "refuse", code=-201, words="token is invalid!", skip=3)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.DELIVERED


async def test_nothing_is_sent_after_the_deadline(zalo_account):
    outcome = await zalo_account.send(a_publication(), expired=lambda: True)
    assert outcome.verdict is Verdict.UNSENT
    assert zalo_account.articles == []


async def test_a_deadline_that_passes_on_the_way_stops_before_the_next_effect(zalo_account):
    outcome = await zalo_account.send(
        a_publication(), expired=lambda: zalo_account.effects("article_created") > 0
    )
    assert outcome.verdict is Verdict.UNSENT
    assert zalo_account.visible == []
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert zalo_account.effects("article_created") == 1


async def test_a_deadline_that_passes_just_before_the_request_leaves_no_doubt(zalo_account):
    answers = iter([False, True])
    outcome = await zalo_account.send(a_publication(), expired=lambda: next(answers))
    assert outcome.verdict is Verdict.UNSENT
    assert zalo_account.article_store.record().intent_at == 0
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED


async def test_an_unreachable_zalo_holds_the_row_and_leaves_no_doubt(zalo_account, monkeypatch):
    async def away(request):
        raise Unreachable("no connection")

    monkeypatch.setattr(zalo_account.channel.api.transport, "exchange", away)
    outcome = await zalo_account.send(a_publication())
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.HELD, 30)
    monkeypatch.undo()
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT


async def test_a_zalo_that_can_not_be_asked_leaves_the_doubt(zalo_account):
    zalo_account.fault("article.create", "drop_before")
    await zalo_account.send(a_publication())
    zalo_account.fault("article.getslice", "html_before", times=9)
    outcome = await zalo_account.resolve(a_publication())
    assert outcome.verdict is Verdict.DOUBT
    assert outcome.retry_after_s > 0


async def test_reads_are_tried_again_within_seconds(zalo_account):
    zalo_account.fault("article.verify", "drop_before", times=2)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED


async def test_rows_are_answered_in_order(zalo_account):
    async with zalo_account.channel.session() as session:
        rendered = zalo_account.channel.render(a_publication())
        rows = [recipient(a_publication(), row) for row in ("somebody", ARTICLE)]
        outcomes = await session.send(rendered, rows, lambda: False)
    assert [said.verdict for said in outcomes] == [Verdict.FAILED, Verdict.DELIVERED]


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "html_before"},
        {"kind": "refuse", "code": -224, "words": "upgrade OA Tier Package"},
        {"kind": "refuse", "code": -32, "words": "Your OA reached limit call api"},
    ],
    ids=["unreachable", "operator", "quota"],
)
async def test_what_the_public_may_see_is_in_doubt_while_zalo_is_away(zalo_account, trouble):
    zalo_account.fault("article.verify", **trouble, skip=3, times=3)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    assert len(zalo_account.visible) == 1
    zalo_account.sandbox.faults.planned.clear()
    zalo_account.clock.advance(900)
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.DELIVERED
