"""One-to-one messages at the sandbox: recipients, windows, calls, prices."""

import unicodedata

import pytest

V3, V2 = "/v3.0/oa/message/cs", "/v2.0/oa/message"
BUSINESS = {"oa_type": 2}
BOTH_CALLS = pytest.mark.parametrize(("rules", "path"), [({}, V2), (BUSINESS, V3)])


async def wrote(zalo, **facts):
    """The id of a person who has just written."""
    user_id = await zalo.person(**facts)
    await zalo.act(user_id, "write", text="Cho tôi hỏi")
    return user_id


@pytest.mark.parametrize(
    ("rules", "v3", "v2"),
    [
        ({}, -235, 0),
        ({"v2_refused": True}, -235, -235),
        (BUSINESS, 0, -240),
        (BUSINESS | {"free_package": True}, -224, -224),
        ({"free_package": True}, -224, -224),
    ],
)
async def test_which_call_an_account_may_use(zalo, rules, v3, v2):
    zalo.account.set_rules(**rules)
    user_id = await wrote(zalo)
    codes = [await zalo.code(path, zalo.message(user_id)) for path in (V3, V2)]
    assert codes == [v3, v2]
    assert len(zalo.facts("cs_sent")) == codes.count(0), "a refusal has no effect"


async def test_the_free_package_has_no_list_and_no_articles(zalo):
    zalo.account.set_rules(free_package=True)
    assert (await zalo.ask("/v3.0/oa/user/getlist"))["error"] == -224
    assert (await zalo.create())["error"] == -224
    assert zalo.account.articles == []


@BOTH_CALLS
async def test_the_window_closes_seven_days_after_the_last_word(zalo, rules, path):
    zalo.account.set_rules(**rules)
    user_id = await wrote(zalo)
    for silence, code in [({"days": 7, "seconds": -1}, 0), ({"seconds": 1}, -230)]:
        await zalo.later(**silence)
        assert await zalo.code(path, zalo.message(user_id)) == code
    await zalo.act(user_id, "write", text="Tôi đây")
    assert await zalo.code(path, zalo.message(user_id)) == 0


@pytest.mark.parametrize("deed", ["follow", "write", "chat-now", "share"])
async def test_every_deed_of_a_person_opens_the_window_anew(zalo, deed):
    user_id = await zalo.person(follower=False)
    assert await zalo.code(V2, zalo.message(user_id)) == -213, "never interacted"
    await zalo.act(user_id, deed)
    answer = await zalo.said(V2, zalo.message(user_id))
    assert answer["data"]["quota"] == {"quota_type": "reply"}


async def test_a_silent_follower_may_be_greeted_three_times(zalo):
    user_id = await zalo.person(last_interaction=None)
    answers = [await zalo.said(V2, zalo.message(user_id)) for _ in range(4)]
    assert [answer["error"] for answer in answers] == [0, 0, 0, -232]
    quotas = [answer["data"]["quota"] for answer in answers[:3]]
    assert [quota["remain"] for quota in quotas] == ["2", "1", "0"]
    assert {quota["quota_type"] for quota in quotas} == {"welcome_msg"}


@pytest.mark.parametrize("code", [-217, -218, -227, -244])
async def test_what_zalo_says_of_one_person(zalo, code):
    user_id = await wrote(zalo, message_code=code)
    assert await zalo.code(V2, zalo.message(user_id)) == code
    assert await zalo.code(V2, zalo.message(await wrote(zalo))) == 0


@BOTH_CALLS
async def test_a_message_holds_a_text_of_limited_length(zalo, rules, path):
    zalo.account.set_rules(**rules)
    recipient = {"user_id": await zalo.person()}
    photo = {"type": "template", "payload": {"template_type": "media", "elements": [{}]}}
    for content, code in [
        ({"text": "a" * 2000}, 0),
        (None, -201),
        ({}, -201),
        ({"text": ""}, -201),
        ({"text": 7}, -201),
        ({"text": "a" * 2001}, -210),
        ({"text": unicodedata.normalize("NFD", "ế" * 1000)}, -210),
        ({"text": "Ảnh", "attachment": photo}, -233),
    ]:
        body = {"recipient": recipient, "message": content}
        assert await zalo.code(path, body) == code, content
    assert len(zalo.facts("cs_sent")) == 1
    text = {"text": "Xin chào"}
    for recipient, code in [({"user_id": "1"}, -213), ({}, -201), (None, -201), ("x", -201)]:
        assert await zalo.code(path, {"recipient": recipient, "message": text}) == code


async def test_the_answer_of_a_reply(zalo):
    user_id = await wrote(zalo)
    data = (await zalo.said(V2, zalo.message(user_id)))["data"]
    assert data.pop("message_id") == zalo.facts("cs_sent")[0]["message"]["id"]
    noon = str(round(zalo.account.clock() * 1000))
    assert data == {"user_id": user_id, "sent_time": noon, "quota": {"quota_type": "reply"}}


async def test_beyond_two_days_a_message_costs(zalo):
    await zalo.said("/_sandbox/balance", {"balance": 100})
    user_id = await wrote(zalo)
    await zalo.later(hours=48)
    billed, refused = [await zalo.said(V2, zalo.message(user_id)) for _ in range(2)]
    assert "quota" not in billed["data"]
    assert refused["error"] == -321, "45 of 100 are left"
    assert await zalo.balance() == 45
    zalo.account.set_rules(zca_linked=False)
    assert await zalo.code(V2, zalo.message(user_id)) == -320
