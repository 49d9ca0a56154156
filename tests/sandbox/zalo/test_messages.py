"""One-to-one messages at the sandbox: recipients, windows, calls, prices."""

import pytest

V3, V2 = "/v3.0/oa/message/cs", "/v2.0/oa/message"
BUSINESS = {"oa_type": 2}


async def wrote(zalo, **facts):
    """A person who has just written."""
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
async def test_which_call_an_account_may_use(sandbox_client, rules, v3, v2):
    sandbox_client.stage.set_rules(**rules)
    user_id = await wrote(sandbox_client)
    codes = [await sandbox_client.code(path, sandbox_client.message(user_id)) for path in (V3, V2)]
    assert codes == [v3, v2]
    assert len(sandbox_client.facts("cs_sent")) == codes.count(0), "a refusal has no effect"


@pytest.mark.parametrize(
    ("silent", "code"),
    [
        ({"hours": 0}, 0),
        ({"hours": 47, "minutes": 59}, 0),
        ({"hours": 48}, 0),
        ({"days": 6, "hours": 23}, 0),
        ({"days": 7}, -230),
        ({"days": 400}, -230),
    ],
)
@pytest.mark.parametrize(("rules", "path"), [({}, V2), (BUSINESS, V3)])
async def test_the_window_closes_seven_days_after_the_last_word(
    sandbox_client, silent, code, rules, path
):
    sandbox_client.stage.set_rules(**rules)
    user_id = await wrote(sandbox_client)
    await sandbox_client.later(**silent)
    assert await sandbox_client.code(path, sandbox_client.message(user_id)) == code
    await sandbox_client.act(user_id, "write", text="Tôi đây")
    assert await sandbox_client.code(path, sandbox_client.message(user_id)) == 0


@pytest.mark.parametrize("deed", ["follow", "write", "chat-now", "share"])
async def test_every_deed_of_a_person_opens_the_window_anew(sandbox_client, deed):
    user_id = await sandbox_client.person(follower=False)
    assert await sandbox_client.code(V2, sandbox_client.message(user_id)) == -213, (
        "never interacted"
    )
    await sandbox_client.act(user_id, deed)
    answer = await sandbox_client.said(V2, sandbox_client.message(user_id))
    assert answer["data"]["quota"]["quota_type"] == "reply"


async def test_a_silent_follower_may_be_greeted_three_times(sandbox_client):
    user_id = await sandbox_client.person(last_interaction=None)
    answers = [await sandbox_client.said(V2, sandbox_client.message(user_id)) for _ in range(4)]
    assert [answer["error"] for answer in answers] == [0, 0, 0, -232]
    quotas = [answer["data"]["quota"] for answer in answers[:3]]
    assert [quota["remain"] for quota in quotas] == ["2", "1", "0"]
    assert {quota["quota_type"] for quota in quotas} == {"welcome_msg"}


async def test_whoever_left_can_be_answered_within_the_window(sandbox_client):
    user_id = await wrote(sandbox_client)
    await sandbox_client.act(user_id, "unfollow")
    assert await sandbox_client.code(V2, sandbox_client.message(user_id)) == 0
    await sandbox_client.later(days=7)
    assert await sandbox_client.code(V2, sandbox_client.message(user_id)) == -230


@pytest.mark.parametrize("code", [-217, -218, -227, -244])
async def test_what_zalo_says_of_one_person(sandbox_client, code):
    user_id = await wrote(sandbox_client, message_code=code)
    assert await sandbox_client.code(V2, sandbox_client.message(user_id)) == code
    assert await sandbox_client.code(V2, sandbox_client.message(await wrote(sandbox_client))) == 0


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ({"user_id": "1"}, -213),
        ({"message_id": "nothing"}, -201),
        ({"anonymous_id": "1", "conversation_id": "2"}, -201),
        ({}, -201),
        (None, -201),
        ("somebody", -201),
    ],
)
async def test_a_recipient_that_is_not_there(sandbox_client, recipient, code):
    message = {"recipient": recipient, "message": {"text": "Xin chào"}}
    assert await sandbox_client.code(V2, message) == code


async def test_a_message_can_answer_one_of_theirs(sandbox_client):
    user_id = await sandbox_client.person(follower=False)
    id = (await sandbox_client.act(user_id, "write", text="Cho tôi hỏi"))["message_id"]
    reply = {"recipient": {"message_id": id}, "message": {"text": "Chào anh"}}
    answer = await sandbox_client.said(V2, reply)
    assert answer["data"]["user_id"] == user_id
    own = {"recipient": {"message_id": answer["data"]["message_id"]}, "message": {"text": "?"}}
    assert await sandbox_client.code(V2, own) == -201


@pytest.mark.parametrize(
    ("rules", "quota"),
    [
        ({}, {"quota_type": "reply"}),
        ({"counted_replies": True}, {"quota_type": "reply", "remain": "8", "total": "8"}),
    ],
)
async def test_the_answer_of_a_reply(sandbox_client, rules, quota):
    sandbox_client.stage.set_rules(**rules)
    user_id = await wrote(sandbox_client)
    data = (await sandbox_client.said(V2, sandbox_client.message(user_id)))["data"]
    assert data.pop("message_id") == sandbox_client.facts("cs_sent")[0]["message"]["id"]
    noon = str(round(sandbox_client.stage.clock() * 1000))
    assert data == {"user_id": user_id, "sent_time": noon, "quota": quota}


async def test_beyond_two_days_the_free_ones_go_first_and_then_it_costs(sandbox_client):
    sandbox_client.stage.set_rules(free_messages=1)
    await sandbox_client.post("/_sandbox/balance", {"balance": 100})
    user_id = await wrote(sandbox_client)
    await sandbox_client.later(hours=48)
    free, billed, refused = [
        await sandbox_client.said(V2, sandbox_client.message(user_id)) for _ in range(3)
    ]
    assert free["data"]["quota"]["quota_type"] == "sub_quota"
    assert free["data"]["quota"]["remain"] == "0"
    assert "quota" not in billed["data"]
    assert refused["error"] == -321, "45 of 100 are left"
    await sandbox_client.settle()
    assert (await sandbox_client.get("/_sandbox/state"))[1]["money"]["balance"] == 45
    sandbox_client.stage.set_rules(zca_linked=False)
    assert await sandbox_client.code(V2, sandbox_client.message(user_id)) == -320


async def test_the_profile_follows_the_rules(sandbox_client):
    before = (await sandbox_client.get("/v2.0/oa/getoa"))[1]["data"]
    await sandbox_client.person()
    sandbox_client.stage.set_rules(oa_type=2, free_package=True, zca_linked=False)
    after = (await sandbox_client.get("/v2.0/oa/getoa"))[1]["data"]
    assert (before["oa_type"], after["oa_type"]) == (4, 2)
    assert after["num_follower"] == before["num_follower"] + 1
    assert before["package_name"] != after["package_name"]
    assert (before["linked_ZCA"], after["linked_ZCA"]) == ("sandbox-zca", "")
