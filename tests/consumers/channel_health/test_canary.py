"""Canaries: through the real queue and a real worker, noticed when they are not back, and no more.

Time stands still until a test moves it; the bus is real.
"""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from consumers.app.web.health import health_app
from consumers.channel_health import pauses
from consumers.channel_health.canary.settings import CanarySettings
from consumers.channel_health.canary.status import CANARY_OFF
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import CanaryKey, WakeUp
from consumers.operations.status import StatusReader
from contracts.delivery import Lane
from contracts.errors import explain
from tests.support.canary_harness import ACCEPTED, EMAIL, EVERY_S, GRACE_S, CanaryHarness


@pytest.mark.promise("10.1")
async def test_one_goes_the_real_way_every_quarter_of_an_hour(canary_harness):
    await canary_harness.send_round()
    assert (await canary_harness.status()).state == "waiting"
    [wake_up] = await canary_harness.pending_wake_ups()
    assert (wake_up.batch, wake_up.lane) == ("canary.email.1", Lane.URGENT)
    await canary_harness.work()
    assert (await canary_harness.status()).state == "ok"
    canary_harness.clock.advance(EVERY_S - 1)
    await canary_harness.send_round()
    assert await canary_harness.pending_wake_ups() == []
    canary_harness.clock.advance(1)
    await canary_harness.send_round()
    await canary_harness.work()
    assert [(one.number, one.target) for one in canary_harness.channel.probed] == [
        (1, "truc@example.com"),
        (2, "truc@example.com"),
    ]


async def test_one_that_nobody_takes_is_late_and_is_not_joined_by_others(canary_harness):
    await canary_harness.send_round()
    canary_harness.clock.advance(EVERY_S + GRACE_S)
    assert await canary_harness.send_round() == []
    canary_harness.clock.advance(1)
    [late] = await canary_harness.send_round()
    assert (late["event"], late["log_level"]) == ("canary_late", "warning")
    assert (late["channel"], late["why"]) == ("email", "nobody took it from the queue")
    assert late["since"]
    canary_harness.clock.advance(10)
    assert await canary_harness.send_round() == [], "once, and then as often as they are sent"
    canary_harness.clock.advance(EVERY_S)
    assert [one["event"] for one in await canary_harness.send_round()] == ["canary_late"]
    assert len(await canary_harness.pending_wake_ups()) == 1
    await canary_harness.work()
    assert [one["event"] for one in await canary_harness.send_round()] == ["canary_back"]
    assert await canary_harness.send_round() == []
    assert (await canary_harness.status()).state == "ok"


async def test_one_that_was_lost_on_the_way_is_followed_by_the_next(canary_harness):
    await canary_harness.send_round()
    await canary_harness.bus.connection.api_request("STREAM.PURGE.DELIVER")
    canary_harness.clock.advance(EVERY_S)
    await canary_harness.send_round()
    assert [one.batch for one in await canary_harness.pending_wake_ups()] == ["canary.email.2"]


async def test_what_the_channel_says_is_the_reason(canary_harness):
    canary_harness.channel.probe_outcome = Outcome(Verdict.HELD, "550 5.7.1")
    for _ in range(2):
        await canary_harness.send_round()
        await canary_harness.work()
        canary_harness.clock.advance(EVERY_S)
    [late] = await canary_harness.send_round()
    assert late["why"] == "the channel said: 550 5.7.1"
    canary_harness.channel.probe_outcome = ACCEPTED
    await canary_harness.work()
    assert [one["event"] for one in await canary_harness.send_round()] == ["canary_back"]


async def late_after_two(shaft: CanaryHarness) -> str:
    for _ in range(2):
        await shaft.send_round()
        await shaft.work()
        shaft.clock.advance(EVERY_S)
    return (await shaft.status()).why


async def test_a_channel_without_a_session_is_late_and_its_worker_lives(canary_harness):
    canary_harness.channel.down = Unreachable("no connection: refused")
    assert await late_after_two(canary_harness) == "the channel said: no connection: refused"


async def test_a_channel_that_never_answers_is_given_up(canary_harness):
    taker = canary_harness.new_worker()
    taker.timeout_s = 0.05
    canary_harness.pipeline.worker.try_canary = taker.handle

    async def for_ever(_canary):
        await canary_harness.bus.connection.closed.wait()

    canary_harness.channel.probe = for_ever
    assert (await late_after_two(canary_harness)).startswith("the channel said: no answer within")


async def test_a_doubled_one_is_tried_once(canary_harness):
    taker = canary_harness.new_worker()
    for _ in range(3):
        await taker.handle(CanaryKey(EMAIL, 7))
    await taker.handle(CanaryKey(EMAIL, 6))
    assert [one.number for one in canary_harness.channel.probed] == [7]


async def test_a_paused_channel_is_not_tried_and_raises_no_alarm(canary_harness):
    await canary_harness.send_round()
    await canary_harness.work()
    await pauses.pause(canary_harness.bus, EMAIL)
    for _ in range(5):
        canary_harness.clock.advance(EVERY_S)
        assert await canary_harness.send_round() == []
    assert (await canary_harness.status()).state == "paused"
    assert await canary_harness.pending_wake_ups() == []
    await pauses.resume(canary_harness.bus, EMAIL)
    assert await canary_harness.send_round() == [], "the time counts from now on"
    assert (await canary_harness.status()).state == "waiting"
    assert len(await canary_harness.pending_wake_ups()) == 1


async def test_a_worker_lets_canaries_of_a_paused_channel_go(canary_harness):
    await canary_harness.send_round()
    canary_harness.pipeline.worker.is_paused = lambda: True
    await canary_harness.work()
    assert canary_harness.channel.probed == []
    assert await canary_harness.pending_wake_ups() == []


async def test_a_sender_that_died_is_noticed_by_whoever_asks(canary_harness):
    await canary_harness.send_round()
    await canary_harness.work()
    canary_harness.clock.advance(EVERY_S + GRACE_S + 1)
    stands = await canary_harness.status()
    assert (stands.state, stands.why) == ("late", "none was sent: the service canary does not run")


@pytest.mark.parametrize("every_s", [60.0, 90_000.0])
async def test_after_a_change_of_the_interval_the_time_counts_anew(canary_harness, every_s):
    await canary_harness.send_round()
    await canary_harness.work()
    canary_harness.clock.advance(EVERY_S - 10)
    await canary_harness.send_round()
    canary_harness.clock.advance(9)
    canary_harness.sender = canary_harness.new_sender(
        CanarySettings(every_s=every_s, grace_s=10, channels="email")
    )
    assert await canary_harness.send_round() == [], (
        "it was well by the old measure, and has a new one"
    )
    assert (await canary_harness.status()).state == "waiting"
    canary_harness.clock.advance(every_s + 11)
    assert [one["event"] for one in await canary_harness.send_round()] == ["canary_late"]


async def test_a_sender_that_is_there_is_not_said_to_be_away(canary_harness):
    await canary_harness.send_round()
    await canary_harness.work()
    canary_harness.clock.advance(EVERY_S + GRACE_S + 1)
    [late] = await canary_harness.send_round()
    assert late["why"] == "none was sent in time"


async def test_two_senders_share_the_work(canary_harness):
    other = canary_harness.new_sender()
    for _ in range(3):
        await canary_harness.sender.send_due()
        await other.send_due()
        await canary_harness.work()
        canary_harness.clock.advance(EVERY_S)
    assert [one.number for one in canary_harness.channel.probed] == [1, 2, 3]


async def test_a_channel_that_is_not_tried_any_more_is_off(canary_harness):
    await canary_harness.send_round()
    await canary_harness.new_sender(CanarySettings(every_s=0)).run()
    assert await canary_harness.status() == CANARY_OFF


@pytest.mark.promise("10.2")
async def test_a_canary_leaves_no_trace_in_ledger_publications_and_counts(canary_harness):
    before = await StatusReader(
        canary_harness.bus, Ledger(canary_harness.bus), canary_harness.clock
    ).report()
    await canary_harness.send_round()
    await canary_harness.work()
    after = await StatusReader(
        canary_harness.bus, Ledger(canary_harness.bus), canary_harness.clock
    ).report()
    assert before.channels[EMAIL].lanes == after.channels[EMAIL].lanes
    assert (before.channels[EMAIL].canary, after.channels[EMAIL].canary.state) == (CANARY_OFF, "ok")
    for stream in ("KV_ledger", "PUBLICATIONS", "CONTENT", "RECEIPTS", "DEAD", "KV_publications"):
        assert (await canary_harness.bus.stream_info(stream))["state"]["messages"] == 0, stream
    assert canary_harness.channel.effects == {}


def test_a_quarter_of_an_hour_is_what_nobody_has_to_set():
    assert CanarySettings().every_s == timedelta(minutes=15).total_seconds()


@pytest.mark.promise("10.1")
async def test_readyz_shows_a_late_one_and_stays_ready():
    said = {"email": {"state": "late", "since": None, "why": "nobody took it from the queue"}}

    async def canaries():
        return said

    app = TestClient(health_app({}, canaries=canaries))
    answer = app.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "failing": {}, "canary": said}
    said["email"]["state"] = "ok"
    assert app.get("/readyz").json()["status"] == "ok"


async def test_readyz_names_what_fails_before_what_is_late():
    async def away():
        return "away"

    async def canaries():
        return {"email": {"state": "late"}}

    answer = TestClient(health_app({"bus": away}, canaries=canaries)).get("/readyz")
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
