"""A digest that the bounce monitor has stopped: how it continues, and how it ends."""

import pytest

from consumers.email import bounce_stops
from consumers.email.bounce_stops import BounceStop
from consumers.email.policy import EmailSendPolicy
from contracts.delivery import Status
from tests.support.digest_pipeline import DAY_S, SATURDAY, later


@pytest.fixture
async def digests(bus, digests):
    """Two items in a digest that is stopped before its mails leave."""
    digests.worker.policy = EmailSendPolicy(bus, digests.worker.semaphore, digests.clock)
    digests.directory.add("an", frequency="daily")
    stop = BounceStop(state="stopped", at=digests.clock(), mails=1000, failed=100)
    await bounce_stops.apply_verdict(bus, SATURDAY, stop)
    await digests.worker.policy.refresh()
    return digests


async def issue(pipeline, **changes) -> None:
    await pipeline.release_and_plan("tin-mot", **changes)
    await pipeline.release_and_plan("tin-hai")
    await pipeline.pass_days()


async def rest(pipeline, days: float = 1.0) -> None:
    await pipeline.deliver()
    pipeline.clock.advance(days * DAY_S)
    await pipeline.deliver()
    await pipeline.repeat_until_done(pipeline.run_service)
    await pipeline.deliver()


async def test_it_waits_however_long_until_a_person_lets_it_go_on(digests):
    await issue(digests)
    await rest(digests, days=20)
    assert await digests.status_counts(SATURDAY) == {Status.PENDING: 1}
    assert await bounce_stops.release_stop(digests.bus, SATURDAY, "Trần Thị Bình")
    await digests.worker.policy.refresh()
    await digests.deliver()
    assert digests.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


async def test_a_correction_of_an_item_in_it_issues_it_again_and_that_issue_leaves(digests):
    await issue(digests)
    await digests.deliver()
    await digests.release_and_plan("tin-mot", 2)
    await rest(digests, days=0.1)
    assert await digests.status_counts(SATURDAY) == {Status.SUPERSEDED: 1}
    assert digests.items("an") == [("tin-mot", 2), ("tin-hai", 1)]
    assert digests.mails("an") == [f"{SATURDAY.content_id}.2"]


async def test_so_does_the_end_of_an_item_in_it(digests):
    await issue(digests, expires_at=later(digests.clock, days=1.5))
    await rest(digests)
    assert digests.items("an") == [("tin-hai", 1)]


async def test_it_ends_when_each_of_its_items_is_withdrawn(digests):
    await issue(digests)
    await digests.deliver()
    for name in ("tin-mot", "tin-hai"):
        await digests.release_and_plan(name, 2, action="withdrawn")
    await rest(digests)
    assert await digests.status_counts(SATURDAY) == {Status.SUPERSEDED: 1}
    assert digests.items("an") == []
    assert await digests.violations() == []
