"""Planning on a real bus: who is to get what, when, and no reader planned twice."""

import asyncio
import math

import pytest

from channels.base import Outcome, Verdict
from consumers.dispatch import planner
from consumers.dispatch.planner import Planner
from consumers.ledger.cursor import MAX_BATCH_ROWS
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, PlanKey, Status
from tests.support.delivery_pipeline import EMAIL, wake_ups
from tests.support.publications import a_publication


async def test_planning_again_plans_nobody_twice(delivery_pipeline, bus):
    loa = delivery_pipeline(700)
    released = await loa.publish(a_publication())
    for _ in range(3):
        await loa.planner.on_publication(released)
    plan = PlanKey(EMAIL, released.publication.content_id, 1)
    assert (await loa.ledger.plan(plan)).value.planned == 700
    assert await wake_ups(bus) == 2, "the queue absorbs repeated wake-ups"


async def test_two_planners_at_once_plan_everybody_once(delivery_pipeline):
    loa = delivery_pipeline(2600)
    released = await loa.publish(a_publication())
    await asyncio.gather(*(loa.planner.on_publication(released) for _ in range(3)))
    plan = PlanKey(EMAIL, released.publication.content_id, 1)
    await loa.work_plan(plan)
    assert sorted(loa.provider.effects.values()) == [1] * 2600


@pytest.mark.parametrize(("longest_s", "sizes"), [(math.inf, [1, 2, 3]), (0.0, [1, 1, 1, 1, 1, 1])])
async def test_rows_that_are_long_read_are_stored_batch_by_batch(
    delivery_pipeline, monkeypatch, longest_s, sizes
):
    loa, stored, store = delivery_pipeline(3000), list[int](), Planner.store_chunk

    async def noted(self, plan, held, chunk, complete):
        stored.append(len(chunk) // MAX_BATCH_ROWS)
        return await store(self, plan, held, chunk, complete)

    monkeypatch.setattr(planner, "CHUNK_S", longest_s)
    monkeypatch.setattr(Planner, "store_chunk", noted)
    cursor = (await loa.ledger.plan(await loa.plan())).value
    assert (stored, cursor.count, cursor.planned) == (sizes, 6, 3000)


async def test_an_item_that_nobody_follows_is_planned_and_complete(delivery_pipeline):
    loa = delivery_pipeline(0)
    plan = await loa.plan()
    cursor = (await loa.ledger.plan(plan)).value
    assert (cursor.count, cursor.complete) == (0, True)


@pytest.mark.promise("3.7")
async def test_nothing_is_planned_before_its_time(delivery_pipeline):
    loa = delivery_pipeline()
    start = a_publication().released_at.replace(year=2028)
    released = await loa.publish(a_publication(not_before=start))
    with pytest.raises(RetryLater) as later:
        await loa.planner.on_publication(released)
    assert 0 < later.value.delay_s <= 600
    loa.clock.now = start.timestamp()
    await loa.planner.on_publication(released)
    assert (await loa.ledger.plan(PlanKey(EMAIL, "lich-nghi-tet-2027", 1))).value.complete


async def test_a_channel_that_is_not_named_plans_nothing(delivery_pipeline):
    loa = delivery_pipeline()
    plan = await loa.plan(channels=["portal"])
    assert await loa.ledger.plan(plan) is None


async def test_a_correction_waits_for_the_older_text_and_goes_to_all_who_got_it(delivery_pipeline):
    loa = delivery_pipeline(4)
    first = await loa.plan()
    answers = {
        "r000000": Outcome(Verdict.DELIVERED),
        "r000001": Outcome(Verdict.FAILED, "550 5.1.1"),
        "r000002": Outcome(Verdict.DOUBT),
    }
    slow = Outcome(Verdict.HELD, "slow", retry_after_s=600)
    loa.provider.answer = lambda row: answers.get(row.id, slow)
    loa.provider.known = lambda row: Outcome(Verdict.DOUBT, retry_after_s=900)
    with pytest.raises(RetryLater):
        await loa.work(first)
    await loa.work(first)
    loa.readers.ids = ["r000003", "r000009"]
    loa.clock.advance(0.5)
    corrected = a_publication(revision=2, action="corrected", corrects_revision=1)
    correction = await loa.publish(corrected)
    with pytest.raises(RetryLater):
        await loa.planner.on_publication(correction)
    ends = (Status.DELIVERED, Status.FAILED, Status.MAYBE_SENT, Status.SUPERSEDED)
    assert await loa.status_counts(first) == dict.fromkeys(ends, 1)
    loa.clock.advance(2)
    await loa.planner.on_publication(correction)
    rows = await loa.ledger.rows(BatchKey(*first._replace(revision=2), 0))
    assert rows.ids == ("r000000", "r000002", "r000003", "r000009")
    assert rows.corrections == {"r000000", "r000002"}


async def test_a_scheduled_text_is_not_sent_once_a_correction_drops_its_channel(delivery_pipeline):
    loa = delivery_pipeline(3)
    start = a_publication().released_at.replace(year=2028)
    first = await loa.publish(a_publication(not_before=start))
    with pytest.raises(RetryLater):
        await loa.planner.on_publication(first)
    await loa.plan(revision=2, action="corrected", corrects_revision=1, channels=["portal"])
    loa.clock.now = start.timestamp()
    await loa.planner.on_publication(first)
    assert (await loa.ledger.plan(PlanKey(EMAIL, "lich-nghi-tet-2027", 1))).value.planned == 0


async def test_a_withdrawal_goes_to_exactly_those_it_reached(delivery_pipeline):
    loa = delivery_pipeline(3)
    first = await loa.plan()
    loa.readers.left = {"r000001"}
    await loa.work(first)
    second = await loa.plan(revision=2, action="withdrawn", reason="Nhầm nội dung")
    assert (await loa.ledger.rows(BatchKey(*second, 0))).ids == ("r000000", "r000002")


async def test_a_correction_that_drops_the_channel_still_reaches_its_readers(delivery_pipeline):
    loa = delivery_pipeline(3)
    first = await loa.plan()
    await loa.work(first)
    loa.readers.ids.append("r000009")
    second = await loa.plan(
        revision=2, action="corrected", corrects_revision=1, channels=["portal"]
    )
    rows = await loa.ledger.rows(BatchKey(*second, 0))
    assert rows.ids == ("r000000", "r000001", "r000002")
    assert rows.corrections == set(rows.ids)


async def test_an_older_revision_that_comes_late_plans_nothing(delivery_pipeline):
    loa = delivery_pipeline(2)
    old = await loa.publish(a_publication())
    await loa.plan(revision=2, action="corrected", corrects_revision=1)
    await loa.planner.on_publication(old)
    cursor = (await loa.ledger.plan(PlanKey(EMAIL, "lich-nghi-tet-2027", 1))).value
    assert (cursor.halt, cursor.count) == ("v2", 0)
