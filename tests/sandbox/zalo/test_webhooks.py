"""The sandbox's webhooks: signed, tried again on its clock, given up, doubled and shuffled."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

import pytest
from aiohttp import web

from sandbox.zalo import server
from tests.support.sandbox_client import open_sandbox_client

V2 = "/v2.0/oa/message"
LADDER = [30, 300, 900, 1800, 3600]


@dataclass
class WebhookReceiver:
    """The app's side: keeps the requests, and answers as configured."""

    url: str = ""
    status: int = 200
    hang: bool = False
    came: list[tuple[str, dict, str]] = field(default_factory=list)
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request):
        self.came.append((request.method, dict(request.headers), await request.text()))
        self.arrival.set()
        if self.hang:
            await self.released.wait()
        return web.Response(status=self.status)

    @property
    def events(self):
        return [json.loads(body) for method, _, body in self.came if method == "POST"]

    @property
    def names(self):
        return [event["event_name"] for event in self.events]


@asynccontextmanager
async def receiving():
    receiver, app = WebhookReceiver(), web.Application()
    app.router.add_route("*", "/hook", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        receiver.released.set()
        await runner.cleanup()


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def sandbox_client(tmp_path, clock, receiver):
    async with open_sandbox_client(tmp_path, clock) as zalo:
        await zalo.said("/_sandbox/webhook", {"url": receiver.url})
        yield zalo


async def webhook(zalo):
    return (await zalo.get("/_sandbox/webhook"))[1]


async def test_an_event_is_signed_over_its_raw_body(sandbox_client, receiver):
    user_id = await sandbox_client.person()
    await sandbox_client.act(user_id, "write", text="Hồ sơ của tôi đâu?")
    await sandbox_client.settle()
    [(method, headers, body)] = receiver.came
    event = json.loads(body)
    raw = f"sandbox-app{body}{event['timestamp']}sandbox-oa-secret"
    assert headers["X-ZEvent-Signature"] == f"mac={sha256(raw.encode()).hexdigest()}"
    assert (method, headers["Content-Type"]) == ("POST", "application/json")
    assert "num_retry" not in headers
    assert "X-ZEvent-Server" not in headers
    assert "Hồ sơ" in body, "not escaped"
    assert event["app_id"] == "sandbox-app"
    assert event["timestamp"] == str(round(sandbox_client.stage.clock() * 1000))


@pytest.mark.parametrize("failure", ["refused", "status", "hang"])
async def test_the_ladder_of_retries_ends_in_silence_until_somebody_enables_it(
    sandbox_client, receiver, failure
):
    user_id = await sandbox_client.person()
    await fail(sandbox_client, receiver, failure)
    await sandbox_client.act(user_id, "follow")
    await sandbox_client.settle()
    for number, wait in enumerate(LADDER, 1):
        await sandbox_client.later(seconds=wait - 1)
        assert len(sandbox_client.facts("event_posted")) == number, "not a moment too early"
        await sandbox_client.later(seconds=1)
    assert [fact["number"] for fact in sandbox_client.facts("event_posted")] == list(range(6))
    assert (await webhook(sandbox_client))["enabled"] is False
    recover(sandbox_client, receiver)
    await sandbox_client.act(user_id, "write", text="Có ai không?")
    await sandbox_client.later(hours=2)
    assert receiver.came == [], "unsubscribed: what happens meanwhile is lost"
    await sandbox_client.said("/_sandbox/webhook/enable")
    await sandbox_client.act(user_id, "write", text="Bây giờ thì sao?")
    await sandbox_client.settle()
    assert [event["message"]["text"] for event in receiver.events] == ["Bây giờ thì sao?"]


async def fail(zalo, receiver, failure):
    receiver.status, receiver.hang = (500 if failure == "status" else 200), failure == "hang"
    zalo.stage.set_rules(webhook_timeout_s=0.02 if failure == "hang" else 2.0)
    if failure == "refused":
        await zalo.said("/_sandbox/webhook", {"url": "http://127.0.0.1:1/hook"})


def recover(zalo, receiver):
    receiver.status, receiver.hang = 200, False
    zalo.stage.set_rules(webhook_timeout_s=2.0)
    receiver.came.clear()
    zalo.stage.sandbox.world.webhook_queue.url = receiver.url


async def test_a_retry_is_the_same_event_byte_for_byte_with_its_number(sandbox_client, receiver):
    receiver.status = 503
    user_id = await sandbox_client.person()
    await sandbox_client.act(user_id, "follow")
    await sandbox_client.settle()
    await sandbox_client.later(seconds=30)
    receiver.status = 200
    await sandbox_client.later(seconds=300)
    await sandbox_client.later(hours=3)
    assert [headers.get("num_retry") for _, headers, _ in receiver.came] == [None, "1", "2"]
    assert len({body for _, _, body in receiver.came}) == 1
    assert len({headers["X-ZEvent-Signature"] for _, headers, _ in receiver.came}) == 1
    assert (await webhook(sandbox_client))["waiting"] == []


@pytest.mark.parametrize(
    ("rules", "status", "tries"),
    [
        ({"webhook_retry": False}, 500, 1),
        ({"webhook_retry_answers": False}, 500, 1),
        ({"webhook_retry_answers": True}, 500, 2),
        ({}, 200, 1),
    ],
)
async def test_whether_an_answer_is_tried_again_can_be_switched(
    sandbox_client, receiver, rules, status, tries
):
    sandbox_client.stage.set_rules(**rules)
    receiver.status = status
    await sandbox_client.act(await sandbox_client.person(), "follow")
    await sandbox_client.settle()
    await sandbox_client.later(seconds=30)
    assert len(receiver.came) == tries
    assert (await webhook(sandbox_client))["enabled"] is True


async def test_a_refused_connection_is_tried_again_whatever_answers_mean(sandbox_client):
    sandbox_client.stage.set_rules(webhook_retry_answers=False)
    await sandbox_client.said("/_sandbox/webhook", {"url": "http://127.0.0.1:1/hook"})
    await sandbox_client.act(await sandbox_client.person(), "follow")
    await sandbox_client.settle()
    assert [event["tries"] for event in (await webhook(sandbox_client))["waiting"]] == [1]


async def test_copies_and_disorder_can_be_asked_for(sandbox_client, receiver):
    sandbox_client.stage.set_rules(webhook_copies=2, webhook_shuffle=3)
    user_id = await sandbox_client.person()
    for number in range(4):
        await sandbox_client.act(user_id, "write", text=str(number))
    await sandbox_client.settle()
    texts = [event["message"]["text"] for event in receiver.events]
    assert texts == ["2", "2", "1", "1", "0", "0"]
    sandbox_client.stage.set_rules(webhook_copies=1, webhook_shuffle=1)
    await sandbox_client.settle()
    assert [event["message"]["text"] for event in receiver.events][6:] == ["3"]


async def test_events_are_switched_off_one_by_one(sandbox_client, receiver):
    sandbox_client.stage.set_rules(webhook_off=("follow",))
    user_id = await sandbox_client.person()
    await sandbox_client.act(user_id, "follow")
    await sandbox_client.act(user_id, "unfollow")
    await sandbox_client.settle()
    assert receiver.names == ["unfollow"]


async def test_nothing_is_queued_while_nobody_listens(sandbox_client, receiver):
    await sandbox_client.said("/_sandbox/webhook", {"url": ""})
    await sandbox_client.act(await sandbox_client.person(), "follow")
    await sandbox_client.settle()
    assert sandbox_client.facts("event_raised") == receiver.came == []


async def test_the_console_asks_before_it_takes_an_address(sandbox_client, receiver):
    said = await sandbox_client.said("/_sandbox/webhook/probe")
    assert said == {"get": 200, "post": 200, "accepted": True}
    assert [method for method, _, _ in receiver.came] == ["GET", "POST"]
    assert all("X-ZEvent-Signature" not in headers for _, headers, _ in receiver.came)
    receiver.status = 401
    assert (await sandbox_client.said("/_sandbox/webhook/probe"))["accepted"] is False
    await sandbox_client.said("/_sandbox/webhook", {"url": "http://127.0.0.1:1/hook"})
    assert (await sandbox_client.said("/_sandbox/webhook/probe"))["get"] == 0


@pytest.mark.parametrize("path", ["probe", "enable"])
async def test_without_an_address_there_is_nothing_to_probe_or_to_enable(sandbox_client, path):
    await sandbox_client.said("/_sandbox/webhook", {"url": ""})
    assert (await sandbox_client.post(f"/_sandbox/webhook/{path}"))[0] == 400
    assert (await sandbox_client.post("/_sandbox/webhook", {"url": "nowhere"}))[0] == 400


async def test_what_waits_is_posted_after_a_restart(sandbox_client, receiver, tmp_path, clock):
    receiver.status = 500
    await sandbox_client.act(await sandbox_client.person(), "follow")
    await sandbox_client.settle()
    await sandbox_client.stage.sandbox.scheduler.stop()
    receiver.status = 200
    again = await server.start("127.0.0.1", 0, tmp_path, clock)
    try:
        clock.advance(30)
        await again.scheduler.catch_up()
        assert again.world.webhook_queue.waiting == {}
    finally:
        await again.close()
    assert [headers.get("num_retry") for _, headers, _ in receiver.came] == [None, "1"]


async def test_nobody_has_to_ask_for_what_is_due(sandbox_client, receiver):
    """The clock is moved by a call, and the retry happens without another one."""
    receiver.status = 500
    await sandbox_client.act(await sandbox_client.person(), "follow")
    await sandbox_client.settle()
    receiver.status = 200
    receiver.arrival.clear()
    await sandbox_client.post("/_sandbox/clock", {"now": "2027-01-15T12:00:30+07:00"})
    async with asyncio.timeout(10):
        await receiver.arrival.wait()
    assert receiver.came[1][1]["num_retry"] == "1"
