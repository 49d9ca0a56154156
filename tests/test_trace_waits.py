"""`loa trace` says what an item waits for, and until when: its time, or an older text."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.breaker import Breaker, State
from consumers.digests.book import Places
from consumers.fence import Fence
from consumers.ledger.cursor import Cursor
from consumers.settle import Later
from consumers.waits import broken
from consumers.wake import Waker
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.digest import DigestItem, Issue
from tests.arrivals import ITEM, submitted, withdrawn
from tests.newsroom import Newsroom

EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL
DIGEST = PlanKey(EMAIL, "digest-daily-2027-01-14", 1)


@pytest.fixture
def news(bus, clock):
    return Newsroom(bus, clock)


async def begun(news, channel=ZALO, revision=2):
    """The withdrawal's plan, in which nobody stands yet."""
    cursor = Cursor(created=news.clock())
    return await news.ledger.create_plan(PlanKey(channel, ITEM, revision), cursor)


async def waits(news):
    story = await news.story()
    return [one for one in story.timeline if one.event == "waiting"]


@pytest.mark.parametrize(
    ("channel", "why"),
    [
        (ZALO, "an older call to Zalo may still have its effect"),
        (EMAIL, "an older mail may still arrive"),
    ],
)
async def test_a_withdrawal_that_waits_for_an_older_effect_says_so_as_long_as_it_does(
    bus, news, clock, channel, why
):
    await news.take(submitted())
    await news.plan(b"dd", channel=channel, settle_s=530.0)
    await news.take(withdrawn())
    assert await waits(news) == [], "nobody plans yet"
    await begun(news, channel)
    (told,) = await waits(news)
    assert (told.channel, told.detail) == (channel, f"waits until 08:09 UTC: {why}")
    assert told.model_dump(mode="json")["until"] == "2027-01-15T08:09:00Z"
    fence = Fence(news.ledger, Waker(bus), clock)
    with pytest.raises(Later) as later:
        await fence.quiet([PlanKey(channel, ITEM, 1)])
    assert later.value.delay_s == 530.0, "planning waits by the same rule"
    clock.advance(530)
    assert await waits(news) == []
    await fence.quiet([PlanKey(channel, ITEM, 1)])


async def test_an_older_revision_on_its_way_is_waited_for_without_a_time(news):
    await news.take(submitted())
    await news.plan(b"ds", channel=ZALO, settle_s=60.0)
    await news.take(withdrawn())
    await begun(news)
    (told,) = await waits(news)
    assert told.detail == "waits: an older revision is still on its way"
    assert "until" not in told.model_dump(mode="json")


async def test_nothing_waits_on_the_portal_nor_where_the_newer_is_planned(news):
    await news.take(submitted())
    for channel in (PORTAL, ZALO):
        await news.plan(b"d", channel=channel, settle_s=500.0)
    await news.take(withdrawn())
    await begun(news, PORTAL)
    await news.plan(b"p", channel=ZALO, revision=2)
    assert await waits(news) == []


async def test_a_mail_waits_for_the_digest_that_had_the_older_text(bus, news, clock):
    await news.take(submitted())
    await news.take(withdrawn())
    at = datetime.fromtimestamp(clock(), UTC)
    issue = Issue(
        digest_id=DIGEST.content_id, revision=1, frequency="daily", after=0, upto=1,
        since=at - timedelta(days=1), at=at, due=at, issued=at,
        items=(DigestItem(content_id=ITEM, revision=1, seq=1),),
    )  # fmt: skip
    bucket = bus.bucket(subjects.DIGESTS.name)
    await bucket.put(f"issue.{DIGEST.content_id}.1", issue.model_dump_json().encode())
    places = Places(digests=(DIGEST.content_id,))
    await bucket.put(f"item.{ITEM}", places.model_dump_json().encode())
    await news.plan(b"d", item=DIGEST.content_id, settle_s=60.0)
    await begun(news, EMAIL)
    (told,) = await waits(news)
    assert told.detail == "waits until 08:01 UTC: an older mail may still arrive"


def test_a_broken_channel_is_explained_in_vietnamese_to_the_last_word():
    open_ = Breaker(State.OPEN, since=1_800_000_000.0, reason="no connection: Connection refused")
    told = broken(EMAIL, open_)
    assert "Z: no connection: Connection refused; it goes on by itself" in told.message
    assert "Z: không kết nối được: bên kia từ chối kết nối; khắc phục xong" in told.message_vi


async def test_a_scheduled_item_says_until_when(news, clock):
    start = datetime.fromtimestamp(clock() + 3600, UTC)
    await news.take(submitted(not_before=start.isoformat()))
    story = await news.story()
    (told,) = [one for one in story.timeline if one.event == "scheduled"]
    assert told.detail == "revision 1: not before 2027-01-15 09:00:00 UTC"
    assert (story.state, told.until) == ("scheduled", start)
    clock.advance(3601)
    assert "scheduled" not in [one.event for one in (await news.story()).timeline]
