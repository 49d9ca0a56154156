"""The sandbox's webhooks: events, signed, tried again on its clock, given up, doubled, shuffled."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from channels.zalo.stand_in import OA_ID
from tests.support.sandbox_client import (
    BY_PHONE,
    CARE,
    PHONE,
    order,
)  # fmt: skip

V2, NOWHERE = "/v2.0/oa/message", "http://127.0.0.1:1/hook"
RETRY_DELAYS_S = [30, 300, 900, 1800, 3600]
OA = {"id": OA_ID}


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

    def headers(self, name):
        return [headers.get(name) for _, headers, _ in self.came]


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
async def receiver(zalo):
    async with receiving() as receiver:
        await zalo.said("/_sandbox/webhook", {"url": receiver.url})
        yield receiver


async def heard(zalo, receiver, *names):
    """The events that came; no others than *names*."""
    await zalo.settle()
    assert tuple(event["event_name"] for event in receiver.events) == names
    return receiver.events


async def webhook(zalo):
    return (await zalo.get("/_sandbox/webhook"))[1]


# ---- what is told


@pytest.mark.parametrize(("rules", "path"), [({}, V2), ({"oa_type": 2}, "/v3.0/oa/message/cs")])
async def test_echo_and_receipt_carry_the_id_of_the_answer(zalo, receiver, rules, path):
    zalo.account.set_rules(**rules, receipt_after_s=3600)
    user_id = await zalo.person()
    id = (await zalo.said(path, zalo.message(user_id)))["data"]["message_id"]
    await heard(zalo, receiver, "oa_send_text")
    await zalo.later(hours=1)
    echo, receipt = await heard(zalo, receiver, "oa_send_text", "user_received_message")
    assert echo["message"] == {"text": "Xin chào", "msg_id": id}
    assert receipt["message"] == {"msg_id": id}, "no content: not to be taken for one of theirs"
    for event in (echo, receipt):
        assert (event["sender"], event["recipient"]) == (OA, {"id": user_id})
    assert receiver.headers("X-ZEvent-Server") == [None, None]


async def test_a_refused_message_and_a_computer_have_no_receipt(zalo, receiver):
    await zalo.said(V2, zalo.message("1"))
    user_id = await zalo.person(on_mobile=False, phone=PHONE)
    await zalo.said(V2, zalo.message(user_id))
    await zalo.said(BY_PHONE, order())
    await zalo.act(user_id, "read")
    await heard(zalo, receiver, "oa_send_text")


async def test_a_template_s_receipt_carries_the_tracking_id_and_says_when(zalo, receiver):
    zalo.account.set_rules(receipt_after_s=60)
    id = (await zalo.said(BY_PHONE, order(tracking_id="loa-77")))["data"]["msg_id"]
    due = str(round((zalo.account.clock() + 60) * 1000))
    await zalo.later(hours=2)
    [receipt] = await heard(zalo, receiver, "user_received_message")
    assert receipt["message"] == {"delivery_time": due, "msg_id": id, "tracking_id": "loa-77"}
    assert (receipt["sender"], receipt["recipient"]) == (OA, {"id": PHONE})
    assert int(receipt["timestamp"]) > int(due)
    assert receiver.headers("X-ZEvent-Server") == ["ZNS"]


@pytest.mark.parametrize(
    ("deed", "facts", "name", "told"),
    [
        ("follow", {"source": "message_invite"}, "follow", {"source": "message_invite"}),
        ("unfollow", {}, "unfollow", {"oa_id": OA_ID}),
        ("withdraw", {}, "user_withdraw", {"oa_id": OA_ID}),
        ("chat-now", {}, "user_click_chatnow", {"oa_id": OA_ID}),
        ("share", {"phone": PHONE}, "user_submit_info", {"info": {"phone": PHONE}}),
    ],
)
async def test_each_deed_is_told(zalo, receiver, deed, facts, name, told):
    user_id = await zalo.person()
    await zalo.act(user_id, deed, **facts)
    [event] = await heard(zalo, receiver, name)
    assert {key: event[key] for key in told} == told
    assert user_id in str(event)
    assert event["user_id_by_app"] not in ("", user_id)


async def test_a_template_can_be_answered_and_rated(zalo, receiver):
    user_id = await zalo.person(phone=PHONE)
    id = (await zalo.said(BY_PHONE, order(CARE)))["data"]["msg_id"]
    await zalo.act(user_id, "tap", message_id=id)
    await zalo.act(user_id, "feedback", message_id=id, rate=3, note="Chậm")
    names = ("user_received_message", "user_click_response_button", "user_feedback")
    _, tapped, rated = await heard(zalo, receiver, *names)
    assert (tapped["msg_id"], tapped["message"]["data"]) == (id, "xac-nhan")
    assert tapped["message"]["tracking_id"] == rated["message"]["tracking_id"] == "loa-1"
    assert (rated["message"]["rate"], rated["message"]["note"]) == (3, "Chậm")
    assert (rated["oa_id"], rated["message"]["msg_id"]) == (OA_ID, id)
    assert receiver.headers("X-ZEvent-Server") == ["ZNS"] * 3


# ---- how it is sent


@pytest.mark.parametrize("failure", ["refused", "status", "hang"])
async def test_the_retries_end_in_silence_until_the_webhook_is_enabled(zalo, receiver, failure):
    receiver.status, receiver.hang = (500 if failure == "status" else 200), failure == "hang"
    zalo.account.set_rules(webhook_timeout_s=0.02 if failure == "hang" else 2.0)
    user_id = await zalo.person()
    if failure == "refused":
        await zalo.said("/_sandbox/webhook", {"url": NOWHERE})
    await zalo.act(user_id, "follow")
    await zalo.settle()
    for number, delay in enumerate(RETRY_DELAYS_S, 1):
        await zalo.later(seconds=delay - 1)
        assert len(zalo.facts("event_posted")) == number, "not a moment too early"
        await zalo.later(seconds=1)
    assert [fact["number"] for fact in zalo.facts("event_posted")] == list(range(6))
    assert (await webhook(zalo))["enabled"] is False
    receiver.status, receiver.hang, zalo.world.webhook_queue.url = 200, False, receiver.url
    zalo.account.set_rules(webhook_timeout_s=2.0)
    receiver.came.clear()
    await zalo.act(user_id, "write", text="Có ai không?")
    await zalo.later(hours=2)
    assert receiver.came == [], "disabled: what happens meanwhile is lost"
    await zalo.said("/_sandbox/webhook/enable")
    await zalo.act(user_id, "write", text="Bây giờ thì sao?")
    [event] = await heard(zalo, receiver, "user_send_text")
    assert event["message"]["text"] == "Bây giờ thì sao?"


async def test_a_retry_is_the_same_event_byte_for_byte_with_its_number(zalo, receiver):
    receiver.status = 503
    await zalo.act(await zalo.person(), "follow")
    await zalo.settle()
    await zalo.later(seconds=30)
    receiver.status = 200
    await zalo.later(seconds=300)
    await zalo.later(hours=3)
    assert receiver.headers("num_retry") == [None, "1", "2"]
    assert len({body for _, _, body in receiver.came}) == 1
    assert len(set(receiver.headers("X-ZEvent-Signature"))) == 1
    assert (await webhook(zalo))["waiting"] == []


async def test_a_due_event_is_sent_without_another_call(zalo, receiver):
    receiver.status = 500
    await zalo.act(await zalo.person(), "follow")
    await zalo.settle()
    receiver.status = 200
    receiver.arrival.clear()
    await zalo.said("/_sandbox/clock", {"now": "2027-01-15T12:00:30+07:00"})
    async with asyncio.timeout(10):
        await receiver.arrival.wait()
    assert receiver.headers("num_retry") == [None, "1"]
