"""The webhook watchdog: messages go out, and the webhook receives no event for a day."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from channels.zalo.factory import ChannelParts
from channels.zalo.settings import ZaloSettings
from channels.zalo.webhook.events import EventKind, ZaloEvent
from consumers.status.facts import FactsReader
from consumers.zalo.event_publisher import ZaloEventPublisher
from consumers.zalo.stores import BusKeyValueStore
from consumers.zalo.webhook_watchdog import WebhookWatchdog, silence_duration
from contracts import subjects

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
    lasts = silence_duration(ago(sent) if sent is not None else None, ago(heard), NOW, DAY)
    assert lasts == (timedelta(hours=hours) if hours else None)


async def tell(bus):
    event = ZaloEvent(kind=EventKind.FOLLOW, key="k", at=NOW, user_id="5")
    await ZaloEventPublisher(bus).publish(event)


async def test_it_is_said_once_and_again_after_another_day(bus, zalo_account, clock):
    """The bus dates its messages by its own clock, so ours is advanced from there."""
    rates = BusKeyValueStore(bus, subjects.CONTROL.name)
    app_id = zalo_account.sandbox.settings.app_id
    stores = replace(zalo_account.stores, shared=rates)
    quotas = ChannelParts(zalo_account.sandbox.settings, stores, timing=zalo_account.timing).quotas
    watch = WebhookWatchdog(bus, app_id, DAY, clock)
    info = await bus.stream_info(subjects.RECEIPTS.name)
    clock.now = datetime.fromisoformat(info["created"]).timestamp()

    async def said(hours: float) -> list[str]:
        clock.advance(hours * 3600)
        with structlog.testing.capture_logs() as logs:
            await watch.check()
        return [one["event"] for one in logs]

    assert await said(48) == [], "nothing went out"
    clock.advance(-48 * 3600)
    await quotas.articles.reserve()
    assert await said(23) == []
    assert await said(2) == ["zalo_webhook_silent"]
    assert await said(2) == []
    assert await said(23) == ["zalo_webhook_silent"]
    await tell(bus)
    assert await said(48) == [], "it speaks again, and nothing went out since"
    await quotas.broadcasts.reserve()
    assert await said(0) == ["zalo_webhook_silent"]
    settings = ZaloSettings(app_id=app_id)
    since = await FactsReader(bus, settings, clock).webhook_silent_since()
    assert since == await watch.last_event_at()
    mute = settings.model_copy(update={"silent_after_h": 0.0})
    assert await FactsReader(bus, mute, clock).webhook_silent_since() is None


async def test_without_a_limit_nobody_watches(bus, clock):
    await WebhookWatchdog(bus, "app", timedelta(0), clock).run()


async def test_the_last_event_is_known(bus):
    assert await ZaloEventPublisher(bus).last_event_at() is None
    await tell(bus)
    age = datetime.now(UTC) - await ZaloEventPublisher(bus).last_event_at()
    assert abs(age) < timedelta(minutes=1)
