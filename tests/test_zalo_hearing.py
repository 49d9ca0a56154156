"""What Zalo's webhook hears lies on the bus once, without a word of whoever said it."""

import json

import pytest
import structlog

from channels.errors import Unreachable
from channels.zalo import webhook
from consumers.zalo.hearing import Hearing
from contracts import subjects
from producers.bus import Silence, topology
from tests.freezing import frozen
from tests.zalo_hook import PHONE, SECRET_WORDS, SIGNING, TEXT, a_text, connected, post, receipts

LADDER_S = (30, 300, 900, 1800, 3600)


async def test_the_bus_that_is_away_is_a_503_before_zalo_stops_waiting(
    own_bus, own_server, monkeypatch
):
    monkeypatch.setattr("consumers.zalo.hearing.ATTEMPT_S", 0.1)
    monkeypatch.setattr("consumers.zalo.hearing.PATIENCE_S", 0.2)
    app = webhook.app(Hearing(own_bus).store, SIGNING)
    with frozen(own_server.pid):
        assert (await post(app, TEXT)).status_code == 503
    assert (await post(app, TEXT)).status_code == 200
    assert len(await receipts(own_bus)) == 1, "the first one was only late, and counts once"


async def test_an_event_lies_on_the_bus_under_its_kind_and_key(bus):
    app = webhook.app(Hearing(bus).store, SIGNING)
    for _ in range(3):
        assert (await post(app, TEXT)).status_code == 200
    [message] = [one async for one in bus.scan(subjects.RECEIPTS.name)]
    assert message.subject == "receipt.zalo.inbound"
    assert message.headers["Nats-Msg-Id"] == json.loads(message.data)["key"]
    assert SECRET_WORDS.encode() not in message.data


async def test_a_stream_of_an_older_version_remembers_long_enough_afterwards(bus):
    found = (await bus.stream_info("RECEIPTS"))["config"]
    older = found | {"duplicate_window": 120 * 10**9}
    await bus.link.api("STREAM.UPDATE.RECEIPTS", older)
    await topology.apply(bus)
    window_s = (await bus.stream_info("RECEIPTS"))["config"]["duplicate_window"] / 10**9
    assert window_s > sum(LADDER_S)


@pytest.fixture
async def line(bus, tmp_path, clock):
    async with connected(bus, tmp_path, clock) as line:
        yield line


async def test_the_sandbox_finds_the_webhook_in_order(line):
    assert (await line.zalo.said("/_sandbox/webhook/probe"))["accepted"]


async def test_every_retry_of_zalos_ladder_arrives_and_counts_once(line):
    user_id = await line.zalo.person()
    real, failures = line.hearing.store, []

    async def answer_lost(event):
        await real(event)
        failures.append(event.key)
        raise Unreachable("the answer was lost")

    line.hearing.store = answer_lost
    await line.zalo.act(user_id, "write", text=SECRET_WORDS)
    await line.zalo.settle()
    for wait_s in LADDER_S[:-1]:
        await line.zalo.later(seconds=wait_s)
    line.hearing.store = real
    await line.zalo.later(seconds=LADDER_S[-1])
    posted = line.zalo.facts("event_posted")
    assert [fact["status"] for fact in posted] == [503] * 5 + [200]
    assert len(failures) == 5
    assert [one["kind"] for one in await receipts(line.bus)] == ["inbound"]


async def test_copies_and_disorder_leave_each_event_once(line):
    line.zalo.stage.rules(webhook_copies=3, webhook_shuffle=4)
    user_id = await line.zalo.person()
    for number in range(8):
        await line.zalo.act(user_id, "write", text=f"{SECRET_WORDS} {number}")
    told = await line.heard()
    assert len(line.zalo.facts("event_posted")) == 8
    assert len(told) == len({one["key"] for one in told}) == 8


async def test_nobodys_words_phone_or_name_come_onto_the_bus_or_into_the_log(line):
    with structlog.testing.capture_logs() as logs:
        user_id = await line.zalo.person(name="Nguyễn Văn Kín", phone=PHONE)
        await line.zalo.act(user_id, "write", text=SECRET_WORDS)
        await line.zalo.act(user_id, "share", name="Nguyễn Văn Kín", phone=PHONE, address="Ngõ 5")
        await line.zalo.act(user_id, "follow")
        await line.zalo.said("/v2.0/oa/message", line.zalo.message(user_id, text=SECRET_WORDS))
        told = await line.heard()
    kinds = sorted(one["kind"] for one in told)
    assert kinds == ["delivered", "follow", "inbound", "interaction"], "the echo is no message"
    lies = [one async for one in line.bus.scan(subjects.RECEIPTS.name)]
    everything = repr([(one.subject, dict(one.headers), one.data.decode()) for one in lies])
    everything += json.dumps(logs, ensure_ascii=False)
    for private in (SECRET_WORDS, "001099012345", "Nguyễn", PHONE, PHONE[2:], "Ngõ 5"):
        assert private not in everything
    assert user_id not in json.dumps(logs)


async def test_a_silence_of_the_bus_is_told_as_such(bus):
    async def silent(*_args, **_options):
        raise Silence("no answer")

    hearing = Hearing(bus)
    bus.publish = silent
    with pytest.raises(Unreachable, match="Silence"):
        await hearing.store(webhook.events.read(a_text()))
