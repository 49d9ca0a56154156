"""Zalo's template host and its host of articles fail one by one: each has a breaker of its own."""

import pytest

from channels.base import Outcome, Verdict
from consumers.channel_health import breaker_store
from consumers.channel_health.pauses import ChannelMonitor
from consumers.dispatch.supersede import Supersession
from consumers.ledger.wakeups import WakeUp
from consumers.status.reader import StatusReader
from contracts.delivery import BatchKey, Lane, PlanKey, Status
from tests.support.case_pipeline import ZALO, case_event
from tests.support.publications import a_publication
from tests.support.services import ReleasedPositions, new_audience, new_dispatcher

AWAY = Outcome(Verdict.HELD, "no connection", 30.0, channel_wide=True)
NOTICES = "zalo.notices"


async def an_article(loa) -> PlanKey:
    """A publication that is planned for Zalo."""
    released = ReleasedPositions()
    planner = new_dispatcher(
        loa.bus, new_audience(ZALO, None), released, loa.clock,
        channel=ZALO, ledger=loa.ledger, waker=loa.waker,
        supersession=Supersession(loa.ledger, loa.waker, loa.clock),
    )  # fmt: skip
    stored = await released.publish(loa.bus, a_publication())
    await planner.on_publication(stored)
    return PlanKey(ZALO, stored.publication.content_id, stored.publication.revision)


async def works_on(loa, plan: PlanKey) -> set[Status]:
    batch = BatchKey(*plan, 0)
    await loa.workers[ZALO].on_wake_up(WakeUp(batch=str(batch), lane=Lane.NORMAL))
    return set((await loa.ledger.state(batch)).value.count_by_status())


@pytest.fixture
async def broken_notices(case_pipeline):
    """Zalo, whose template host refuses every connection."""
    case_pipeline.set_outcome(ZALO, AWAY)
    for number in range(1, 5):
        await case_pipeline.accepted(case_event(id=f"e-{number}"))
    await case_pipeline.take_in()
    for number in range(1, 5):
        await case_pipeline.wake(ZALO, number)
    return case_pipeline


async def test_articles_go_on_while_the_template_host_is_away(broken_notices):
    loa = broken_notices
    assert await breaker_store.unavailable_circuits(loa.bus) == {NOTICES}
    loa.set_outcome(ZALO, Outcome(Verdict.DELIVERED))
    assert await works_on(loa, await an_article(loa)) == {Status.DELIVERED}
    assert await breaker_store.unavailable_circuits(loa.bus) == {NOTICES}, (
        "an article proves nothing"
    )
    loa.clock.advance(10)
    await loa.wake(ZALO, 4)
    assert await loa.status(ZALO, 4) == Status.DELIVERED
    assert not await breaker_store.unavailable_circuits(loa.bus)


async def test_status_and_readyz_say_that_only_notices_wait(broken_notices):
    loa = broken_notices
    status = (await StatusReader(loa.bus).report()).channels[ZALO]
    assert (status.breaker, status.breaker_part) == ("open", "notices")
    monitor = ChannelMonitor(loa.bus)
    await monitor.refresh()
    assert monitor.blocked_reasons() == {NOTICES: "breaker open: no connection"}
