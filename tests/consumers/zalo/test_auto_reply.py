"""The automatic reply: one a day, by the API call that the account has, and never two."""

import asyncio

import pytest
import structlog

from channels.errors import Unreachable
from channels.zalo.stand_in import OA_ID
from consumers.restored import RESTORE_KEY, RestoreRecord
from consumers.runtime.errors import RetryLater
from tests.support.crashing_bus import crash_at
from tests.support.zalo_events import CS, TEXT, V2
from tests.support.zalo_webhook import SECRET_WORDS, USER

# --- one reply


async def test_who_writes_gets_one_reply_that_says_where_to_go(zalo_events):
    await zalo_events.zalo.act(USER, "write", text=SECRET_WORDS)
    await zalo_events.consume_all()
    [sent] = zalo_events.sent()
    assert sent["user_id"] == USER
    assert sent["content"]["text"] == TEXT
    assert "https://cong.example" in TEXT and "https://tra.example" in TEXT
    assert len(TEXT) < 1900
    assert sent["quota"] == "reply", "free"


async def test_the_echo_of_our_own_reply_is_not_taken_for_a_message(zalo_events):
    zalo_events.zalo.account.set_rules(webhook_copies=2)
    await zalo_events.zalo.act(USER, "write", text="Xin chào")
    for _ in range(3):
        await zalo_events.consume_all()
    names = [fact["name"] for fact in zalo_events.zalo.facts("event_raised")]
    assert names == ["user_send_text", "oa_send_text", "user_received_message"]
    assert len(zalo_events.sent()) == 1


@pytest.mark.promise("12.7")
async def test_twenty_messages_at_once_and_their_copies_bring_one_reply(zalo_events):
    processes = [zalo_events.new_process() for _ in range(4)]
    event = [zalo_events.event("inbound", key=f"k{number}") for number in range(20)]
    tries = (processes[n % 4].on_event(one) for n, one in enumerate(event * 2))
    await asyncio.gather(*tries)
    assert len(zalo_events.sent()) == 1


async def test_the_next_day_there_is_another_one(zalo_events):
    for hours, replies in ((0, 1), (23, 1), (2, 2)):
        zalo_events.account.clock.advance(hours * 3600)
        await zalo_events.handle("inbound")
        assert len(zalo_events.sent()) == replies, hours


async def test_nobody_is_written_to_when_it_would_cost_something(zalo_events):
    await zalo_events.handle("inbound", ago_s=47.9 * 3600)
    assert zalo_events.sent() == []
    await zalo_events.handle("inbound", ago_s=47 * 3600)
    assert len(zalo_events.sent()) == 1


@pytest.mark.parametrize("kind", ["follow", "unfollow", "interaction", "delivered", "seen"])
async def test_nothing_but_a_message_is_replied_to(zalo_events, kind):
    await zalo_events.handle(kind, message_ids=("m-1",))
    assert zalo_events.sent() == []


@pytest.mark.promise("12.7")
@pytest.mark.parametrize("point", ["zalo.reply_claimed", "zalo.reply_sent"])
async def test_a_crash_costs_a_reply_and_never_brings_a_second_one(zalo_events, point):
    event = zalo_events.event("inbound")
    with crash_at(point):
        await zalo_events.people.on_event(event)
    zalo_events.people = zalo_events.new_process()
    await zalo_events.people.on_event(event)
    assert len(zalo_events.sent()) == (point == "zalo.reply_sent")


@pytest.mark.parametrize("kind", ["drop_after", "html_after", "empty_after", "drop_before"])
async def test_a_doubt_is_never_repeated(zalo_events, kind):
    zalo_events.account.set_rules(oa_type=2)
    zalo_events.account.fault("oa.cs", kind)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await zalo_events.handle("inbound")
    assert zalo_events.call_paths() == [] if "drop" in kind else zalo_events.call_paths() == [CS]
    assert len(zalo_events.sent()) == (kind != "drop_before")
    assert [one["event"] for one in logs if "reply" in one["event"]] == ["zalo_reply_in_doubt"]


async def test_what_surely_was_not_sent_is_tried_again(zalo_events):
    async def away(self):
        raise Unreachable("rate limit", retry_after_s=7)

    tokens = zalo_events.account.channel.api.tokens
    real, tokens.access_token = tokens.access_token, away.__get__(tokens)
    with pytest.raises(RetryLater) as later:
        await zalo_events.handle("inbound")
    assert later.value.delay_s == 7
    tokens.access_token = real
    await zalo_events.handle("inbound")
    assert len(zalo_events.sent()) == 1


async def test_while_the_channel_is_paused_nobody_is_written_to(zalo_events):
    zalo_events.paused = True
    with pytest.raises(RetryLater):
        await zalo_events.handle("inbound")
    assert zalo_events.sent() == []
    zalo_events.paused = False
    await zalo_events.handle("inbound")
    assert len(zalo_events.sent()) == 1


async def test_what_came_before_a_restore_may_have_been_replied_to(zalo_events):
    at = zalo_events.now()
    record = RestoreRecord(backup=at, at=at, publications=0).model_dump_json()
    await zalo_events.bus.bucket("control").put(RESTORE_KEY, record.encode())
    await zalo_events.handle("inbound", ago_s=60)
    assert zalo_events.sent() == []
    await zalo_events.handle("inbound", ago_s=-60)
    assert len(zalo_events.sent()) == 1


# --- Zalo's two message calls


async def test_a_state_body_is_found_out_once_and_remembered_for_all(zalo_events):
    await zalo_events.handle("inbound")
    assert zalo_events.call_paths() == [CS, V2]
    zalo_events.people = zalo_events.new_process()
    zalo_events.account.clock.advance(25 * 3600)
    await zalo_events.account.consent()
    await zalo_events.handle("inbound")
    assert zalo_events.call_paths() == [CS, V2, V2]
    assert [one["via"] for one in zalo_events.sent()] == ["v2", "v2"]


async def test_another_account_of_the_same_app_is_asked_anew(zalo_events):
    await zalo_events.handle("inbound")
    zalo_events.account.set_rules(oa_type=2)
    await zalo_events.handle("inbound", await zalo_events.zalo.person(), oa_id="77")
    assert zalo_events.call_paths() == [CS, V2, CS]
    assert [one["via"] for one in zalo_events.sent()] == ["v2", "v3"]


@pytest.mark.parametrize("code", [-201, -210, -213, -217, -230, -200, -999])
async def test_after_any_other_error_no_second_call_is_made(zalo_events, code):
    zalo_events.account.fault(
        "oa.cs", "error_after" if code == -200 else "refuse", code=code, words="no"
    )
    zalo_events.account.set_rules(oa_type=2)
    for _ in range(2):
        await zalo_events.handle("inbound")
    assert zalo_events.call_paths() == [CS]
    assert await zalo_events.people.auto_reply.replies.is_former_pinned(OA_ID) is False


@pytest.mark.promise("12.7")
@pytest.mark.parametrize("code", [-32, -224, -240, -211, -218, -219, -239])
async def test_what_is_no_fault_of_the_persons_costs_them_no_reply(zalo_events, code):
    zalo_events.account.fault("oa.cs", "refuse", code=code, words="no")
    zalo_events.account.set_rules(oa_type=2)
    event = zalo_events.event("inbound")
    with pytest.raises(RetryLater) as later:
        await zalo_events.people.on_event(event)
    assert (zalo_events.call_paths(), zalo_events.sent()) == ([CS], [])
    patient = 3600 if code in (-224, -240, -219) else 1
    assert later.value.delay_s >= patient, "whoever wrote would ask all the time"
    zalo_events.account.clock.advance(3600)
    await zalo_events.people.on_event(event)
    assert len(zalo_events.sent()) == 1


async def test_an_account_that_both_calls_refuse_waits_for_its_operator(zalo_events):
    zalo_events.account.set_rules(v2_refused=True)
    with structlog.testing.capture_logs() as logs, pytest.raises(RetryLater):
        await zalo_events.handle("inbound")
    [line] = [one for one in logs if one["event"] == "zalo_reply_refused"]
    assert "-235" in line["reason"] and line["fix"]
    assert zalo_events.sent() == []
