"""Webhook events of the sandbox: echoes, receipts, and actions of people."""

import pytest

from tests.sandbox.zalo.test_templates import BY_ID, CARE, NEWS, PHONE, SEND, order, to
from tests.sandbox.zalo.test_webhooks import V2, receiving
from tests.support.sandbox_client import open_sandbox_client

OA = "4318420240101000001"


@pytest.fixture
async def sandbox_client(tmp_path, clock):
    """The caller also hears: `zalo.heard` are the events that came."""
    async with receiving() as receiver, open_sandbox_client(tmp_path, clock) as zalo:
        zalo.receiver = receiver
        await zalo.said("/_sandbox/webhook", {"url": receiver.url})
        yield zalo


async def heard(zalo, *names):
    """The events that came, and no others than *names*."""
    await zalo.settle()
    assert tuple(zalo.receiver.names) == names
    return zalo.receiver.events


@pytest.mark.parametrize(("rules", "path"), [({}, V2), ({"oa_type": 2}, "/v3.0/oa/message/cs")])
async def test_echo_and_receipt_carry_the_id_of_the_answer(sandbox_client, rules, path):
    sandbox_client.stage.set_rules(**rules)
    user_id = await sandbox_client.person()
    id = (await sandbox_client.said(path, sandbox_client.message(user_id)))["data"]["message_id"]
    echo, receipt = await heard(sandbox_client, "oa_send_text", "user_received_message")
    assert echo["message"] == {"text": "Xin chào", "msg_id": id}
    assert receipt["message"] == {"msg_id": id}, "no content: not to be taken for one of theirs"
    for event in (echo, receipt):
        assert (event["sender"], event["recipient"]) == ({"id": OA}, {"id": user_id})
    assert "X-ZEvent-Server" not in sandbox_client.receiver.came[1][1]


async def test_a_refused_message_is_not_told_of(sandbox_client):
    await sandbox_client.post(V2, sandbox_client.message("1"))
    await heard(sandbox_client)


async def test_only_phones_tell_that_a_message_arrived_and_was_read(sandbox_client):
    user_id = await sandbox_client.person(on_mobile=False)
    await sandbox_client.post(V2, sandbox_client.message(user_id))
    await sandbox_client.act(user_id, "read")
    await heard(sandbox_client, "oa_send_text")


async def test_the_receipt_comes_when_the_message_arrives(sandbox_client):
    sandbox_client.stage.set_rules(receipt_after_s=3600)
    await sandbox_client.post(V2, sandbox_client.message(await sandbox_client.person()))
    await heard(sandbox_client, "oa_send_text")
    await sandbox_client.later(hours=1)
    await heard(sandbox_client, "oa_send_text", "user_received_message")


@pytest.mark.parametrize(
    ("rules", "names"),
    [({"echoes": False}, ["user_received_message"]), ({"receipts": False}, ["oa_send_text"])],
)
async def test_echoes_and_receipts_can_be_switched_off(sandbox_client, rules, names):
    sandbox_client.stage.set_rules(**rules)
    await sandbox_client.post(V2, sandbox_client.message(await sandbox_client.person()))
    await heard(sandbox_client, *names)


async def test_a_template_s_receipt_carries_the_tracking_id_and_says_when(sandbox_client):
    sandbox_client.stage.set_rules(receipt_after_s=60)
    id = (await sandbox_client.said(SEND, order(tracking_id="loa-77")))["data"]["msg_id"]
    due = sandbox_client.stage.clock() + 60
    await sandbox_client.later(hours=2)
    [receipt] = await heard(sandbox_client, "user_received_message")
    assert receipt["message"] == {
        "delivery_time": str(round(due * 1000)),
        "msg_id": id,
        "tracking_id": "loa-77",
    }
    assert (receipt["sender"], receipt["recipient"]) == ({"id": OA}, {"id": PHONE})
    assert int(receipt["timestamp"]) > int(receipt["message"]["delivery_time"])
    [(_, headers, _)] = sandbox_client.receiver.came
    assert headers["X-ZEvent-Server"] == "ZNS"


async def test_a_receipt_by_user_id_names_the_user_id_and_no_tracking_id(sandbox_client):
    user_id = await sandbox_client.person(phone=PHONE)
    await sandbox_client.post(BY_ID, to(user_id))
    [receipt] = await heard(sandbox_client, "user_received_message")
    assert receipt["recipient"] == {"id": user_id}
    assert "tracking_id" not in receipt["message"]


@pytest.mark.parametrize("facts", [{"online": False}, {"on_mobile": False}])
async def test_there_is_no_event_for_what_did_not_arrive(sandbox_client, facts):
    await sandbox_client.person(phone=PHONE, **facts)
    await sandbox_client.post(SEND, order())
    await sandbox_client.later(days=1)
    await heard(sandbox_client)


DEEDS = [
    ("follow", {"source": "message_invite"}, "follow", {"source": "message_invite"}),
    ("unfollow", {}, "unfollow", {"oa_id": OA}),
    ("withdraw", {}, "user_withdraw", {"oa_id": OA}),
    ("chat-now", {}, "user_click_chatnow", {"oa_id": OA}),
    ("share", {"phone": PHONE}, "user_submit_info", {"info": {"phone": PHONE}}),
]


@pytest.mark.parametrize(("deed", "facts", "name", "told"), DEEDS)
async def test_what_people_do_is_told(sandbox_client, deed, facts, name, told):
    user_id = await sandbox_client.person()
    await sandbox_client.act(user_id, deed, **facts)
    [event] = await heard(sandbox_client, name)
    assert {key: event[key] for key in told} == told
    assert user_id in str(event)
    assert event["user_id_by_app"] not in ("", user_id)


@pytest.mark.parametrize(
    "sort",
    ["text", "image", "link", "audio", "video", "sticker", "location", "business_card", "file"],
)
async def test_whatever_people_send_is_told(sandbox_client, sort):
    user_id = await sandbox_client.person()
    attachments = [] if sort == "text" else [{"type": sort, "payload": {"url": "https://x"}}]
    said = await sandbox_client.act(
        user_id, "write", sort=sort, text="Xem này", attachments=attachments
    )
    [event] = await heard(sandbox_client, f"user_send_{sort}")
    assert (event["sender"], event["recipient"]) == ({"id": user_id}, {"id": OA})
    assert event["message"]["msg_id"] == said["message_id"]
    assert event["message"].get("attachments", []) == attachments


async def test_a_quote_and_a_reading(sandbox_client):
    user_id = await sandbox_client.person()
    id = (await sandbox_client.said(V2, sandbox_client.message(user_id)))["data"]["message_id"]
    await sandbox_client.act(user_id, "read")
    await sandbox_client.act(user_id, "write", text="Vâng", quote_message_id=id)
    *_, seen, wrote = await heard(
        sandbox_client,
        "oa_send_text",
        "user_received_message",
        "user_seen_message",
        "user_send_text",
    )
    assert seen["message"] == {"msg_ids": [id]}
    assert seen["sender"] == {"id": OA}
    assert wrote["message"]["quote_msg_id"] == id
    assert (await sandbox_client.act(user_id, "read"))["message_ids"] == [], "nothing new"


async def test_a_template_can_be_answered_and_rated(sandbox_client):
    user_id = await sandbox_client.person(phone=PHONE)
    id = (await sandbox_client.said(SEND, order(CARE)))["data"]["msg_id"]
    await sandbox_client.act(user_id, "tap", message_id=id)
    await sandbox_client.act(
        user_id, "feedback", message_id=id, rate=3, note="Chậm", feedbacks=["Chờ lâu"]
    )
    path, six = f"/_sandbox/people/{user_id}/feedback", {"message_id": id, "rate": 6}
    assert (await sandbox_client.post(path, six))[0] == 400
    _, tapped, rated = await heard(
        sandbox_client, "user_received_message", "user_click_response_button", "user_feedback"
    )
    assert (tapped["msg_id"], tapped["message"]["data"]) == (id, "xac-nhan")
    assert tapped["message"]["tracking_id"] == rated["message"]["tracking_id"] == "loa-1"
    assert (rated["message"]["rate"], rated["message"]["note"]) == (3, "Chậm")
    assert (rated["oa_id"], rated["message"]["msg_id"]) == (OA, id)
    assert {headers["X-ZEvent-Server"] for _, headers, _ in sandbox_client.receiver.came} == {"ZNS"}


async def test_changes_of_templates_and_quotas_are_told_of(sandbox_client):
    template = sandbox_client.stage.sandbox.world.templates.templates[NEWS]
    worse = template.model_copy(update={"status": "DISABLE", "quality": "LOW"})
    await sandbox_client.post("/_sandbox/templates", worse.model_dump(mode="json"))
    await sandbox_client.post("/_sandbox/rules", {"daily_quota": 500})
    status, quality, quota = await heard(
        sandbox_client, "change_template_status", "change_template_quality", "change_oa_daily_quota"
    )
    assert status["status"] == {"prev_status": "ENABLE", "new_status": "DISABLE"}
    assert (quality["template_id"], quality["quality"]) == (NEWS, "LOW")
    assert (quota["oaId"], quota["quota"]["new_value"]) == (OA, "500")


@pytest.mark.parametrize(
    ("deed", "facts"),
    [
        ("tap", {"message_id": "nothing"}),
        ("feedback", {"message_id": "nothing"}),
        ("read", {"message_ids": ["nothing"]}),
        ("write", {"sort": "poem"}),
        ("follow", {"source": "moon"}),
    ],
)
async def test_a_deed_that_cannot_be_done_is_refused(sandbox_client, deed, facts):
    user_id = await sandbox_client.person()
    assert (await sandbox_client.post(f"/_sandbox/people/{user_id}/{deed}", facts))[0] == 400
    assert (await sandbox_client.post("/_sandbox/people/1/follow"))[0] == 400
    await heard(sandbox_client)


async def test_a_message_without_buttons_cannot_be_tapped(sandbox_client):
    user_id = await sandbox_client.person()
    id = (await sandbox_client.said(V2, sandbox_client.message(user_id)))["data"]["message_id"]
    assert (await sandbox_client.post(f"/_sandbox/people/{user_id}/tap", {"message_id": id}))[
        0
    ] == 400
