"""A relay that thinks long about each answer is given more of the connections that are free."""

import asyncio
from contextlib import suppress

import pytest

from consumers.deliver import spread
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore
from contracts.delivery import Lane, Status
from tests.support.email_pipeline import EmailPipeline, check_ledger
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.waiting import until

READERS = 60


class CrowdedRelay(SmtpReceiver):
    """Notes how many connections there were at once."""

    most_at_once = 0

    def scripted_action(self, stage, recipient):
        self.most_at_once = max(self.most_at_once, len(self.open))
        return super().scripted_action(stage, recipient)


@pytest.mark.parametrize(("delay_s", "connections"), [(0.03, 8), (0.0, 1)], ids=["slow", "fast"])
async def test_a_slow_relay_gets_as_many_connections_as_are_free(
    bus, tmp_path, delay_s, connections, monkeypatch
):
    monkeypatch.setattr(spread, "SLOW_ROW_S", 0.02 if delay_s else 60.0)
    async with CrowdedRelay(delay_s=delay_s) as relay:
        loa = EmailPipeline(bus, tmp_path, READERS, relay.port, connections=8)
        loa.worker.semaphore.capacity = 8
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: READERS}
        assert await check_ledger(loa, relay, plan) == await loa.copies(plan) == 0
    assert relay.most_at_once == connections
    assert not loa.worker.semaphore.running, "each permit was given back"


class SilentToLater(SmtpReceiver):
    """Greets one connection; a later one gets no word."""

    def scripted_action(self, stage, recipient):
        if stage == "greeting" and self.connected > 1:
            return ScriptedAction.SWALLOW
        return super().scripted_action(stage, recipient)


@pytest.mark.promise("5.5")
async def test_after_a_stop_no_further_part_is_begun(bus, tmp_path, monkeypatch):
    monkeypatch.setattr(spread, "SLOW_ROW_S", -1.0)
    script = {("end", 2): ScriptedAction.RECORD_SWALLOW}
    async with SilentToLater(script=script) as relay:
        loa = EmailPipeline(bus, tmp_path, 6, relay.port, connections=2, timeout_s=30.0)
        loa.worker.semaphore.capacity = 2
        plan = await loa.plan()
        sending = asyncio.create_task(loa.work(plan))
        await until(lambda: sum(one.silent for one in relay.open) == 2)
        loa.worker.is_stopping = True
        loa.worker.abort_sessions()
        with suppress(RetryLater):
            await asyncio.wait_for(sending, 20)
        rows = (await loa.rows(plan)).values()
        assert "".join(rows) == "ddPppp", "one is in doubt, and three are unsent"
        assert relay.connected == 2
        assert not loa.worker.semaphore.running


async def test_a_spare_permit_is_not_taken_from_a_lane_that_waits():
    lanes = LaneSemaphore(2)
    async with lanes.acquire(Lane.NORMAL), lanes.spare_permit(Lane.NORMAL) as spare:
        assert spare is not None
        async with lanes.spare_permit(Lane.NORMAL) as none:
            assert none is None
        waiting = asyncio.create_task(lanes.acquire(Lane.BULK).__aenter__())
        await asyncio.sleep(0)
        lanes.capacity = 4
        assert lanes.spare_capacity == 0, "the batch that waits comes first"
        waiting.cancel()
