"""Who writes to us gets one reply a day, by the call that Zalo has for us, and never two."""

import asyncio

import pytest
import structlog

from channels.errors import Unreachable
from channels.zalo.sandbox.oauth import OA_ID
from consumers import restore
from consumers.settle import Later
from contracts import crash
from tests.zalo_hook import SECRET_WORDS, USER
from tests.zalo_office import CS, TEXT, V2, an_office


@pytest.fixture
async def office(bus, tmp_path, clock):
    async with an_office(bus, tmp_path, clock) as office:
        yield office


# --- one reply


async def test_who_writes_gets_one_reply_that_says_where_to_go(office):
    await office.zalo.act(USER, "write", text=SECRET_WORDS)
    await office.on_all()
    [sent] = office.sent()
    assert sent["user_id"] == USER
    assert sent["content"]["text"] == TEXT
    assert "https://cong.example" in TEXT and "https://tra.example" in TEXT
    assert len(TEXT) < 1900
    assert sent["quota"] == "reply", "free"


async def test_the_echo_of_our_own_reply_is_not_taken_for_a_message(office):
    office.zalo.stage.rules(webhook_copies=2)
    await office.zalo.act(USER, "write", text="Xin chào")
    for _ in range(3):
        await office.on_all()
    names = [fact["name"] for fact in office.zalo.facts("event_raised")]
    assert names == ["user_send_text", "oa_send_text", "user_received_message"]
    assert len(office.sent()) == 1


async def test_twenty_messages_at_once_and_their_copies_bring_one_reply(office):
    processes = [office.open() for _ in range(4)]
    event = [office.event("inbound", key=f"k{number}") for number in range(20)]
    tries = (processes[n % 4].on_event(one) for n, one in enumerate(event * 2))
    await asyncio.gather(*tries)
    assert len(office.sent()) == 1


async def test_the_next_day_there_is_another_one(office):
    for hours, replies in ((0, 1), (23, 1), (2, 2)):
        office.stage.clock.advance(hours * 3600)
        await office.people.on_event(office.event("inbound"))
        assert len(office.sent()) == replies, hours


async def test_others_get_their_own(office):
    other = await office.zalo.person()
    for user_id in (USER, other):
        await office.people.on_event(office.event("inbound", user_id))
    assert sorted(one["user_id"] for one in office.sent()) == sorted([USER, other])


async def test_nobody_is_written_to_when_it_would_cost_something(office):
    await office.people.on_event(office.event("inbound", ago_s=47.9 * 3600))
    assert office.sent() == []
    await office.people.on_event(office.event("inbound", ago_s=47 * 3600))
    assert len(office.sent()) == 1


@pytest.mark.parametrize("kind", ["follow", "unfollow", "interaction", "delivered", "seen"])
async def test_nothing_but_a_message_is_replied_to(office, kind):
    await office.people.on_event(office.event(kind, message_ids=("m-1",)))
    assert office.sent() == []


@pytest.mark.parametrize("point", ["zalo.reply_claimed", "zalo.reply_sent"])
async def test_a_crash_costs_a_reply_and_never_brings_a_second_one(office, point):
    class Killed(Exception):
        pass

    def hook(name):
        if name == point:
            raise Killed

    event = office.event("inbound")
    crash.arm(hook)
    try:
        with pytest.raises(Killed):
            await office.people.on_event(event)
    finally:
        crash.arm(None)
    office.people = office.open()
    await office.people.on_event(event)
    assert len(office.sent()) == (point == "zalo.reply_sent")


@pytest.mark.parametrize("kind", ["drop_after", "html_after", "empty_after", "drop_before"])
async def test_a_doubt_is_never_repeated(office, kind):
    office.stage.rules(oa_type=2)
    office.stage.fault("oa.cs", kind)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await office.people.on_event(office.event("inbound"))
    assert office.paths() == [] if "drop" in kind else office.paths() == [CS]
    assert len(office.sent()) == (kind != "drop_before")
    assert [one["event"] for one in logs if "reply" in one["event"]] == ["zalo_reply_in_doubt"]


async def test_what_surely_was_not_sent_is_tried_again(office):
    async def away(self):
        raise Unreachable("rate limit", retry_after_s=7)

    tokens = office.stage.channel.api.tokens
    real, tokens.access = tokens.access, away.__get__(tokens)
    with pytest.raises(Later) as later:
        await office.people.on_event(office.event("inbound"))
    assert later.value.delay_s == 7
    tokens.access = real
    await office.people.on_event(office.event("inbound"))
    assert len(office.sent()) == 1


async def test_while_the_channel_is_paused_nobody_is_written_to(office):
    office.paused = True
    with pytest.raises(Later):
        await office.people.on_event(office.event("inbound"))
    assert office.sent() == []
    office.paused = False
    await office.people.on_event(office.event("inbound"))
    assert len(office.sent()) == 1


async def test_what_came_before_a_restore_may_have_been_replied_to(office):
    at = office.now()
    restored = restore.Restored(backup=at, at=at, publications=0)
    await office.bus.bucket("control").put(restore.RESTORED, restored.model_dump_json().encode())
    await office.people.on_event(office.event("inbound", ago_s=60))
    assert office.sent() == []
    await office.people.on_event(office.event("inbound", ago_s=-60))
    assert len(office.sent()) == 1


# --- which of Zalo's two calls


async def test_a_state_body_is_found_out_once_and_remembered_for_all(office):
    await office.people.on_event(office.event("inbound"))
    assert office.paths() == [CS, V2]
    office.people = office.open()
    office.stage.clock.advance(25 * 3600)
    await office.stage.consent()
    await office.people.on_event(office.event("inbound"))
    assert office.paths() == [CS, V2, V2]
    assert [one["via"] for one in office.sent()] == ["v2", "v2"]


async def test_another_account_of_the_same_app_is_asked_anew(office):
    await office.people.on_event(office.event("inbound"))
    office.stage.rules(oa_type=2)
    await office.people.on_event(office.event("inbound", await office.zalo.person(), oa_id="77"))
    assert office.paths() == [CS, V2, CS]
    assert [one["via"] for one in office.sent()] == ["v2", "v3"]


async def test_a_business_never_meets_the_former_call(office):
    office.stage.rules(oa_type=2)
    await office.people.on_event(office.event("inbound"))
    assert office.paths() == [CS]


@pytest.mark.parametrize("code", [-201, -210, -213, -217, -230, -200, -999])
async def test_after_any_other_error_no_second_call_is_made(office, code):
    office.stage.fault("oa.cs", "error_after" if code == -200 else "refuse", code=code, words="no")
    office.stage.rules(oa_type=2)
    for _ in range(2):
        await office.people.on_event(office.event("inbound"))
    assert office.paths() == [CS]
    assert await office.people.greeting.replies.pinned(OA_ID) is False


@pytest.mark.parametrize("code", [-32, -224, -240, -211, -218, -219, -239])
async def test_what_is_no_fault_of_the_persons_costs_them_no_reply(office, code):
    office.stage.fault("oa.cs", "refuse", code=code, words="no")
    office.stage.rules(oa_type=2)
    event = office.event("inbound")
    with pytest.raises(Later) as later:
        await office.people.on_event(event)
    assert (office.paths(), office.sent()) == ([CS], [])
    patient = 3600 if code in (-224, -240, -219) else 1
    assert later.value.delay_s >= patient, "whoever wrote would ask all the time"
    office.stage.clock.advance(3600)
    await office.people.on_event(event)
    assert len(office.sent()) == 1


async def test_an_account_that_both_calls_refuse_waits_for_its_operator(office):
    office.stage.rules(v2_refused=True)
    with structlog.testing.capture_logs() as logs, pytest.raises(Later):
        await office.people.on_event(office.event("inbound"))
    [line] = [one for one in logs if one["event"] == "zalo_reply_refused"]
    assert "-235" in line["reason"] and line["fix"]
    assert office.sent() == []
