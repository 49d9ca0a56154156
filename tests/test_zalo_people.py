"""What follows from an event: one reply a day, suppressions lifted, people forgotten."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from channels.errors import Unreachable
from channels.zalo.census import Lists
from channels.zalo.events import EventKind, ZaloEvent
from channels.zalo.replies import Replies
from channels.zalo.sandbox.oauth import OA_ID
from channels.zalo.wording import words
from consumers import restore
from consumers.app import shell
from consumers.settle import Later
from consumers.suppressions import Suppressions
from consumers.vault import BusVault
from consumers.zalo.erasure import WITHDRAWN, Erasure, address_of
from consumers.zalo.followers import Followers
from consumers.zalo.greeting import Greeting
from consumers.zalo.people import People
from contracts import crash, subjects
from contracts.delivery import ChannelName
from contracts.records import NoticeRecord
from tests.zalo_hook import PHONE, SECRET_WORDS, USER, connected

ZALO = ChannelName.ZALO
TEXT = words("reply", "text", portal="https://cong.example", lookup="https://tra.example").strip()
KEY = "message-call.zalo.sandbox-app"
CS, V2 = "/v3.0/oa/message/cs", "/v2.0/oa/message"


@dataclass
class Office:
    """The handler with its parts, the sandbox as Zalo, and the webhook between them."""

    line: object
    heard: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    paused: bool = False

    def __post_init__(self):
        self.zalo, self.stage, self.bus = self.line.zalo, self.line.zalo.stage, self.line.bus
        self.stage.after_request = lambda request: self.calls.append(request.url)
        self.people = self.open()

    def open(self) -> People:
        """A process: nothing but what is on the bus is remembered."""
        bus, api = self.bus, self.stage.channel.api
        followers = Followers(bus)
        suppressions = Suppressions(bus, b"secret")
        replies = Replies(api, BusVault(bus, subjects.CONTROL.name), KEY)
        greeting = Greeting(bus, followers, replies, TEXT, lambda: self.paused, self.stage.clock)
        erasure = Erasure(bus, followers, suppressions, Lists(api))
        heard = self.take, self.take_quota
        return People(followers, suppressions, erasure, greeting, *heard)

    async def take(self, template_id, *, state="", quality=""):
        self.heard.append((template_id, state, quality))

    async def take_quota(self, daily, at):
        self.heard.append((daily, at))

    def now(self):
        return datetime.fromtimestamp(self.stage.clock(), UTC)

    async def on_all(self) -> None:
        """Handle what the webhook has heard so far, as the queue would."""
        for told in await self.line.heard():
            await self.people.on_event(ZaloEvent.model_validate(told))

    def event(self, kind: str, user_id: str = USER, *, ago_s: float = 0, **more) -> ZaloEvent:
        at = datetime.fromtimestamp(self.stage.clock() - ago_s, UTC)
        facts = {"key": "k", "at": at, "user_id": user_id, "oa_id": OA_ID}
        return ZaloEvent(kind=EventKind(kind), **(facts | more))

    def sent(self) -> list[dict]:
        return [fact["message"] for fact in self.zalo.facts("cs_sent")]

    def paths(self) -> list[str]:
        """Which of the two message calls were made."""
        return [url[url.index("/v") :] for url in self.calls if "/message" in url]


@pytest.fixture
async def office(bus, tmp_path, clock):
    async with connected(bus, tmp_path, clock) as line:
        office = Office(line)
        await office.zalo.said("/_sandbox/people", {"user_id": USER, "phone": PHONE})
        await office.zalo.settle()
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


# --- suppressions


@pytest.mark.parametrize("kind", ["follow", "inbound", "interaction"])
async def test_who_comes_back_is_told_again(office, kind):
    suppressed = office.people.suppressions
    await suppressed.add(ZALO, address_of(USER), "blocked", None, at=office.now())
    await office.people.on_event(office.event(kind, ago_s=5))
    assert await suppressed.reason(ZALO, address_of(USER)) == "blocked", "an older word"
    await office.people.on_event(office.event("unfollow", ago_s=-5))
    assert await suppressed.reason(ZALO, address_of(USER)) == "blocked"
    await office.people.on_event(office.event(kind, ago_s=-6))
    assert await suppressed.reason(ZALO, address_of(USER)) is None


async def test_what_is_said_while_one_is_lifted_stays(bus):
    suppressed = Suppressions(bus, b"secret")
    address = address_of(USER)
    now, hour = datetime.now(UTC), timedelta(hours=1)
    await suppressed.add(ZALO, address, "blocked", now + hour, at=now - 2 * hour)
    real = suppressed.bucket.purge_if

    async def overtaken(key, revision):
        suppressed.bucket.purge_if = real
        await suppressed.add(ZALO, address, WITHDRAWN, None)
        return await real(key, revision)

    suppressed.bucket.purge_if = overtaken
    assert not await suppressed.lift(ZALO, address, said_at=now - hour)
    assert await suppressed.reason(ZALO, address) == WITHDRAWN


async def test_a_passing_refusal_does_not_replace_what_has_no_end(bus):
    suppressed, soon = Suppressions(bus, b"secret"), datetime.now(UTC) + timedelta(days=1)
    await suppressed.add(ZALO, PHONE, WITHDRAWN, None)
    await suppressed.add(ZALO, PHONE, "blocked", soon)
    assert await suppressed.reason(ZALO, PHONE) == WITHDRAWN
    assert await suppressed.lift(ZALO, PHONE)
    await suppressed.add(ZALO, PHONE, "blocked", soon)
    assert await suppressed.reason(ZALO, PHONE) == "blocked"
    await suppressed.add(ZALO, PHONE, WITHDRAWN, None)
    assert await suppressed.reason(ZALO, PHONE) == WITHDRAWN


async def test_a_person_who_lifts_one_stays_on_record_and_no_address_does(bus):
    suppressed = Suppressions(bus, b"secret")
    await suppressed.add(ZALO, PHONE, "blocked", None)
    await suppressed.add(ZALO, "84987654321", "blocked", datetime.now(UTC) + timedelta(days=1))
    await suppressed.add(ZALO, "84987654322", "blocked", datetime.now(UTC) - timedelta(days=1))
    assert await suppressed.count(ZALO) == 2
    assert await suppressed.lift(ZALO, PHONE, by="Trần Thị Bình")
    assert not await suppressed.lift(ZALO, PHONE, by="Trần Thị Bình")
    assert (await suppressed.reason(ZALO, PHONE), await suppressed.count(ZALO)) == (None, 1)
    stored = [(key, value.data.decode()) async for key, value in suppressed.bucket.values()]
    assert "Trần Thị Bình" in repr(stored)
    assert "84" + PHONE[2:] not in repr(stored)


# --- templates


async def test_news_of_templates_are_handed_on(office):
    found = office.stage.sandbox.world.shelf.templates
    template = next(iter(found.values())).model_copy(update={"status": "DISABLE", "quality": "LOW"})
    await office.zalo.said("/_sandbox/templates", template.model_dump(mode="json"))
    await office.on_all()
    assert sorted(office.heard) == [(template.id, "", "LOW"), (template.id, "DISABLE", "")]


async def test_news_of_the_daily_quota_are_handed_on_with_their_time(office):
    event = office.event("quota", user_id="", quota=500)
    await office.people.on_event(event)
    assert office.heard == [(500, event.at.timestamp())]


# --- somebody wants to be forgotten


def notice(number: int, **contact) -> NoticeRecord:
    return NoticeRecord(
        content_id=f"case-{number}", revision=1, event_id="e", unit="u",
        contact={"consent": True, **contact}, channels=("zalo", "email"),
    )  # fmt: skip


@asynccontextmanager
async def noticed(bus):
    """Four notices: two of the person, of which one has a mail address too, and two of others."""
    bucket = bus.bucket(subjects.NOTICES.name)
    records = {
        "only": notice(1, zalo_user_id=USER),
        "both": notice(2, zalo_user_id=USER, email="a@example.com", phone=PHONE),
        "other": notice(3, zalo_user_id="5"),
        "phone": notice(4, phone=PHONE),
    }
    for key, record in records.items():
        await bucket.put(key, record.model_dump_json().encode())
    await bucket.put("sent.only", b"m-1")
    await bucket.put("message.m-1", b"only")
    yield bucket


async def left(bucket) -> dict[str, NoticeRecord]:
    return {
        key: NoticeRecord.model_validate_json(value.data)
        async for key, value in bucket.values()
        if "." not in key
    }


async def test_who_wants_to_be_forgotten_is_forgotten_everywhere(office):
    async with noticed(office.bus) as bucket:
        await office.zalo.said("/v3.0/oa/user/update", {"user_id": USER, "user_alias": "Ông A"})
        await office.zalo.act(USER, "follow")
        await office.on_all()
        await office.zalo.act(USER, "withdraw")
        with structlog.testing.capture_logs() as logs:
            await office.on_all()
        found = await left(bucket)
    assert set(found) == {"both", "other", "phone"}
    contact = found["both"].contact
    assert (contact.zalo_user_id, contact.email, contact.phone) == (None, "a@example.com", PHONE)
    assert found["other"].contact.zalo_user_id == "5"
    assert [key async for key, _ in office.people.followers.bucket.values()] == []
    assert [one async for one in office.bus.scan(subjects.RECEIPTS.name)] == []
    assert len(office.zalo.facts("info_deleted")) == 1
    reason = await office.people.suppressions.reason(ZALO, address_of(USER))
    assert reason == WITHDRAWN
    [line] = [one for one in logs if one["event"] == "zalo_person_erased"]
    assert line["notices"] == 2
    assert USER not in repr(logs)


async def test_older_events_that_come_late_do_not_bring_a_person_back(office):
    await office.people.on_event(office.event("withdrawn"))
    for kind in ("follow", "inbound", "unfollow", "interaction"):
        await office.people.on_event(office.event(kind, ago_s=30))
    assert [key async for key, _ in office.people.followers.bucket.values()] == []
    assert office.sent() == []
    assert await office.people.suppressions.reason(ZALO, address_of(USER)) == WITHDRAWN


@pytest.mark.parametrize("late", [True, False])
async def test_who_comes_back_after_that_begins_anew(office, late):
    order = [office.event("withdrawn", ago_s=60), office.event("follow")]
    for event in order[::-1] if late else order:
        await office.people.on_event(event)
    count = await office.people.followers.count(office.now())
    assert count.followers == 1
    assert await office.people.suppressions.reason(ZALO, address_of(USER)) is None


@pytest.mark.parametrize(
    "kind", ["drop_before", "drop_after", "html_before", "empty_after", "refuse"]
)
async def test_it_is_tried_again_until_zalo_has_erased_too(office, kind):
    office.stage.fault("oa.deletefollowerinfo", kind, code=-200, words="try again")
    event = office.event("withdrawn")
    with pytest.raises(Later) as later:
        await office.people.on_event(event)
    assert 1 <= later.value.delay_s <= 600
    await office.people.on_event(event)
    await office.people.on_event(event)
    assert office.zalo.facts("info_deleted")


async def test_until_zalo_has_erased_too_the_wish_stays_and_nobody_elses_words_go(
    office,
):
    other = await office.zalo.person()
    for user_id, deed in ((other, "follow"), (USER, "follow"), (USER, "withdraw")):
        await office.zalo.act(user_id, deed)
    office.stage.fault("oa.deletefollowerinfo", "drop_before")
    wish = ZaloEvent.model_validate((await office.line.heard())[-1])
    with pytest.raises(Later):
        await office.people.on_event(wish)
    assert await names(office) == [(other, "follow"), (USER, "withdrawn")]
    await office.people.on_event(wish)
    assert await names(office) == [(other, "follow")]
    await office.people.on_event(wish)
    assert await names(office) == [(other, "follow")]


async def test_while_zalo_cannot_be_asked_our_own_part_is_not_done_again(office):
    await office.zalo.act(USER, "follow")
    await office.zalo.act(USER, "withdraw")
    wish = ZaloEvent.model_validate((await office.line.heard())[-1])
    erasure, scanned, walked = office.people.erasure, [], []
    scan, notices = erasure.bus.scan, erasure.notices
    erasure.bus.scan = lambda *place: scanned.append(place) or scan(*place)
    erasure.notices = lambda: walked.append(1) or notices()
    for _ in range(5):
        office.stage.fault("oa.deletefollowerinfo", "drop_before")
        with pytest.raises(Later):
            await office.people.on_event(wish)
    assert (len(scanned), len(walked)) == (1, 1)
    [place] = await left_in_control(office)
    assert USER not in repr(place)
    await office.line.hearing.store(office.event("interaction", key="late", ago_s=60))
    await office.people.on_event(wish)
    assert (len(scanned), len(walked)) == (2, 1)
    assert scanned[1][-1] == 2, "only from the wish on"
    assert await names(office) == []
    assert await left_in_control(office) == []


async def left_in_control(office):
    bucket = office.bus.bucket(subjects.CONTROL.name)
    return [(key, value.data) async for key, value in bucket.values("erasing.")]


async def names(office):
    """Who did what, as the bus still knows it."""
    return [(one["user_id"], one["kind"]) for one in await office.line.heard()]


async def test_whom_zalo_does_not_know_is_forgotten_there(office):
    await office.people.on_event(office.event("withdrawn", "424242"))
    assert office.zalo.facts("info_deleted") == []


async def test_a_death_in_the_middle_leaves_nothing_undone(office):
    class Killed(Exception):
        pass

    def hook(name):
        if name == "zalo.person_purged":
            raise Killed

    async with noticed(office.bus) as bucket:
        crash.arm(hook)
        try:
            with pytest.raises(Killed):
                await office.people.on_event(office.event("withdrawn"))
        finally:
            crash.arm(None)
        await office.open().on_event(office.event("withdrawn"))
        assert set(await left(bucket)) == {"both", "other", "phone"}
    assert len(office.zalo.facts("info_deleted")) == 1


async def test_a_notice_that_changes_meanwhile_is_looked_at_again(office):
    async with noticed(office.bus) as bucket:
        erasure, real = office.people.erasure, office.people.erasure.clear
        meanwhile = notice(2, zalo_user_id=USER, email="b@example.com")

        async def overtaken(key, value):
            if key == "both" and value.data != meanwhile.model_dump_json().encode():
                await bucket.put(key, meanwhile.model_dump_json().encode())
            return await real(key, value)

        erasure.clear = overtaken
        await erasure.clear_notices(USER)
        contact = (await left(bucket))["both"].contact
        assert (contact.zalo_user_id, contact.email) == (None, "b@example.com")


# --- over the bus


async def test_events_reach_the_handler_over_the_bus(office, nats_server):
    consumer = subjects.RECEIPTS.consumers[1]
    assert consumer.durable == subjects.ZALO_PEOPLE

    async def bury(stage, message, errors):
        raise AssertionError(errors)

    broker = shell.broker(nats_server.url, bury, shell.Watched())
    shell.subscribe(broker, subjects.RECEIPTS, consumer, office.people.on_event, 4)
    await broker.start()
    row = {"channel": "zalo", "content_id": "tin", "revision": 1, "recipient": "broadcast"}
    await office.bus.publish("receipt.zalo.seen", json.dumps(row).encode())
    for number in range(10):
        await office.zalo.act(USER, "write", text=str(number))
    await office.line.heard()
    async with asyncio.timeout(20):
        while True:
            info = await office.bus.consumer_info("RECEIPTS", subjects.ZALO_PEOPLE)
            if info["ack_floor"]["stream_seq"] >= 11:
                break
            await asyncio.sleep(0.01)
    await broker.stop()
    assert len(office.sent()) == 1
