"""A case notice by template: whom it reaches, that it goes once, and how a doubt about it ends."""

from collections import Counter

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.errors import Unreachable
from channels.notices import KINDS
from channels.zalo.sandbox import shelf
from contracts import keys
from tests.notice_stage import (
    BY_PHONE,
    BY_USER_ID,
    LOST,
    PHONE,
    USER_ID,
    a_notice,
    counting,
    noticing,
    person,
)

TO_USER = f"zalo:{USER_ID}"


@pytest.fixture
async def house(tmp_path, clock):
    async with noticing(tmp_path, clock) as house:
        yield house


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_notice_reaches_a_phone_once(house, kind):
    outcome = await house.send(a_notice(kind))
    assert outcome == Outcome(Verdict.DELIVERED)
    [message] = house.messages
    assert (message["phone"], message["template_id"]) == (PHONE, shelf.serving()[kind])
    assert "G09.20-20260609-0092637" in message["content"]["text"]
    assert "<" not in message["content"]["text"]
    assert message["tracking_id"] == keys.tracking_id(house.row(1, PHONE).delivery_key)


async def test_the_message_says_what_the_model_sentence_says(house):
    await house.send(a_notice("2"))
    [message] = house.messages
    assert message["content"]["text"].split("\n") == [
        "Kính gửi ông/bà Nguyễn Văn A***. Hồ sơ G09.20-20260609-0092637 của ông/bà đã được "
        "tiếp nhận. Hẹn trả kết quả: 30/06/2026.",
        "Thủ tục: Thủ tục xét tặng Huân chương Lao động",
        "Nơi nhận kết quả: Trung tâm Phục vụ hành chính công tỉnh Ninh Bình",
    ]


async def test_a_user_id_takes_the_other_road_and_its_message_is_found_again(house):
    person(house.stage)
    assert (await house.send(address=TO_USER)).verdict is Verdict.DELIVERED
    [message] = house.messages
    assert (message["via"], message["tracking_id"], message["price"]) == ("uid", "", 560)
    tracking_id = keys.tracking_id(house.row(1, TO_USER).delivery_key)
    assert await house.sent.message_id(tracking_id) == message["id"]
    assert await house.used("today") == 560


@pytest.mark.parametrize("on_top", [False, True])
async def test_the_answer_is_read_in_both_of_its_forms(house, on_top):
    person(house.stage)
    house.stage.rules(sent_time_on_top=on_top)
    assert (await house.send(address=TO_USER)).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    "address", ["", "0912345678", "+84912345678", "842438241234", "zalo:", "zalo:x", "a@b.vn"]
)
async def test_what_is_no_address_at_zalo_is_left_to_another_channel(house, address):
    outcome = await house.send(address=address)
    assert (outcome.verdict, outcome.asked) == (Verdict.SUPPRESSED, False)
    assert house.messages == []


async def test_a_row_that_is_nobody_gets_nothing(house):
    rendered = house.channel.render(a_notice())
    row = house.row(1, PHONE)
    async with house.channel.session() as session:
        other = type(row)("article", row.delivery_key, row.address)
        [outcome] = await session.send(rendered, [other], lambda: False)
    assert outcome.verdict is Verdict.FAILED
    assert house.messages == []


async def test_nothing_is_sent_after_the_deadline_and_nothing_stays_set_aside(house):
    asked = iter([False, True])
    outcome = await house.send(expired=lambda: next(asked))
    assert outcome.verdict is Verdict.UNSENT
    assert house.messages == []
    assert await house.used("today") == await house.used("notices") == 0


# --- once


async def test_the_same_notice_again_is_not_sent_again(house):
    """Zalo itself sends a tracking id that comes again once more."""
    await house.send()
    for _ in range(5):
        again = await house.send(again=True)
        assert (again.verdict, again.asked) == (Verdict.DELIVERED, False)
    await house.start()
    assert (await house.send(again=True)).verdict is Verdict.DELIVERED
    assert len(house.messages) == 1


async def test_two_steps_to_the_same_status_are_two_messages(house):
    await house.send(a_notice("5"))
    await house.send(a_notice("5"))
    tracked = [message["tracking_id"] for message in house.messages]
    assert len(tracked) == len(set(tracked)) == 2


async def test_what_cannot_be_noted_is_delivered_all_the_same(house):
    async def silent(*_, **__):
        raise Unreachable("bus")

    house.sent.keep = silent
    with structlog.testing.capture_logs() as logs:
        assert (await house.send()).verdict is Verdict.DELIVERED
    assert "zalo_notice_not_noted" in [line["event"] for line in logs]
    assert len(house.messages) == 1


async def test_logs_name_template_and_message_but_nobody(house):
    with structlog.testing.capture_logs() as logs:
        await house.send()
    [line] = [one for one in logs if one["event"] == "zalo_notice_sent"]
    assert line["message"] == house.messages[0]["id"]
    for private in (PHONE, "Nguyễn", "G09.20", "Thủ tục"):
        assert private not in str(logs)


# --- a doubt


@pytest.mark.parametrize("kind", ["drop_before", "html_before", *LOST])
@pytest.mark.parametrize(("route", "address"), [(BY_PHONE, PHONE), (BY_USER_ID, TO_USER)])
async def test_a_lost_answer_is_a_doubt_that_only_a_receipt_ends(house, kind, route, address):
    person(house.stage)
    code = -100 if route == BY_PHONE else -200
    house.stage.fault(route, kind, code=code)
    assert (await house.send(address=address)).verdict is Verdict.DOUBT
    assert (await house.resolve(address=address)).verdict is Verdict.UNKNOWN
    assert len(house.messages) == (0 if kind.endswith("before") else 1)
    assert await house.used("notices") == 1, "it may have been paid for"


async def test_a_success_without_an_id_is_a_doubt(house, monkeypatch):
    transport = house.channel.api.transport
    original = transport.exchange

    async def without_id(request):
        reply = await original(request)
        if not request.url.endswith("/message/template"):
            return reply
        return type(reply)(200, reply.headers, b'{"error":0,"message":"Success","data":{}}')

    monkeypatch.setattr(transport, "exchange", without_id)
    assert (await house.send()).verdict is Verdict.DOUBT


async def test_two_hundred_answers_lost_after_their_effect_are_two_hundred_unknown(house):
    """No message twice, whatever follows: the ledger never sends what is unknown."""
    house.stage.rules(per_minute=100_000)
    for number in range(200):
        house.stage.fault(BY_PHONE, LOST[number % len(LOST)], code=-100)
        assert (await house.send(a_notice(KINDS[number % 11]))).verdict is Verdict.DOUBT
        assert (await house.resolve()).verdict is Verdict.UNKNOWN
    times = Counter(message["tracking_id"] for message in house.messages)
    assert (len(times), set(times.values())) == (200, {1})
    assert await house.used("notices") == 200


@pytest.mark.parametrize("address", [PHONE, TO_USER])
async def test_a_kept_id_proves_that_zalo_has_it_and_nobody_is_asked(house, address):
    """The process died between the answer and the ledger."""
    person(house.stage)
    await house.send(address=address)
    await house.start()
    calls = counting(house)
    assert await house.resolve(address=address) == Outcome(Verdict.DELIVERED)
    assert not calls


async def test_what_can_not_be_read_settles_nothing(house):
    await house.send()

    async def silent(tracking_id):
        raise Unreachable("bus")

    house.sent.message_id = silent
    doubt = await house.resolve()
    assert doubt.verdict is Verdict.DOUBT
    assert doubt.after_s > 0
