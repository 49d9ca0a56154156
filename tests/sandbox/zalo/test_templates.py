"""Template messages at the sandbox: by phone or user id, every refusal, and reads about them."""

import unicodedata

import pytest

from sandbox.zalo.state.templates import Template
from tests.support.sandbox_client import (
    BY_PHONE,
    BY_USER_ID,
    CARE,
    NEWS,
    NEWS_DATA,
    OTP,
    PENDING,
    PHONE,
    SURVEY,
    order,
    order_by_user_id,
)  # fmt: skip


def having(**changes):
    return order(template_data=NEWS_DATA | changes)


async def set_template(zalo, template, **changes):
    changed = template.model_copy(update=changes)
    await zalo.said("/_sandbox/templates", changed.model_dump(mode="json"))


async def test_the_answer_tells_its_numbers_as_text(zalo):
    zalo.account.set_rules(daily_quota=500)
    data = (await zalo.said(BY_PHONE, order()))["data"]
    assert data.pop("msg_id") == zalo.facts("template_sent")[0]["message"]["id"]
    assert data == {
        "sent_time": str(round(zalo.account.clock() * 1000)),
        "sending_mode": "1",
        "quota": {"dailyQuota": "500", "remainingQuota": "499"},
    }


@pytest.mark.parametrize(
    ("phone", "code"),
    [
        (PHONE, 0),
        ("+84912345678", 0),
        ("0912345678", 0),
        ("912345678", 0),
        ("842438241234", -108),
        ("8491234567", -108),
        ("849123456789", -108),
        ("８４912345678", -108),
        (84912345678, -108),
        (None, -108),
    ],
)
async def test_a_phone_is_a_vietnamese_mobile(zalo, phone, code):
    assert await zalo.code(BY_PHONE, order(phone=phone)) == code
    assert {fact["message"]["phone"] for fact in zalo.facts("template_sent")} <= {PHONE}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (having(thoi_diem="10:30:15 31/12/2026"), 0),
        (having(thoi_diem="12/2026"), 0),
        (having(trang_thai="a" * 30), 0),
        (having(ma_ho_so=7), 0),
        (having(more="x"), 0),
        (order(template_data={}), -111),
        (order(template_data=None), -111),
        (order(template_data={"ho_ten": "Bình"}), -1122),
        (having(ho_ten=None), -1122),
        (having(trang_thai="a" * 31), -1121),
        (having(trang_thai=unicodedata.normalize("NFD", "ế" * 15)), -1121),
        (having(thoi_diem="2026-12-31"), -1124),
        (having(thoi_diem="25:00"), -1124),
        (having(ma_ho_so=["HS-01"]), -112),
        (having(ma_ho_so=True), -112),
        (order(OTP, template_data={"otp": "12a"}), -1124),
        (order(OTP, template_data={"otp": "1" * 11}), -1121),
        (order("999999"), -109),
        (order(template_id=None), -109),
        (order(PENDING), -131),
        (order(tracking_id="a" * 48), 0),
        (order(tracking_id="a" * 49), -132),
        (order(tracking_id="a b"), -132),
        (order(sending_mode="3"), -132),
    ],
)
async def test_an_order_is_checked(zalo, body, code):
    answer = await zalo.said(BY_PHONE, body)
    assert answer["error"] == code, answer
    assert len(zalo.facts("template_sent")) == (code == 0)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("ENABLE", 0),
        ("PENDING_REVIEW", -131),
        ("REJECT", -131),
        ("DISABLE", -146),
        ("DELETE", -109),
    ],
)
async def test_a_template_has_to_be_approved(zalo, status, code):
    await set_template(zalo, Template(id="7", name="x", title="x", text="x"), status=status)
    assert await zalo.code(BY_PHONE, order("7")) == code


async def test_each_refusal_of_a_recipient_and_of_the_account_has_its_code(zalo):
    for code in (-110, -114, -118, -119, -139, -140, -141):
        await zalo.person(user_id="1", phone=PHONE, template_code=code)
        assert await zalo.code(BY_PHONE, order()) == code
    unknown = order(phone="84987654321")
    assert await zalo.code(BY_PHONE, unknown) == 0
    for rules, code in [({"unknown_phones": -114}, -114), ({"zca_linked": False}, -136)]:
        zalo.account.set_rules(**rules)
        assert await zalo.code(BY_PHONE, unknown) == code


@pytest.mark.parametrize(
    ("hour", "care", "news"), [(21, 0, 0), (22, -133, 0), (5, -133, 0), (6, 0, 0)]
)
async def test_some_templates_do_not_go_at_night(zalo, hour, care, news):
    await zalo.said("/_sandbox/clock", {"now": f"2027-01-15T{hour:02}:00:00+07:00"})
    zalo.account.sandbox.grant()
    assert [await zalo.code(BY_PHONE, order(id)) for id in (CARE, NEWS)] == [care, news]


async def test_the_account_the_template_and_promotions_have_limits(zalo):
    zalo.account.set_rules(daily_quota=4, monthly_promotions=1)
    await set_template(zalo, zalo.world.templates.templates[NEWS], daily_limit=1)
    sent = [NEWS, NEWS, SURVEY, SURVEY, OTP, OTP, OTP]
    codes = [await zalo.code(BY_PHONE, order(id)) for id in sent]
    assert codes == [0, -147, 0, -1441, 0, 0, -144]
    await zalo.later(hours=12)
    assert await zalo.code(BY_PHONE, order(NEWS)) == 0, "a new day in Vietnam"
    assert await zalo.code(BY_PHONE, order(SURVEY)) == -1441


async def test_what_arrives_is_paid_for_and_an_empty_balance_stops(zalo):
    await zalo.said("/_sandbox/balance", {"balance": 1700})
    off = await zalo.person(phone="84987654321", online=False)
    for phone in (PHONE, "84987654321"):
        await zalo.said(BY_PHONE, order(phone=phone))
    assert await zalo.balance() == 900, "only one arrived"
    assert await zalo.code(BY_PHONE, order()) == -115, "the other may still arrive"
    await zalo.later(hours=20)
    await zalo.said("/_sandbox/people", {"user_id": off, "online": True})
    assert await zalo.balance() == 100
    assert zalo.facts("message_delivered")[1]["at"] == "2027-01-16T01:00:00+00:00"


@pytest.mark.parametrize("on_top", [False, True])
async def test_a_template_by_user_id(zalo, on_top):
    zalo.account.set_rules(sent_time_on_top=on_top)
    user_id = await zalo.person()
    answer = await zalo.said(BY_USER_ID, order_by_user_id(user_id))
    data = answer["data"]
    assert data["quota"]["quota_type"] == "purchase_quota"
    assert data["user_id"] == user_id
    assert ("sent_time" in answer, "sent_time" in data) == (on_top, not on_top)
    assert await zalo.balance() == 1_000_000 - 560
    [arrived] = zalo.facts("message_delivered")
    assert arrived["id"] == data["message_id"]


@pytest.mark.parametrize(
    ("rules", "person", "template", "code"),
    [
        ({"free_package": True}, {}, NEWS, -224),
        ({"uid_templates": False}, {}, NEWS, -235),
        ({}, {}, OTP, -249),
        ({}, {}, PENDING, -131),
        ({}, {"message_code": -244}, NEWS, -244),
        ({}, {"last_interaction": None}, NEWS, -232),
        ({}, {"last_interaction": "2026-01-15T12:00:00+07:00"}, NEWS, -232),
        ({}, {"last_interaction": "2026-01-15T12:00:01+07:00"}, NEWS, 0),
        ({}, {"last_interaction": None}, SURVEY, 0),
        ({}, {"follower": False}, SURVEY, -213),
        ({"zca_linked": False}, {}, NEWS, -320),
    ],
)
async def test_who_can_be_reached_by_user_id(zalo, rules, person, template, code):
    user_id = await zalo.person(**person)
    zalo.account.set_rules(**rules)
    assert await zalo.code(BY_USER_ID, order_by_user_id(user_id, template)) == code


async def test_by_user_id_money_night_and_unknown_people_have_their_codes(zalo):
    user_id = await zalo.person()
    assert await zalo.code(BY_USER_ID, order_by_user_id("1")) == -213
    missing = order_by_user_id(user_id, data={"ho_ten": "Bình"})
    assert await zalo.code(BY_USER_ID, missing) == -1122
    await zalo.said("/_sandbox/balance", {"balance": 559})
    assert await zalo.code(BY_USER_ID, order_by_user_id(user_id)) == -321
    await zalo.later(hours=10)
    assert await zalo.code(BY_USER_ID, order_by_user_id(user_id, SURVEY)) == -234
