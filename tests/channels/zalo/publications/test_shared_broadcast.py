"""Several articles in one broadcast: which articles it has, and how long it waits for them."""

from dataclasses import replace

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.publications.broadcast import COMPANIONS_WAIT_S, RECHECK_S
from consumers.dispatch.audience import BROADCAST
from tests.support.publications import a_publication
from tests.support.zalo_account import sample_correction, sample_withdrawal
from tests.support.zalo_pipeline import BOTH

OTHERS = ["tin-b", "tin-c", "tin-d", "tin-e"]


def together(also=tuple(OTHERS), **changes):
    return a_publication(broadcast={"also": list(also)}, **changes)


async def out(account, *ids: str) -> None:
    for id in ids:
        assert (await account.send(a_publication(content_id=id))).verdict is Verdict.DELIVERED


async def broadcast(account, item) -> list[str]:
    """Publish and broadcast *item*; the articles in it."""
    await account.send(item)
    assert (await account.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    return account.broadcasts[-1].articles


def article_of(account, id: str) -> str:
    return account.article_store.record(id).article_id


async def test_up_to_five_articles_stand_in_one_broadcast_the_items_own_first(zalo_account):
    await out(zalo_account, *OTHERS)
    sent = await broadcast(zalo_account, together())
    assert sent == [article_of(zalo_account, id) for id in ("lich-nghi-tet-2027", *OTHERS)]


async def test_the_broadcast_waits_for_an_article_that_is_still_to_come(zalo_account):
    await out(zalo_account, "tin-b")
    item = together(["tin-b", "tin-c"])
    await zalo_account.send(item)
    outcome = await zalo_account.send(item, BROADCAST)
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.HELD, RECHECK_S)
    assert not outcome.reached_provider
    zalo_account.clock.advance(outcome.retry_after_s)
    await out(zalo_account, "tin-c")
    assert (await zalo_account.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert zalo_account.broadcasts[0].articles[1:] == [
        article_of(zalo_account, id) for id in ("tin-b", "tin-c")
    ]


async def test_it_does_not_wait_for_ever_and_says_what_it_goes_without(zalo_account):
    await out(zalo_account, "tin-b")
    item, begun = together(["tin-b", "tin-c"]), zalo_account.clock()
    await zalo_account.send(item)
    with structlog.testing.capture_logs() as logs:
        while (outcome := await zalo_account.send(item, BROADCAST)).verdict is Verdict.HELD:
            zalo_account.clock.advance(outcome.retry_after_s)
            zalo_account.new_channel()
    assert outcome.verdict is Verdict.DELIVERED
    assert COMPANIONS_WAIT_S <= zalo_account.clock() - begun < COMPANIONS_WAIT_S + RECHECK_S
    assert len(zalo_account.broadcasts[0].articles) == 2
    [line] = [line for line in logs if line["event"] == "zalo_broadcast_without"]
    assert line["missing"] == 1


async def test_a_withdrawn_item_is_not_waited_for(zalo_account):
    await out(zalo_account, "tin-b", "tin-c")
    await zalo_account.send(sample_withdrawal().model_copy(update={"content_id": "tin-c"}))
    assert len(await broadcast(zalo_account, together(["tin-b", "tin-c"]))) == 2


@pytest.mark.parametrize(
    "other", [{"unit": "bao-chi"}, {"broadcast": {"enabled": False}}], ids=["unit", "quiet"]
)
async def test_nobody_is_told_of_an_article_against_its_own_unit_s_word(zalo_account, other):
    """Another unit's article, or one without announcement, is not waited for and not sent."""
    await zalo_account.send(a_publication(content_id="tin-b", **other))
    await out(zalo_account, "tin-c")
    with structlog.testing.capture_logs() as logs:
        sent = await broadcast(zalo_account, together(["tin-b", "tin-c"]))
    assert sent == [article_of(zalo_account, id) for id in ("lich-nghi-tet-2027", "tin-c")]
    [line] = [line for line in logs if line["event"] == "zalo_broadcast_without"]
    assert line["missing"] == 1


async def test_a_correction_can_take_an_article_out_of_others_broadcasts_and_back_in(zalo_account):
    await out(zalo_account, "tin-b")
    for revision, enabled in ((2, False), (3, True)):
        newer = sample_correction(revision, broadcast={"enabled": enabled})
        await zalo_account.send(newer.model_copy(update={"content_id": "tin-b"}))
        await broadcast(zalo_account, together(["tin-b"], content_id=f"tin-{revision}"))
    assert [len(sent.articles) for sent in zalo_account.broadcasts] == [1, 2]


async def test_an_article_of_which_no_unit_is_noted_does_not_ride_along(zalo_account):
    """An older version wrote no unit down."""
    await out(zalo_account, "tin-b")
    note = zalo_account.article_store.record("tin-b")
    zalo_account.article_store.pages["tin-b"] = replace(note, unit="").encode()
    assert len(await broadcast(zalo_account, together(["tin-b"]))) == 1


async def test_an_older_text_of_another_item_is_good_enough(zalo_account):
    await out(zalo_account, "tin-b")
    zalo_account.fault("article.update", "refuse", code=-248)
    newer = sample_correction().model_copy(update={"content_id": "tin-b"})
    assert (await zalo_account.send(newer)).verdict is Verdict.FAILED
    assert len(await broadcast(zalo_account, together(["tin-b"]))) == 2


async def test_a_new_revision_has_its_own_patience(zalo_account):
    item = together(["tin-b"])
    await zalo_account.send(item)
    await zalo_account.send(item, BROADCAST)
    zalo_account.clock.advance(COMPANIONS_WAIT_S + 1)
    newer = sample_correction(broadcast={"also": ["tin-b"]})
    await zalo_account.send(newer)
    assert (await zalo_account.send(newer, BROADCAST)).verdict is Verdict.HELD


async def test_without_its_own_article_nothing_is_broadcast(zalo_account):
    await out(zalo_account, *OTHERS)
    assert (await zalo_account.send(together(), BROADCAST)).verdict is Verdict.DEFERRED
    zalo_account.fault("article.create", "refuse", code=-248)
    await zalo_account.send(together())
    assert (await zalo_account.send(together(), BROADCAST)).verdict is Verdict.FAILED
    assert zalo_account.broadcasts == []


async def test_an_article_that_a_person_removed_keeps_nobody_from_the_others(zalo_account):
    """Zalo refuses the broadcast as a whole: it had no effect."""
    await out(zalo_account, "tin-b", "tin-c")
    zalo_account.sandbox.world.record("article_removed", id=article_of(zalo_account, "tin-b"))
    with structlog.testing.capture_logs() as logs:
        sent = await broadcast(zalo_account, together(["tin-b", "tin-c"]))
    assert sent == [article_of(zalo_account, "lich-nghi-tet-2027")]
    assert len(zalo_account.broadcasts) == 1
    assert "zalo_broadcast_without" in [line["event"] for line in logs]
    assert (await zalo_account.channel.broadcasts.quota.counters[0].shared.read()).used == 1


async def test_on_the_ledger_items_that_name_each_other_are_both_broadcast(zalo_pipeline):
    one, two = together(["tin-b"], content_id="tin-a"), together(["tin-a"], content_id="tin-b")
    batches = [await zalo_pipeline.publish(one), await zalo_pipeline.publish(two)]
    for batch in batches:
        await zalo_pipeline.wake(batch)
    assert [await zalo_pipeline.finish(batch) for batch in batches] == [BOTH, BOTH]
    assert [len(sent.articles) for sent in zalo_pipeline.account.broadcasts] == [2, 2]
