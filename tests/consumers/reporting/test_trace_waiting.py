"""`loa trace` says what an item waits for, and until when: its time, or an older text."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.digests.store import ItemDigests
from consumers.dispatch.supersede import Supersession
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.wakeups import Waker
from consumers.reporting.channel_state import breaker_problem
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.subscriptions.digest import DigestItem, Issue
from tests.support.events import ITEM, submitted, withdrawn

EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL
DIGEST = PlanKey(EMAIL, "digest-daily-2027-01-14", 1)


async def begun(news, channel=ZALO, revision=2):
    """The withdrawal's plan, still without recipients."""
    cursor = PlanCursor(created=news.clock())
    return await news.ledger.create_plan(PlanKey(channel, ITEM, revision), cursor)


async def waits(news):
    story = await news.read_trace()
    return [one for one in story.timeline if one.event == "waiting"]


@pytest.mark.parametrize(
    ("channel", "why"),
    [
        (ZALO, "an older call to Zalo may still have its effect"),
        (EMAIL, "an older mail may still arrive"),
    ],
)
async def test_a_withdrawal_that_waits_for_an_older_effect_says_so_as_long_as_it_does(
    bus, intake_harness, clock, channel, why
):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dd", channel=channel, settle_s=530.0)
    await intake_harness.take_in(withdrawn())
    assert await waits(intake_harness) == [], "nobody plans yet"
    await begun(intake_harness, channel)
    (told,) = await waits(intake_harness)
    assert (told.channel, told.detail) == (channel, f"waits until 08:09 UTC: {why}")
    assert told.model_dump(mode="json")["until"] == "2027-01-15T08:09:00Z"
    fence = Supersession(intake_harness.ledger, Waker(bus), clock)
    with pytest.raises(RetryLater) as later:
        await fence.require_settled([PlanKey(channel, ITEM, 1)])
    assert later.value.delay_s == 530.0, "planning waits by the same rule"
    clock.advance(530)
    assert await waits(intake_harness) == []
    await fence.require_settled([PlanKey(channel, ITEM, 1)])


async def test_an_older_revision_on_its_way_is_waited_for_without_a_time(intake_harness):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"ds", channel=ZALO, settle_s=60.0)
    await intake_harness.take_in(withdrawn())
    await begun(intake_harness)
    (told,) = await waits(intake_harness)
    assert told.detail == "waits: an older revision is still on its way"
    assert "until" not in told.model_dump(mode="json")


async def test_nothing_waits_on_the_portal_nor_where_the_newer_is_planned(intake_harness):
    await intake_harness.take_in(submitted())
    for channel in (PORTAL, ZALO):
        await intake_harness.add_plan(b"d", channel=channel, settle_s=500.0)
    await intake_harness.take_in(withdrawn())
    await begun(intake_harness, PORTAL)
    await intake_harness.add_plan(b"p", channel=ZALO, revision=2)
    assert await waits(intake_harness) == []


async def test_a_mail_waits_for_the_digest_that_had_the_older_text(bus, intake_harness, clock):
    await intake_harness.take_in(submitted())
    await intake_harness.take_in(withdrawn())
    at = datetime.fromtimestamp(clock(), UTC)
    issue = Issue(
        digest_id=DIGEST.content_id, revision=1, frequency="daily", after=0, upto=1,
        since=at - timedelta(days=1), at=at, due=at, issued=at,
        items=(DigestItem(content_id=ITEM, revision=1, seq=1),),
    )  # fmt: skip
    bucket = bus.bucket(subjects.DIGESTS.name)
    await bucket.put(f"issue.{DIGEST.content_id}.1", issue.model_dump_json().encode())
    places = ItemDigests(digests=(DIGEST.content_id,))
    await bucket.put(f"item.{ITEM}", places.model_dump_json().encode())
    await intake_harness.add_plan(b"d", item=DIGEST.content_id, settle_s=60.0)
    await begun(intake_harness, EMAIL)
    (told,) = await waits(intake_harness)
    assert told.detail == "waits until 08:01 UTC: an older mail may still arrive"


def test_a_broken_channel_is_explained_in_vietnamese_to_the_last_word():
    why = "no connection: Connection refused"
    open_ = Breaker(state=BreakerState.OPEN, since=1_800_000_000.0, reason=why)
    told = breaker_problem(EMAIL, open_)
    assert "Z: no connection: Connection refused; it goes on by itself" in told.message
    assert "Z: không kết nối được: bên kia từ chối kết nối; khắc phục xong" in told.message_vi


async def test_a_scheduled_item_says_until_when(intake_harness, clock):
    start = datetime.fromtimestamp(clock() + 3600, UTC)
    await intake_harness.take_in(submitted(not_before=start.isoformat()))
    story = await intake_harness.read_trace()
    (told,) = [one for one in story.timeline if one.event == "scheduled"]
    assert told.detail == "revision 1: not before 2027-01-15 09:00:00 UTC"
    assert (story.state, told.until) == ("scheduled", start)
    clock.advance(3601)
    story = await intake_harness.read_trace()
    assert story.state == "released"
    assert "scheduled" not in [one.event for one in story.timeline]
