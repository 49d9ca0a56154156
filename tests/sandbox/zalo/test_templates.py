"""Template messages at the sandbox: by phone or user id, and every way to be refused."""

import unicodedata

import pytest

from sandbox.zalo.state.templates import Template

SEND, BY_ID = "/message/template", "/v3.0/oa/message/template"
PHONE = "84912345678"
DATA = {"ho_ten": "Trần Thị Bình", "ma_ho_so": "HS-01", "trang_thai": "Đã tiếp nhận"}
NEWS, CARE, SURVEY, OTP, PENDING = (f"10000{number}" for number in range(1, 6))
VISIT = {**DATA, "dia_diem": "Số 8 Tôn Thất Thuyết", "thoi_diem": "09:00 16/01/2027"}
FULL = {
    NEWS: DATA,
    CARE: {name: VISIT[name] for name in ("ho_ten", "ma_ho_so", "dia_diem", "thoi_diem")},
    SURVEY: {"ho_ten": "Trần Thị Bình", "ma_ho_so": "HS-01"},
    OTP: {"otp": "123456"},
    PENDING: {"ho_ten": "Bình", "ma_ho_so": "HS-01", "so_tien": "50000"},
}


def order(template=NEWS, **changes):
    body = {"phone": PHONE, "template_id": template, "template_data": FULL.get(template, DATA)}
    return body | {"tracking_id": "loa-1"} | changes


def having(**changes):
    return order(template_data={**DATA, **changes})


async def test_the_answer_tells_its_numbers_as_text(sandbox_client):
    sandbox_client.stage.set_rules(daily_quota=500)
    data = (await sandbox_client.said(SEND, order()))["data"]
    assert data.pop("msg_id") == sandbox_client.facts("template_sent")[0]["message"]["id"]
    assert data == {
        "sent_time": str(round(sandbox_client.stage.clock() * 1000)),
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
        ("4318420240101000001", -108),
        ("８４912345678", -108),
        (84912345678, -108),
        (None, -108),
    ],
)
async def test_a_phone_is_a_vietnamese_mobile(sandbox_client, phone, code):
    assert await sandbox_client.code(SEND, order(phone=phone)) == code
    assert {fact["message"]["phone"] for fact in sandbox_client.facts("template_sent")} <= {PHONE}


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
        (order(sending_mode="2"), -132),
        (order(sending_mode="3"), -161),
    ],
)
async def test_what_is_handed_in_is_checked(sandbox_client, body, code):
    answer = await sandbox_client.said(SEND, body)
    assert answer["error"] == code, answer
    assert len(sandbox_client.facts("template_sent")) == (code == 0)


@pytest.mark.parametrize(("body", "code"), [(b"", -121), (b"{", -122), (b"[]", -122)])
async def test_a_body_that_is_none(sandbox_client, body, code):
    async with sandbox_client.http.post(SEND, data=body, headers=sandbox_client.headers) as answer:
        assert (await answer.json())["error"] == code


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
async def test_a_template_has_to_be_approved(sandbox_client, status, code):
    template = Template(id="7", name="x", title="x", text="x", status=status)
    await sandbox_client.post("/_sandbox/templates", template.model_dump(mode="json"))
    assert await sandbox_client.code(SEND, order("7", template_data={})) == code


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"zns_allowed": False}, -135),
        ({"zns_blocked": True}, -1351),
        ({"zca_linked": False}, -136),
        ({"unknown_phones": -118}, -118),
        ({"unknown_phones": -114}, -114),
    ],
)
async def test_what_stands_in_the_account_s_way(sandbox_client, rules, code):
    sandbox_client.stage.set_rules(**rules)
    assert await sandbox_client.code(SEND, order()) == code


@pytest.mark.parametrize("code", [-110, -114, -118, -119, -140, -141])
async def test_what_zalo_says_of_one_recipient(sandbox_client, code):
    await sandbox_client.person(phone=PHONE, template_code=code)
    assert await sandbox_client.code(SEND, order()) == code
    assert await sandbox_client.code(SEND, order(phone="84987654321")) == 0


async def test_a_recipient_can_refuse_one_kind(sandbox_client):
    await sandbox_client.person(phone=PHONE, refused_tags=["CUSTOMER_CARE"])
    assert await sandbox_client.code(SEND, order(CARE)) == -139
    assert await sandbox_client.code(SEND, order(NEWS)) == 0


@pytest.mark.parametrize(
    ("hour", "care", "news"), [(21, 0, 0), (22, -133, 0), (5, -133, 0), (6, 0, 0)]
)
async def test_some_templates_do_not_go_at_night(sandbox_client, hour, care, news):
    await sandbox_client.post("/_sandbox/clock", {"now": f"2027-01-15T{hour:02}:00:00+07:00"})
    sandbox_client.stage.sandbox.grant()
    assert [await sandbox_client.code(SEND, order(one)) for one in (CARE, NEWS)] == [care, news]


async def test_the_account_and_the_template_have_limits_of_the_day(sandbox_client):
    sandbox_client.stage.set_rules(daily_quota=3)
    template = sandbox_client.stage.sandbox.world.templates.templates[NEWS]
    limited = template.model_copy(update={"daily_limit": 1})
    await sandbox_client.post("/_sandbox/templates", limited.model_dump(mode="json"))
    codes = [await sandbox_client.code(SEND, order(one)) for one in (NEWS, NEWS, OTP, OTP, OTP)]
    assert codes == [0, -147, 0, 0, -144]
    await sandbox_client.later(hours=12)
    assert await sandbox_client.code(SEND, order(NEWS)) == 0, "a new day in Vietnam"


async def test_promotions_have_limits_of_their_own(sandbox_client):
    sandbox_client.stage.set_rules(monthly_promotions=3, personal_promotions=2, whitelisted=True)
    people = [f"8491234560{number}" for number in range(3)]
    for phone in people:
        await sandbox_client.person(phone=phone)
    first, second, third = (order(SURVEY, phone=phone) for phone in people)
    assert await sandbox_client.code(SEND, first) == -140, "nobody had to do with them"
    for phone in people:
        assert await sandbox_client.code(SEND, order(NEWS, phone=phone)) == 0
    await sandbox_client.settle()
    assert [await sandbox_client.code(SEND, body) for body in (first, first)] == [0, -1472]
    await sandbox_client.later(days=1)
    assert await sandbox_client.code(SEND, first) == 0
    await sandbox_client.later(days=1)
    assert [await sandbox_client.code(SEND, body) for body in (first, second, third)] == [
        -1471,
        0,
        -1441,
    ]
    over_quota = third | {"sending_mode": "3"}
    assert (await sandbox_client.said(SEND, over_quota))["data"]["sending_mode"] == "3"
    assert await sandbox_client.code(SEND, order(NEWS, sending_mode="3")) == -162


@pytest.mark.parametrize("code", [-115, -137])
async def test_what_arrives_is_paid_for_and_an_empty_purse_stops(sandbox_client, code):
    sandbox_client.stage.set_rules(balance_code=code)
    await sandbox_client.post("/_sandbox/balance", {"balance": 1700})
    off = await sandbox_client.person(phone="84987654321", online=False)
    await sandbox_client.post(SEND, order())
    await sandbox_client.post(SEND, order(phone="84987654321"))
    await sandbox_client.settle()
    assert await balance(sandbox_client) == 900, "only one arrived"
    assert await sandbox_client.code(SEND, order()) == code, "the other may still arrive"
    await sandbox_client.said("/_sandbox/people", {"user_id": off, "online": True})
    await sandbox_client.settle()
    assert await balance(sandbox_client) == 100


async def balance(zalo):
    return (await zalo.get("/_sandbox/state"))[1]["money"]["balance"]


async def test_development_mode_reaches_admins_only_and_has_a_purse_of_its_own(sandbox_client):
    trial = {"mode": "development"}
    await sandbox_client.post("/_sandbox/balance", {"balance": 0, "development": 800})
    assert await sandbox_client.code(SEND, order(PENDING, **trial)) == -127
    admin = await sandbox_client.person(phone=PHONE)
    assert await sandbox_client.code(SEND, order(PENDING, **trial)) == -127
    await sandbox_client.said("/_sandbox/people", {"user_id": admin, "oa_admin": True})
    assert await sandbox_client.code(SEND, order(PENDING, **trial)) == 0, "not approved yet"
    assert await sandbox_client.code(SEND, order(PENDING, **trial)) == -126
    quota = (await sandbox_client.get("/message/quota"))[1]["data"]
    assert quota["remainingQuota"] == quota["dailyQuota"], "trials do not count"


async def test_a_tracking_id_that_comes_again_sends_again(sandbox_client):
    answers = [await sandbox_client.said(SEND, order()) for _ in range(2)]
    assert len({answer["data"]["msg_id"] for answer in answers}) == 2
    sent = [fact["message"] for fact in sandbox_client.facts("template_sent")]
    assert [message["tracking_id"] for message in sent] == ["loa-1", "loa-1"]


def to(user_id, template=NEWS, **data):
    body = {"user_id": user_id, "template_id": template}
    return body | {"template_data": data or FULL[template]}


@pytest.mark.parametrize("on_top", [False, True])
async def test_a_template_by_user_id(sandbox_client, on_top):
    sandbox_client.stage.set_rules(sent_time_on_top=on_top)
    user_id = await sandbox_client.person()
    answer = await sandbox_client.said(BY_ID, to(user_id))
    await sandbox_client.settle()
    data = answer["data"]
    assert data["quota"]["quota_type"] == "purchase_quota"
    assert data["user_id"] == user_id
    assert ("sent_time" in answer, "sent_time" in data) == (on_top, not on_top)
    assert await balance(sandbox_client) == 1_000_000 - 560
    [arrived] = sandbox_client.facts("message_delivered")
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
async def test_who_can_be_reached_by_user_id(sandbox_client, rules, person, template, code):
    user_id = await sandbox_client.person(**person)
    sandbox_client.stage.set_rules(**rules)
    assert await sandbox_client.code(BY_ID, to(user_id, template)) == code


async def test_by_user_id_money_night_and_unknown_people_have_their_codes(sandbox_client):
    user_id = await sandbox_client.person()
    assert await sandbox_client.code(BY_ID, to("1")) == -213
    assert await sandbox_client.code(BY_ID, to(user_id, ho_ten="Bình")) == -1122
    await sandbox_client.post("/_sandbox/balance", {"balance": 559})
    assert await sandbox_client.code(BY_ID, to(user_id)) == -321
    await sandbox_client.later(hours=10)
    assert await sandbox_client.code(BY_ID, to(user_id, SURVEY)) == -234
