"""Canaries: through the real queue and a real worker, noticed when they are not back, and no more.

Time moves only when a test moves it; the bus is real.
"""

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from consumers.app.web.health import health_app
from consumers.channel_health import pauses
from consumers.channel_health.canary.settings import CanarySettings
from consumers.channel_health.canary.status import CANARY_OFF, RETRY_S
from consumers.ledger.wakeups import CanaryKey, WakeUp
from consumers.status.reader import StatusReader
from contracts.delivery import Lane
from contracts.errors import explain
from tests.support.canary_harness import ACCEPTED, EMAIL, EVERY_S, GRACE_S, CanaryHarness


@pytest.mark.promise("10.1")
async def test_one_goes_the_real_way_every_quarter_of_an_hour(canaries):
    await canaries.send_round()
    assert (await canaries.status()).state == "waiting"
    [wake_up] = await canaries.pending_wake_ups()
    assert (wake_up.batch, wake_up.lane) == ("canary.email.1", Lane.URGENT)
    await canaries.work()
    assert (await canaries.status()).state == "ok"
    canaries.clock.advance(EVERY_S - 1)
    await canaries.send_round()
    assert await canaries.pending_wake_ups() == []
    canaries.clock.advance(1)
    await canaries.round_trips()
    assert [(one.number, one.target) for one in canaries.channel.probed] == [
        (1, "truc@example.com"),
        (2, "truc@example.com"),
    ]


async def test_one_that_nobody_takes_is_late_and_is_not_joined_by_others(canaries):
    await canaries.send_round()
    canaries.clock.advance(EVERY_S + GRACE_S)
    assert await canaries.send_round() == []
    canaries.clock.advance(1)
    [late] = await canaries.send_round()
    assert (late["event"], late["log_level"]) == ("canary_late", "warning")
    assert (late["channel"], late["why"]) == ("email", "nobody took it from the queue")
    assert late["since"]
    canaries.clock.advance(10)
    assert await canaries.send_round() == [], "once, and then as often as they are sent"
    canaries.clock.advance(EVERY_S)
    assert [one["event"] for one in await canaries.send_round()] == ["canary_late"]
    assert len(await canaries.pending_wake_ups()) == 1
    await canaries.work()
    assert [one["event"] for one in await canaries.send_round()] == ["canary_back"]
    assert await canaries.send_round() == []
    assert (await canaries.status()).state == "ok"


async def test_one_that_was_lost_on_the_way_is_followed_by_the_next(canaries):
    await canaries.send_round()
    await canaries.bus.connection.api_request("STREAM.PURGE.DELIVER")
    canaries.clock.advance(EVERY_S)
    await canaries.send_round()
    assert [one.batch for one in await canaries.pending_wake_ups()] == ["canary.email.2"]


async def test_what_the_channel_says_is_the_reason(canaries):
    canaries.channel.probe_outcome = Outcome(Verdict.HELD, "550 5.7.1")
    await canaries.round_trips(2)
    [late] = await canaries.send_round()
    assert late["why"] == "the channel said: 550 5.7.1"
    canaries.channel.probe_outcome = ACCEPTED
    await canaries.work()
    assert [one["event"] for one in await canaries.send_round()] == ["canary_back"]


async def test_one_that_failed_is_told_and_followed_after_a_minute(canaries):
    await canaries.round_trips()
    canaries.clock.advance(EVERY_S)
    canaries.channel.probe_outcome = Outcome(Verdict.HELD, "no connection")
    await canaries.round_trips()
    status = await canaries.status()
    assert (status.state, status.why) == ("ok", "the channel said: no connection")
    canaries.channel.probe_outcome = ACCEPTED
    canaries.clock.advance(RETRY_S - 1)
    assert status.next_at.timestamp() == canaries.clock() + 1
    await canaries.send_round()
    assert await canaries.pending_wake_ups() == []
    canaries.clock.advance(1)
    await canaries.round_trips()
    status = await canaries.status()
    assert (status.state, status.why) == ("ok", "")


async def test_a_channel_that_works_again_is_no_longer_late_after_a_minute(canaries):
    canaries.channel.probe_outcome = Outcome(Verdict.HELD, "no connection")
    await canaries.round_trips(2)
    await canaries.round_trips()
    assert (await canaries.status()).state == "late"
    canaries.channel.probe_outcome = ACCEPTED
    canaries.clock.advance(RETRY_S)
    await canaries.round_trips()
    assert (await canaries.status()).state == "ok"


async def late_after_two(shaft: CanaryHarness) -> str:
    await shaft.round_trips(2)
    return (await shaft.status()).why


async def test_a_channel_without_a_session_is_late_and_its_worker_lives(canaries):
    canaries.channel.down = Unreachable("no connection: refused")
    assert await late_after_two(canaries) == "the channel said: no connection: refused"


async def test_a_channel_that_never_answers_is_given_up(canaries):
    taker = canaries.new_worker()
    taker.timeout_s = 0.05
    canaries.pipeline.worker.try_canary = taker.handle

    async def for_ever(_canary):
        await canaries.bus.connection.closed.wait()

    canaries.channel.probe = for_ever
    assert (await late_after_two(canaries)).startswith("the channel said: no answer within")


async def test_a_doubled_one_is_tried_once(canaries):
    taker = canaries.new_worker()
    for _ in range(3):
        await taker.handle(CanaryKey(EMAIL, 7))
    await taker.handle(CanaryKey(EMAIL, 6))
    assert [one.number for one in canaries.channel.probed] == [7]


async def test_a_paused_channel_is_not_tried_and_raises_no_alarm(canaries):
    await canaries.round_trips()
    await pauses.pause(canaries.bus, EMAIL)
    for _ in range(5):
        canaries.clock.advance(EVERY_S)
        assert await canaries.send_round() == []
    assert (await canaries.status()).state == "paused"
    assert await canaries.pending_wake_ups() == []
    await pauses.resume(canaries.bus, EMAIL)
    assert await canaries.send_round() == [], "the time counts from now on"
    assert (await canaries.status()).state == "waiting"
    assert len(await canaries.pending_wake_ups()) == 1


async def test_a_worker_lets_canaries_of_a_paused_channel_go(canaries):
    await canaries.send_round()
    canaries.pipeline.worker.is_paused = lambda: True
    await canaries.work()
    assert canaries.channel.probed == []
    assert await canaries.pending_wake_ups() == []


@pytest.mark.parametrize("every_s", [60.0, 90_000.0])
async def test_after_a_change_of_the_interval_the_time_counts_anew(canaries, every_s):
    await canaries.round_trips()
    canaries.clock.advance(EVERY_S - 10)
    await canaries.send_round()
    canaries.clock.advance(9)
    changed = CanarySettings(every_s=every_s, grace_s=10, channels="email")
    canaries.sender = canaries.new_sender(changed)
    assert await canaries.send_round() == [], "it was well by the old measure, and has a new one"
    assert (await canaries.status()).state == "waiting"
    canaries.clock.advance(every_s + 11)
    assert [one["event"] for one in await canaries.send_round()] == ["canary_late"]


async def test_a_dead_sender_is_noticed_by_whoever_asks_and_a_live_one_is_not_away(canaries):
    await canaries.round_trips()
    canaries.clock.advance(EVERY_S + GRACE_S + 1)
    stands = await canaries.status()
    assert (stands.state, stands.why) == ("late", "none was sent: the service canary does not run")
    [late] = await canaries.send_round()
    assert late["why"] == "none was sent in time"


async def test_two_senders_share_the_work(canaries):
    other = canaries.new_sender()
    for _ in range(3):
        await canaries.sender.send_due()
        await other.send_due()
        await canaries.work()
        canaries.clock.advance(EVERY_S)
    assert [one.number for one in canaries.channel.probed] == [1, 2, 3]


async def test_a_channel_that_is_not_tried_any_more_is_off(canaries):
    await canaries.send_round()
    await canaries.new_sender(CanarySettings(every_s=0)).run()
    assert await canaries.status() == CANARY_OFF


@pytest.mark.promise("10.2")
async def test_a_canary_leaves_no_trace_in_ledger_publications_and_counts(canaries):
    bus = canaries.bus
    status = StatusReader(bus, canaries.clock)
    before = await status.report()
    await canaries.round_trips()
    after = await status.report()
    assert before.channels[EMAIL].lanes == after.channels[EMAIL].lanes
    assert (before.channels[EMAIL].canary, after.channels[EMAIL].canary.state) == (CANARY_OFF, "ok")
    for stream in ("KV_ledger", "PUBLICATIONS", "CONTENT", "RECEIPTS", "DEAD", "KV_publications"):
        assert (await bus.stream_info(stream))["state"]["messages"] == 0, stream
    assert canaries.channel.effects == {}


@pytest.mark.promise("10.1")
async def test_readyz_shows_a_late_one_and_stays_ready():
    said = {"email": {"state": "late", "since": None, "why": "nobody took it from the queue"}}

    async def late():
        return said

    app = TestClient(health_app({}, canaries=late))
    answer = app.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "failing": {}, "canary": said}
    said["email"]["state"] = "ok"
    assert app.get("/readyz").json()["status"] == "ok"


async def test_readyz_names_what_fails_before_what_is_late_or_stands():
    async def away():
        return "away"

    async def late():
        return {"email": {"state": "late"}}

    app = health_app({"bus": away}, lambda: {"email": "breaker open: x"}, canaries=late)
    answer = TestClient(app).get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")


@pytest.mark.parametrize(
    "wrong", [{"email": "hai người@x"}, {"channels": "fax"}, {"every_s": -1}, {"grace_s": -1}]
)
def test_settings_that_can_not_be_meant_are_refused(wrong):
    with pytest.raises(ValueError):
        CanarySettings(**wrong)


@pytest.mark.parametrize(
    "text", ["canary.fax.1", "canary.email", "canary.email.x", "x", "email.tin.1", "email.tin.x.0"]
)
def test_a_wake_up_that_names_nothing_is_refused_by_field(text):
    with pytest.raises(ValidationError) as caught:
        WakeUp.model_validate({"batch": text, "lane": "urgent"})
    assert [error.field for error in explain(caught.value)] == ["batch"]
