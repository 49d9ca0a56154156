"""A digest that the bounce monitor has stopped: how it continues, and how it ends."""

import pytest

from consumers.email import bounce_stops
from consumers.email.bounce_stops import BounceStop
from consumers.email.policy import EmailSendPolicy
from contracts.delivery import PlanKey, Status
from tests.support.digest_pipeline import DAY_S, EMAIL, DigestPipeline, later

DIGEST = PlanKey(EMAIL, "digest-daily-2027-01-16", 1)
AGAIN = DIGEST._replace(revision=2)


@pytest.fixture
async def digest_pipeline(bus, tmp_path):
    """Two items in a digest that is stopped before its mails leave."""
    press = DigestPipeline(bus, tmp_path)
    press.worker.policy = EmailSendPolicy(bus, press.worker.semaphore, press.clock)
    await press.run_service()  # the first window begins
    press.directory.add("an", frequency="daily")
    stop = BounceStop(state="stopped", at=press.clock(), mails=1000, failed=100)
    await bounce_stops.apply_verdict(bus, DIGEST, stop)
    await press.worker.policy.refresh()
    yield press
    press.directory.store.close()


async def issue(press, **changes) -> None:
    await press.release_and_plan("tin-mot", **changes)
    await press.release_and_plan("tin-hai")
    await press.pass_days()


async def rest(press, days: float = 1.0) -> None:
    await press.deliver()
    press.clock.advance(days * DAY_S)
    await press.deliver()
    await press.repeat_until_done(press.run_service)
    await press.deliver()


async def test_it_waits_however_long_until_a_person_lets_it_go_on(digest_pipeline):
    await issue(digest_pipeline)
    await rest(digest_pipeline, days=20)
    assert await digest_pipeline.status_counts(DIGEST) == {Status.PENDING: 1}
    assert await bounce_stops.release_stop(digest_pipeline.bus, DIGEST, "Trần Thị Bình")
    await digest_pipeline.worker.policy.refresh()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


async def test_a_correction_of_an_item_in_it_issues_it_again_and_that_issue_leaves(digest_pipeline):
    await issue(digest_pipeline)
    await digest_pipeline.deliver()
    await digest_pipeline.release_and_plan("tin-mot", 2)
    await rest(digest_pipeline, days=0.1)
    assert await digest_pipeline.status_counts(DIGEST) == {Status.SUPERSEDED: 1}
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 2), ("tin-hai", 1)]
    assert digest_pipeline.recorder.mails("an") == [f"{AGAIN.content_id}.2"]


async def test_so_does_the_end_of_an_item_in_it(digest_pipeline):
    await issue(digest_pipeline, expires_at=later(digest_pipeline.clock, days=1.5))
    await rest(digest_pipeline)
    assert digest_pipeline.recorder.items("an") == [("tin-hai", 1)]


async def test_it_ends_when_each_of_its_items_is_withdrawn(digest_pipeline):
    await issue(digest_pipeline)
    await digest_pipeline.deliver()
    for name in ("tin-mot", "tin-hai"):
        await digest_pipeline.release_and_plan(name, 2, action="withdrawn")
    await rest(digest_pipeline)
    assert await digest_pipeline.status_counts(DIGEST) == {Status.SUPERSEDED: 1}
    assert digest_pipeline.recorder.items("an") == []
    assert await digest_pipeline.violations() == []
