"""Several articles in one broadcast: which of them stand in it, and how long it waits for them."""

from dataclasses import replace

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.broadcasts import LOOK_S, OTHERS_S
from consumers.audience import BROADCAST
from tests.builders import a_publication
from tests.zalo_house import BOTH, zalo_house
from tests.zalo_stage import a_correction, a_withdrawal, carried_through, staged

OTHERS = ["tin-b", "tin-c", "tin-d", "tin-e"]


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


def together(also=tuple(OTHERS), **changes):
    return a_publication(broadcast={"also": list(also)}, **changes)


async def out(stage, *ids: str) -> None:
    for id in ids:
        assert (await stage.send(a_publication(content_id=id))).verdict is Verdict.DELIVERED


def article_of(stage, id: str) -> str:
    return stage.notebook.note(id).article_id


async def test_up_to_five_articles_stand_in_one_broadcast_the_items_own_first(stage):
    await out(stage, *OTHERS)
    await stage.send(together())
    assert (await stage.send(together(), BROADCAST)).verdict is Verdict.DELIVERED
    [sent] = stage.broadcasts
    ids = ["lich-nghi-tet-2027", *OTHERS]
    assert sent.articles == [article_of(stage, id) for id in ids]


async def test_the_broadcast_waits_for_an_article_that_is_still_to_come(stage):
    await out(stage, "tin-b")
    item = together(["tin-b", "tin-c"])
    await stage.send(item)
    outcome = await stage.send(item, BROADCAST)
    assert (outcome.verdict, outcome.after_s) == (Verdict.HELD, LOOK_S)
    assert not outcome.asked
    stage.clock.advance(outcome.after_s)
    await out(stage, "tin-c")
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert stage.broadcasts[0].articles[1:] == [article_of(stage, id) for id in ("tin-b", "tin-c")]


async def test_it_does_not_wait_for_ever_and_says_what_it_goes_without(stage):
    await out(stage, "tin-b")
    item, begun = together(["tin-b", "tin-c"]), stage.clock()
    await stage.send(item)
    with structlog.testing.capture_logs() as logs:
        while (outcome := await stage.send(item, BROADCAST)).verdict is Verdict.HELD:
            stage.clock.advance(outcome.after_s)
            stage.start()
    assert outcome.verdict is Verdict.DELIVERED
    assert OTHERS_S <= stage.clock() - begun < OTHERS_S + LOOK_S
    assert len(stage.broadcasts[0].articles) == 2
    [line] = [line for line in logs if line["event"] == "zalo_broadcast_without"]
    assert line["missing"] == 1


async def test_a_withdrawn_item_is_not_waited_for(stage):
    await out(stage, "tin-b", "tin-c")
    await stage.send(a_withdrawal().model_copy(update={"content_id": "tin-c"}))
    item = together(["tin-b", "tin-c"])
    await stage.send(item)
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert len(stage.broadcasts[0].articles) == 2


@pytest.mark.parametrize(
    "other", [{"unit": "bao-chi"}, {"broadcast": {"enabled": False}}], ids=["unit", "quiet"]
)
async def test_nobody_is_told_of_an_article_against_its_own_unit_s_word(stage, other):
    """Another unit's, or one that asks for no broadcast: it is not waited for, and goes without."""
    await stage.send(a_publication(content_id="tin-b", **other))
    await out(stage, "tin-c")
    item = together(["tin-b", "tin-c"])
    await stage.send(item)
    with structlog.testing.capture_logs() as logs:
        assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    own, also = (article_of(stage, id) for id in ("lich-nghi-tet-2027", "tin-c"))
    assert stage.broadcasts[0].articles == [own, also]
    [line] = [line for line in logs if line["event"] == "zalo_broadcast_without"]
    assert line["missing"] == 1


async def test_a_correction_can_take_an_article_out_of_others_broadcasts_and_back_in(stage):
    await out(stage, "tin-b")
    for revision, enabled in ((2, False), (3, True)):
        newer = a_correction(revision, broadcast={"enabled": enabled})
        await stage.send(newer.model_copy(update={"content_id": "tin-b"}))
        item = together(["tin-b"], content_id=f"tin-{revision}")
        await stage.send(item)
        assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert [len(sent.articles) for sent in stage.broadcasts] == [1, 2]


async def test_an_article_of_which_no_unit_is_noted_does_not_ride_along(stage):
    """An older version wrote no unit down."""
    await out(stage, "tin-b")
    note = stage.notebook.note("tin-b")
    stage.notebook.pages["tin-b"] = replace(note, unit="").encode()
    item = together(["tin-b"])
    await stage.send(item)
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert len(stage.broadcasts[0].articles) == 1


async def test_an_older_text_of_another_item_is_good_enough(stage):
    await out(stage, "tin-b")
    stage.fault("article.update", "refuse", code=-248)
    newer = a_correction().model_copy(update={"content_id": "tin-b"})
    assert (await stage.send(newer)).verdict is Verdict.FAILED
    item = together(["tin-b"])
    await stage.send(item)
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert len(stage.broadcasts[0].articles) == 2


async def test_a_new_revision_has_its_own_patience(stage):
    item = together(["tin-b"])
    await stage.send(item)
    await stage.send(item, BROADCAST)
    stage.clock.advance(OTHERS_S + 1)
    newer = a_correction(broadcast={"also": ["tin-b"]})
    await stage.send(newer)
    assert (await stage.send(newer, BROADCAST)).verdict is Verdict.HELD


async def test_without_its_own_article_nothing_is_broadcast(stage):
    await out(stage, *OTHERS)
    assert (await stage.send(together(), BROADCAST)).verdict is Verdict.DEFERRED
    stage.fault("article.create", "refuse", code=-248)
    await stage.send(together())
    assert (await stage.send(together(), BROADCAST)).verdict is Verdict.FAILED
    assert stage.broadcasts == []


async def test_an_article_that_a_person_removed_keeps_nobody_from_the_others(stage):
    """Zalo refuses the broadcast as a whole: it surely did nothing."""
    await out(stage, "tin-b", "tin-c")
    stage.sandbox.world.record("article_removed", id=article_of(stage, "tin-b"))
    item = together(["tin-b", "tin-c"])
    await stage.send(item)
    with structlog.testing.capture_logs() as logs:
        assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert [sent.articles for sent in stage.broadcasts] == [
        [article_of(stage, "lich-nghi-tet-2027")]
    ]
    assert "zalo_broadcast_without" in [line["event"] for line in logs]
    assert await stage.channel.broadcasts.quota.used() == 1


async def test_on_the_ledger_items_that_name_each_other_are_both_broadcast(bus, tmp_path, clock):
    async with zalo_house(bus, tmp_path, clock) as house:
        one = a_publication(content_id="tin-a", broadcast={"also": ["tin-b"]})
        two = a_publication(content_id="tin-b", broadcast={"also": ["tin-a"]})
        batches = [await house.publish(one), await house.publish(two)]
        for batch in batches:
            await house.visit(batch)
        assert [await house.finish(batch) for batch in batches] == [BOTH, BOTH]
        assert [len(sent.articles) for sent in house.stage.broadcasts] == [2, 2]


def test_the_longest_wait_is_far_shorter_than_a_rows_patience():
    assert OTHERS_S < 3600


async def test_carried_through_trouble_it_is_still_one_broadcast(stage):
    await out(stage, "tin-b")
    item = together(["tin-b"])
    await stage.send(item)
    stage.fault("oa.getoa", "html_before", times=2)
    assert await carried_through(stage, item, BROADCAST) is Verdict.DELIVERED
    assert len(stage.broadcasts) == 1
