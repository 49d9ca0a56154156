"""Canaries: through the real queue and a real worker, noticed when they are not back, and no more.

Time stands still until a test moves it; the bus is real.
"""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from consumers import control
from consumers.app.web import health
from consumers.canary.settings import CanarySettings
from consumers.canary.standing import OFF
from consumers.ledger.store import Ledger
from consumers.status import Status
from consumers.wake import CanaryKey, WakeUp
from contracts.delivery import Lane
from contracts.errors import explain
from tests.canary_shaft import EMAIL, EVERY_S, GRACE_S, TAKEN, Shaft


@pytest.fixture
def shaft(bus, tmp_path):
    return Shaft(bus, tmp_path)


async def test_one_goes_the_real_way_every_quarter_of_an_hour(shaft):
    await shaft.round()
    assert (await shaft.stands()).state == "waiting"
    [wake_up] = await shaft.waiting()
    assert (wake_up.batch, wake_up.lane) == ("canary.email.1", Lane.URGENT)
    await shaft.take()
    assert (await shaft.stands()).state == "ok"
    shaft.clock.forward(EVERY_S - 1)
    await shaft.round()
    assert await shaft.waiting() == []
    shaft.clock.forward(1)
    await shaft.round()
    await shaft.take()
    assert [(one.number, one.target) for one in shaft.way.tried] == [
        (1, "truc@example.com"),
        (2, "truc@example.com"),
    ]


async def test_one_that_nobody_takes_is_late_and_is_not_joined_by_others(shaft):
    await shaft.round()
    shaft.clock.forward(EVERY_S + GRACE_S)
    assert await shaft.round() == []
    shaft.clock.forward(1)
    [late] = await shaft.round()
    assert (late["event"], late["log_level"]) == ("canary_late", "warning")
    assert (late["channel"], late["why"]) == ("email", "nobody took it from the queue")
    assert late["since"]
    shaft.clock.forward(10)
    assert await shaft.round() == [], "once, and then as often as they are sent"
    shaft.clock.forward(EVERY_S)
    assert [one["event"] for one in await shaft.round()] == ["canary_late"]
    assert len(await shaft.waiting()) == 1
    await shaft.take()
    assert [one["event"] for one in await shaft.round()] == ["canary_back"]
    assert await shaft.round() == []
    assert (await shaft.stands()).state == "ok"


async def test_one_that_was_lost_on_the_way_is_followed_by_the_next(shaft):
    await shaft.round()
    await shaft.bus.link.api("STREAM.PURGE.DELIVER")
    shaft.clock.forward(EVERY_S)
    await shaft.round()
    assert [one.batch for one in await shaft.waiting()] == ["canary.email.2"]


async def test_what_the_channel_says_is_the_reason(shaft):
    shaft.way.says = Outcome(Verdict.HELD, "550 5.7.1")
    for _ in range(2):
        await shaft.round()
        await shaft.take()
        shaft.clock.forward(EVERY_S)
    [late] = await shaft.round()
    assert late["why"] == "the channel said: 550 5.7.1"
    shaft.way.says = TAKEN
    await shaft.take()
    assert [one["event"] for one in await shaft.round()] == ["canary_back"]


async def late_after_two(shaft: Shaft) -> str:
    for _ in range(2):
        await shaft.round()
        await shaft.take()
        shaft.clock.forward(EVERY_S)
    return (await shaft.stands()).why


async def test_a_channel_without_a_session_is_late_and_its_worker_lives(shaft):
    shaft.way.down = Unreachable("no connection: refused")
    assert await late_after_two(shaft) == "the channel said: no connection: refused"


async def test_a_channel_that_never_answers_is_given_up(shaft):
    taker = shaft.a_taker()
    taker.patience_s = 0.05
    shaft.house.worker.prove = taker.take

    async def for_ever(_canary):
        await shaft.bus.link.closed.wait()

    shaft.way.probe = for_ever
    assert (await late_after_two(shaft)).startswith("the channel said: no answer within")


async def test_a_doubled_one_is_tried_once(shaft):
    taker = shaft.a_taker()
    for _ in range(3):
        await taker.take(CanaryKey(EMAIL, 7))
    await taker.take(CanaryKey(EMAIL, 6))
    assert [one.number for one in shaft.way.tried] == [7]


async def test_a_paused_channel_is_not_tried_and_raises_no_alarm(shaft):
    await shaft.round()
    await shaft.take()
    await control.pause(shaft.bus, EMAIL)
    for _ in range(5):
        shaft.clock.forward(EVERY_S)
        assert await shaft.round() == []
    assert (await shaft.stands()).state == "paused"
    assert await shaft.waiting() == []
    await control.resume(shaft.bus, EMAIL)
    assert await shaft.round() == [], "the time counts from now on"
    assert (await shaft.stands()).state == "waiting"
    assert len(await shaft.waiting()) == 1


async def test_a_worker_lets_canaries_of_a_paused_channel_go(shaft):
    await shaft.round()
    shaft.house.worker.paused = lambda: True
    await shaft.take()
    assert shaft.way.tried == []
    assert await shaft.waiting() == []


async def test_a_sender_that_died_is_noticed_by_whoever_asks(shaft):
    await shaft.round()
    await shaft.take()
    shaft.clock.forward(EVERY_S + GRACE_S + 1)
    stands = await shaft.stands()
    assert (stands.state, stands.why) == ("late", "none was sent: the service canary does not run")


@pytest.mark.parametrize("every_s", [60.0, 90_000.0])
async def test_after_a_change_of_the_interval_the_time_counts_anew(shaft, every_s):
    await shaft.round()
    await shaft.take()
    shaft.clock.forward(EVERY_S - 10)
    await shaft.round()
    shaft.clock.forward(9)
    shaft.sender = shaft.a_sender(CanarySettings(every_s=every_s, grace_s=10, channels="email"))
    assert await shaft.round() == [], "it was well by the old measure, and has a new one"
    assert (await shaft.stands()).state == "waiting"
    shaft.clock.forward(every_s + 11)
    assert [one["event"] for one in await shaft.round()] == ["canary_late"]


async def test_a_sender_that_is_there_is_not_said_to_be_away(shaft):
    await shaft.round()
    await shaft.take()
    shaft.clock.forward(EVERY_S + GRACE_S + 1)
    [late] = await shaft.round()
    assert late["why"] == "none was sent in time"


async def test_two_senders_share_the_work(shaft):
    other = shaft.a_sender()
    for _ in range(3):
        await shaft.sender.tick()
        await other.tick()
        await shaft.take()
        shaft.clock.forward(EVERY_S)
    assert [one.number for one in shaft.way.tried] == [1, 2, 3]


async def test_a_channel_that_is_not_tried_any_more_is_off(shaft):
    await shaft.round()
    await shaft.a_sender(CanarySettings(every_s=0)).run()
    assert await shaft.stands() == OFF


async def test_a_canary_leaves_no_trace_in_ledger_publications_and_counts(shaft):
    before = await Status(shaft.bus, Ledger(shaft.bus), shaft.clock).report()
    await shaft.round()
    await shaft.take()
    after = await Status(shaft.bus, Ledger(shaft.bus), shaft.clock).report()
    assert before.channels[EMAIL].lanes == after.channels[EMAIL].lanes
    assert (before.channels[EMAIL].canary, after.channels[EMAIL].canary.state) == (OFF, "ok")
    for stream in ("KV_ledger", "PUBLICATIONS", "CONTENT", "RECEIPTS", "DEAD", "KV_publications"):
        assert (await shaft.bus.stream_info(stream))["state"]["messages"] == 0, stream
    assert shaft.way.got == {}


def test_a_quarter_of_an_hour_is_what_nobody_has_to_set():
    assert CanarySettings().every_s == timedelta(minutes=15).total_seconds()


async def test_readyz_shows_a_late_one_and_stays_ready():
    said = {"email": {"state": "late", "since": None, "why": "nobody took it from the queue"}}

    async def canaries():
        return said

    app = TestClient(health({}, canaries=canaries))
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

    answer = TestClient(health({"bus": away}, canaries=canaries)).get("/readyz")
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
