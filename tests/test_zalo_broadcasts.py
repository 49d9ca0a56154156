"""The broadcast: one per item, only by day, only of a live article, never repeated by itself."""

from datetime import datetime

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.hours import VIETNAM, local
from channels.zalo.pace import SETTLE_S
from tests.builders import a_publication
from tests.zalo_stage import (
    ARTICLE,
    BROADCAST,
    a_correction,
    a_withdrawal,
    carried_through,
    staged,
)

LOST = [
    "drop_before",
    "hang_before",
    "html_before",
    "drop_after",
    "hang_after",
    "html_after",
    "truncate_after",
    "empty_after",
    "error_after",
]
SURELY_NOT = ("drop_before", "hang_before", "html_before")


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


def night(stage, hour: int, minute: int = 0) -> None:
    at = datetime(2027, 1, 15, hour, minute, tzinfo=VIETNAM).timestamp()
    stage.sandbox.clock.set(at)


async def test_an_article_and_one_broadcast_of_it_reach_the_followers(stage):
    assert (await stage.send(a_publication(), ARTICLE)).verdict is Verdict.DELIVERED
    assert (await stage.send(a_publication(), BROADCAST)).verdict is Verdict.DELIVERED
    [sent] = stage.broadcasts
    assert sent.articles == [stage.visible[0].id]


async def test_the_broadcast_goes_to_every_follower(stage):
    await stage.send(a_publication(), ARTICLE)
    await stage.send(a_publication(), BROADCAST)
    facts = stage.sandbox.world.journal.facts()
    assert next(f for f in facts if f["kind"] == "broadcast_sent")["target"] == {}


async def test_the_broadcast_waits_for_the_article(stage):
    outcome = await stage.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.DEFERRED
    assert outcome.after_s > 10
    assert stage.broadcasts == []


async def test_the_broadcast_waits_for_its_own_revision(stage):
    await stage.send(a_publication(), ARTICLE)
    assert (await stage.send(a_correction(), BROADCAST)).verdict is Verdict.DEFERRED
    await stage.send(a_correction(), ARTICLE)
    assert (await stage.send(a_correction(), BROADCAST)).verdict is Verdict.DELIVERED


async def test_a_refused_article_fails_its_broadcast(stage):
    stage.fault("article.create", "refuse", code=-248)
    await stage.send(a_publication(), ARTICLE)
    assert (await stage.send(a_publication(), BROADCAST)).verdict is Verdict.FAILED
    assert stage.broadcasts == []


async def test_a_withdrawn_article_is_not_broadcast(stage):
    await stage.send(a_publication(), ARTICLE)
    await stage.send(a_withdrawal(), ARTICLE)
    assert (await stage.send(a_publication(), BROADCAST)).verdict is Verdict.SUPPRESSED
    assert (await stage.send(a_withdrawal(), BROADCAST)).verdict is Verdict.SUPPRESSED
    assert stage.broadcasts == []


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_answer_is_a_doubt_that_only_a_person_ends(stage, kind):
    await stage.send(a_publication(), ARTICLE)
    stage.fault("oa.message", kind, delay_s=0.2)
    assert (await stage.send(a_publication(), BROADCAST)).verdict is Verdict.DOUBT
    stage.clock.advance(SETTLE_S)
    assert (await stage.resolve(a_publication(), BROADCAST)).verdict is Verdict.UNKNOWN
    assert len(stage.broadcasts) == (0 if kind in SURELY_NOT else 1)


async def test_a_success_without_a_message_id_is_a_doubt(stage, monkeypatch):
    await stage.send(a_publication(), ARTICLE)
    transport = stage.channel.api.transport
    original = transport.exchange

    async def without_id(request):
        reply = await original(request)
        if not request.url.endswith("/oa/message"):
            return reply
        return type(reply)(200, reply.headers, b'{"error":0,"message":"Success","data":{}}')

    monkeypatch.setattr(transport, "exchange", without_id)
    assert (await stage.send(a_publication(), BROADCAST)).verdict is Verdict.DOUBT


@pytest.mark.parametrize(("hour", "minute"), [(21, 59), (22, 0), (23, 30), (0, 0), (5, 59)])
async def test_at_night_nothing_is_called_and_the_row_is_held_until_morning(stage, hour, minute):
    await stage.send(a_publication(), ARTICLE)
    night(stage, hour, minute)
    stage.clock.advance(61)
    night(stage, hour, minute)
    stage.fault("oa.message", "refuse", code=-99999, times=9)
    outcome = await stage.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.HELD
    release = local(stage.sandbox.clock() + outcome.after_s)
    assert f"{release:%H:%M}" == "06:10"
    assert outcome.after_s <= 8.25 * 3600


async def test_the_hours_are_judged_by_zalos_clock_even_when_ours_is_wrong(stage):
    await stage.send(a_publication(), ARTICLE)
    stage.clock.advance(12 * 3600)
    stage.sandbox.world.tokens.expires = 1e12
    night(stage, 12)
    assert local(stage.clock.now).hour == 0
    stage.start()
    assert (await stage.send(a_publication(), BROADCAST)).verdict is Verdict.DELIVERED


async def test_zalos_time_is_asked_for_when_it_was_not_told_lately(stage):
    await stage.send(a_publication(), ARTICLE)
    stage.start()
    stage.fault("oa.getoa", "html_before", times=9)
    outcome = await stage.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.HELD
    assert stage.broadcasts == []


async def test_a_virtual_week_never_calls_at_night(stage):
    """Held rows come back in the morning, spread, and leave at once."""
    released = []
    for day in range(7):
        item = a_publication(content_id=f"tin-{day}")
        stage.sandbox.world.tokens.expires = 1e12
        await stage.send(item, ARTICLE)
        stage.clock.now = datetime(2027, 1, 15 + day, 22 + day % 2, 30, tzinfo=VIETNAM).timestamp()
        held = await stage.send(item, BROADCAST)
        assert held.verdict is Verdict.HELD
        stage.clock.advance(held.after_s)
        assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
        released.append(f"{local(stage.broadcasts[-1].at):%H:%M}")
    assert released == ["06:10"] * 7


async def test_zalos_own_night_rule_holds_the_row_too(stage):
    await stage.send(a_publication(), ARTICLE)
    stage.fault("oa.message", "refuse", code=-234, words="cannot be sent at night")
    outcome = await stage.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.HELD
    assert outcome.after_s > 3600


async def test_an_exhausted_quota_holds_the_row_until_the_next_day(stage):
    await stage.send(a_publication(), ARTICLE)
    stage.rules(broadcast_quota=0)
    outcome = await stage.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.HELD
    assert local(stage.clock.now + outcome.after_s).day == local(stage.clock.now).day + 1
    assert stage.broadcasts == []


async def test_the_rate_limit_holds_the_row_until_the_next_minute(stage):
    await stage.send(a_publication(), ARTICLE)
    stage.fault("oa.message", "refuse", code=-32, words="Your application reached limit call api")
    outcome = await stage.send(a_publication(), BROADCAST)
    assert outcome.verdict is Verdict.HELD
    assert outcome.after_s <= 65
    stage.clock.advance(outcome.after_s)
    assert (await stage.send(a_publication(), BROADCAST)).verdict is Verdict.DELIVERED
    assert len(stage.broadcasts) == 1


async def test_zalos_remaining_calls_are_respected(stage):
    stage.rules(per_minute=3)
    assert (await stage.send(a_publication(), ARTICLE)).verdict is Verdict.HELD
    assert stage.sandbox.world.remaining() == 0
    assert await carried_through(stage, a_publication(), ARTICLE) is Verdict.DELIVERED
    assert len(stage.articles) == 1


async def test_nothing_is_broadcast_after_the_deadline(stage):
    await stage.send(a_publication(), ARTICLE)
    asked = []

    def second_time() -> bool:
        asked.append(1)
        return len(asked) > 1

    outcome = await stage.send(a_publication(), BROADCAST, expired=second_time)
    assert outcome.verdict is Verdict.UNSENT
    assert stage.broadcasts == []


async def test_logs_name_the_message_but_not_the_text(stage):
    with structlog.testing.capture_logs() as logs:
        await stage.send(a_publication(), ARTICLE)
        await stage.send(a_publication(), BROADCAST)
    assert [line["event"] for line in logs] == [
        "zalo_article_created",
        "zalo_article_shown",
        "zalo_broadcast_sent",
    ]
    assert "Nguyên đán" not in str(logs)
