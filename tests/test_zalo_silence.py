"""Zalo has fallen silent: messages go out, and the webhook hears nothing for a day."""

from datetime import UTC, datetime, timedelta

import pytest
import structlog

from channels.zalo import connect
from channels.zalo.connect import Stores
from channels.zalo.events import EventKind, ZaloEvent
from consumers.vault import BusNotebook, BusVault
from consumers.zalo.hearing import Hearing
from consumers.zalo.silence import SilenceWatch, silent
from contracts import subjects
from tests.zalo_stage import staged

NOW = datetime(2027, 1, 15, 5, tzinfo=UTC)
DAY = timedelta(hours=24)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("sent", "heard", "hours"),
    [
        (None, 1000, None),
        (1, 0.5, None),
        (1, 23.9, None),
        (1, 24, 24),
        (23, 30, 30),
        (31, 30, None),
        (400, 500, 500),
    ],
)
def test_silence_is_too_long_only_if_something_went_out_since_the_last_event(sent, heard, hours):
    lasts = silent(ago(sent) if sent is not None else None, ago(heard), NOW, DAY)
    assert lasts == (timedelta(hours=hours) if hours else None)


async def tell(bus):
    event = ZaloEvent(kind=EventKind.FOLLOW, key="k", at=NOW, user_id="5")
    await Hearing(bus).store(event)


async def test_it_is_said_once_and_again_after_another_day(bus, tmp_path, clock):
    """The bus dates what it holds by its own clock, so ours is moved on from there."""
    async with staged(tmp_path, clock) as stage:
        rates = BusVault(bus, subjects.CONTROL.name)
        app_id = stage.sandbox.settings.app_id
        stores = Stores(stage.vault, BusNotebook(bus, app_id), stage.key, rates)
        stage.elsewhere = stores
        api = stage.start().api
        quotas = connect.open_quotas(stage.sandbox.settings, stores, api, stage.pace)
        watch = SilenceWatch(bus, app_id, DAY, clock)
        info = await bus.stream_info(subjects.RECEIPTS.name)
        clock.now = datetime.fromisoformat(info["created"]).timestamp()

        async def said(hours: float) -> list[str]:
            clock.advance(hours * 3600)
            with structlog.testing.capture_logs() as logs:
                await watch.look()
            return [one["event"] for one in logs]

        assert await said(48) == [], "nothing went out"
        clock.advance(-48 * 3600)
        await quotas.articles.spend()
        assert await said(23) == []
        assert await said(2) == ["zalo_webhook_silent"]
        assert await said(2) == []
        assert await said(23) == ["zalo_webhook_silent"]
        await tell(bus)
        assert await said(48) == [], "it speaks again, and nothing went out since"
        await quotas.broadcasts.spend()
        assert await said(0) == ["zalo_webhook_silent"]


async def test_without_a_limit_nobody_watches(bus, clock):
    await SilenceWatch(bus, "app", timedelta(0), clock).run()


async def test_the_last_event_is_known(bus):
    assert await Hearing(bus).last_at() is None
    await tell(bus)
    assert abs(await Hearing(bus).last_at() - datetime.now(UTC)) < timedelta(minutes=1)
