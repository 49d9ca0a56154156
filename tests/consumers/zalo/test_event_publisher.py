"""Events of Zalo's webhook are on the bus once, without the text of messages."""

import json

import pytest
import structlog

from channels.errors import Unreachable
from channels.zalo.webhook import endpoint
from consumers.zalo.event_publisher import ZaloEventPublisher
from contracts import subjects
from producers.bus import topology
from tests.support.frozen_process import frozen
from tests.support.zalo_webhook import (
    PHONE,
    SECRET_WORDS,
    SIGNING,
    TEXT,
    open_webhook,
    post,
    receipts,
)

LADDER_S = (30, 300, 900, 1800, 3600)


async def test_a_bus_that_is_away_is_a_503_before_zalo_gives_up(own_bus, own_server, monkeypatch):
    monkeypatch.setattr("consumers.zalo.event_publisher.PUBLISH_TIMEOUT_S", 0.1)
    monkeypatch.setattr("consumers.zalo.event_publisher.PUBLISH_PATIENCE_S", 0.2)
    app = endpoint.create_app(ZaloEventPublisher(own_bus).publish, SIGNING)
    with frozen(own_server.pid):
        assert (await post(app, TEXT)).status_code == 503
    assert (await post(app, TEXT)).status_code == 200
    assert len(await receipts(own_bus)) == 1, "the first one was only late, and counts once"


async def test_an_event_lies_on_the_bus_under_its_kind_and_key(bus):
    app = endpoint.create_app(ZaloEventPublisher(bus).publish, SIGNING)
    for _ in range(3):
        assert (await post(app, TEXT)).status_code == 200
    [message] = [one async for one in bus.scan(subjects.RECEIPTS.name)]
    assert message.subject == "receipt.zalo.inbound"
    assert message.headers["Nats-Msg-Id"] == json.loads(message.data)["key"]
    assert SECRET_WORDS.encode() not in message.data


async def test_a_stream_of_an_older_version_remembers_long_enough_afterwards(bus):
    found = (await bus.stream_info("RECEIPTS"))["config"]
    older = found | {"duplicate_window": 120 * 10**9}
    await bus.connection.api_request("STREAM.UPDATE.RECEIPTS", older)
    await topology.apply(bus)
    window_s = (await bus.stream_info("RECEIPTS"))["config"]["duplicate_window"] / 10**9
    assert window_s > sum(LADDER_S)


@pytest.fixture
async def webhook(bus, tmp_path, clock):
    async with open_webhook(bus, tmp_path, clock) as webhook:
        yield webhook


@pytest.fixture
def zalo(webhook):
    return webhook.sandbox_client


async def test_the_sandbox_finds_the_webhook_in_order(webhook, zalo):
    assert (await zalo.said("/_sandbox/webhook/probe"))["accepted"]


@pytest.mark.promise("12.6")
async def test_every_retry_of_zalos_ladder_arrives_and_counts_once(webhook, zalo):
    user_id = await zalo.person()
    real, failures = webhook.publisher.publish, []

    async def answer_lost(event):
        await real(event)
        failures.append(event.key)
        raise Unreachable("the answer was lost")

    webhook.publisher.publish = answer_lost
    await zalo.act(user_id, "write", text=SECRET_WORDS)
    await zalo.settle()
    for wait_s in LADDER_S[:-1]:
        await zalo.later(seconds=wait_s)
    webhook.publisher.publish = real
    await zalo.later(seconds=LADDER_S[-1])
    posted = zalo.facts("event_posted")
    assert [fact["status"] for fact in posted] == [503] * 5 + [200]
    assert len(failures) == 5
    assert [one["kind"] for one in await receipts(webhook.bus)] == ["inbound"]


async def test_copies_and_disorder_leave_each_event_once(webhook, zalo):
    zalo.account.set_rules(webhook_copies=3, webhook_shuffle=4)
    user_id = await zalo.person()
    for number in range(8):
        await zalo.act(user_id, "write", text=f"{SECRET_WORDS} {number}")
    told = await webhook.post_due_events()
    assert len(zalo.facts("event_posted")) == 8
    assert len(told) == len({one["key"] for one in told}) == 8


@pytest.mark.promise("12.6")
async def test_nobodys_words_phone_or_name_come_onto_the_bus_or_into_the_log(webhook, zalo):
    with structlog.testing.capture_logs() as logs:
        user_id = await zalo.person(name="Nguyễn Văn Kín", phone=PHONE)
        await zalo.act(user_id, "write", text=SECRET_WORDS)
        await zalo.act(user_id, "share", name="Nguyễn Văn Kín", phone=PHONE, address="Ngõ 5")
        await zalo.act(user_id, "follow")
        await zalo.said("/v2.0/oa/message", zalo.message(user_id, text=SECRET_WORDS))
        told = await webhook.post_due_events()
    kinds = sorted(one["kind"] for one in told)
    assert kinds == ["delivered", "follow", "inbound", "interaction"], "the echo is no message"
    lies = [one async for one in webhook.bus.scan(subjects.RECEIPTS.name)]
    everything = repr([(one.subject, dict(one.headers), one.data.decode()) for one in lies])
    everything += json.dumps(logs, ensure_ascii=False)
    for private in (SECRET_WORDS, "001099012345", "Nguyễn", PHONE, PHONE[2:], "Ngõ 5"):
        assert private not in everything
    assert user_id not in json.dumps(logs)
