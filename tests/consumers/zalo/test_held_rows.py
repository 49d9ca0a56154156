"""Rows that wait for a person at Zalo: tried at once when Zalo takes a row by the same call."""

import pytest

from channels.zalo.errors import OPERATOR_RETRY_S
from consumers.ledger import backoff
from consumers.status.reader import StatusReader
from consumers.zalo.held_rows import ZaloSendPolicy, held_reasons
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from tests.support.publications import a_publication
from tests.support.zalo_pipeline import BOTH, ROUNDS

ARTICLE, BROADCAST = "article.create", "oa.message"
QUEUE = subjects.deliver(ChannelName.ZALO, Lane.NORMAL)


@pytest.fixture
def pipeline(bus, zalo_pipeline):
    zalo_pipeline.worker.policy = ZaloSendPolicy(bus, zalo_pipeline.clock)
    return zalo_pipeline


async def refused(pipeline, item, *routes):
    """A publication of which Zalo refuses these calls: a person has to buy a package."""
    for route in routes:
        pipeline.account.fault(route, "refuse", code=-224, words="no package")
    batch = await pipeline.publish(a_publication(content_id=item))
    for _ in range(ROUNDS):
        if held_reasons(await pipeline.entry(batch)):
            return batch
        pipeline.clock.advance(min(await pipeline.wake(batch), 60.0))
    raise AssertionError("never refused")


async def next_try(pipeline, batch):
    """When the row that waits is tried again."""
    entry = await pipeline.entry(batch)
    [row] = held_reasons(entry)
    return entry.notes[row].due


async def waits(bus, pipeline):
    report = await StatusReader(bus, pipeline.clock).report(at_work=False)
    return [wait.reason for wait in report.channels[ChannelName.ZALO].waits]


@pytest.mark.parametrize("route", [ARTICLE, BROADCAST])
async def test_a_success_of_the_same_call_wakes_what_waited_and_ends_the_wait(bus, pipeline, route):
    held, began = await refused(pipeline, "tin-cho", route), pipeline.clock()
    assert await waits(bus, pipeline) == ["zalo -224"]
    other = await pipeline.publish(a_publication(content_id="tin-moi"))
    assert await pipeline.finish(other) == BOTH
    assert await next_try(pipeline, held) <= pipeline.clock()
    assert str(held) in (await bus.last_message(subjects.DELIVER.name, QUEUE)).data.decode()
    assert await pipeline.finish(held) == BOTH
    assert pipeline.clock() - began < OPERATOR_RETRY_S
    assert await waits(bus, pipeline) == []


@pytest.mark.parametrize("by_another", [True, False])
async def test_a_broadcast_follows_its_article_at_once_however_long_that_was_held(
    bus, pipeline, by_another
):
    held = await held_for_an_hour(pipeline)
    if by_another:
        await pipeline.finish(await pipeline.publish(a_publication(content_id="tin-moi")))
    delay_s = 0.0
    while not (await pipeline.entry(held)).progress:
        pipeline.clock.advance(delay_s)
        delay_s = await pipeline.wake(held)
    taken = pipeline.clock()
    assert await pipeline.finish(held) == BOTH
    assert pipeline.clock() - taken < backoff.BACKOFF_S[2]


async def held_for_an_hour(pipeline):
    """An item whose article Zalo refuses until the broadcast's next try is hours away."""
    faults, until = pipeline.account.sandbox.faults.planned, pipeline.clock() + 3600
    pipeline.account.fault(ARTICLE, "refuse", code=-224, words="no package", times=ROUNDS)
    batch = await pipeline.publish(a_publication(content_id="tin-cho"))
    while pipeline.clock() < until:
        pipeline.clock.advance(await pipeline.wake(batch))
    faults.clear()
    assert (await pipeline.entry(batch)).notes[1].due - pipeline.clock() > backoff.BACKOFF_S[4]
    return batch


async def test_an_article_that_is_taken_says_nothing_of_a_broadcast_that_is_refused(bus, pipeline):
    held = await refused(pipeline, "tin-cho", BROADCAST)
    due = await next_try(pipeline, held)
    other = await refused(pipeline, "tin-moi", BROADCAST)
    assert (await pipeline.row_statuses(other))["article"] == BOTH["article"]
    assert await next_try(pipeline, held) == due > pipeline.clock()


async def test_a_worker_that_starts_anew_looks_once_for_what_waits(bus, pipeline):
    held = await refused(pipeline, "tin-cho", ARTICLE)
    pipeline.worker.policy = ZaloSendPolicy(bus, pipeline.clock)
    await pipeline.finish(await pipeline.publish(a_publication(content_id="tin-moi")))
    assert await next_try(pipeline, held) <= pipeline.clock()
