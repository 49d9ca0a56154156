"""What the sandbox tells by webhook: echoes and receipts of what was sent, and what people did."""

from hashlib import sha256

import pytest

from tests.test_zalo_sandbox import calling
from tests.test_zalo_sandbox_content import FILE, IMAGE, LINE, listed, media
from tests.test_zalo_sandbox_templates import BY_ID, CARE, HASH, NEWS, PHONE, SEND, order, to
from tests.test_zalo_sandbox_webhooks import V2, receiving

OA = "4318420240101000001"


@pytest.fixture
async def zalo(tmp_path, clock):
    """The caller also hears: `zalo.heard` are the events that came."""
    async with receiving() as receiver, calling(tmp_path, clock) as zalo:
        zalo.receiver = receiver
        await zalo.said("/_sandbox/webhook", {"url": receiver.url})
        yield zalo


async def heard(zalo, *names):
    """The events that came, and no others than *names*."""
    await zalo.settle()
    assert tuple(zalo.receiver.names) == names
    return zalo.receiver.events


@pytest.mark.parametrize(("rules", "path"), [({}, V2), ({"oa_type": 2}, "/v3.0/oa/message/cs")])
async def test_echo_and_receipt_carry_the_id_of_the_answer(zalo, rules, path):
    zalo.stage.rules(**rules)
    user_id = await zalo.person()
    id = (await zalo.said(path, zalo.message(user_id)))["data"]["message_id"]
    echo, receipt = await heard(zalo, "oa_send_text", "user_received_message")
    assert echo["message"] == {"text": "Xin chào", "msg_id": id}
    assert receipt["message"] == {"msg_id": id}, "no content: not to be taken for one of theirs"
    for event in (echo, receipt):
        assert (event["sender"], event["recipient"]) == ({"id": OA}, {"id": user_id})
    assert "X-ZEvent-Server" not in zalo.receiver.came[1][1]


async def sendable(zalo):
    image = (await zalo.upload(IMAGE, "a.png"))["data"]["attachment_id"]
    gif = (await zalo.upload("/v2.0/oa/upload/gif", "a.gif"))["data"]["attachment_id"]
    token = (await zalo.upload(FILE, "a.pdf"))["data"]["token"]
    return {
        "image": media(media_type="image", attachment_id=image),
        "gif": media(media_type="gif", attachment_id=gif),
        "sticker": media(media_type="sticker", attachment_id="s"),
        "file": {"type": "file", "payload": {"token": token}},
        "list": listed(LINE),
    }


@pytest.mark.parametrize("sort", ["image", "gif", "sticker", "file", "list"])
async def test_the_echo_is_named_after_what_was_sent(zalo, sort):
    attachment = (await sendable(zalo))[sort]
    await zalo.post(V2, zalo.message(await zalo.person(), attachment=attachment))
    await heard(zalo, f"oa_send_{sort}", "user_received_message")


async def test_a_refused_message_is_not_told_of(zalo):
    await zalo.post(V2, zalo.message("1"))
    await heard(zalo)


async def test_only_phones_tell_that_a_message_arrived_and_was_read(zalo):
    user_id = await zalo.person(on_mobile=False)
    await zalo.post(V2, zalo.message(user_id))
    await zalo.act(user_id, "read")
    await heard(zalo, "oa_send_text")


async def test_the_receipt_comes_when_the_message_arrives(zalo):
    zalo.stage.rules(receipt_after_s=3600)
    await zalo.post(V2, zalo.message(await zalo.person()))
    await heard(zalo, "oa_send_text")
    await zalo.later(hours=1)
    await heard(zalo, "oa_send_text", "user_received_message")


@pytest.mark.parametrize(
    ("rules", "names"),
    [({"echoes": False}, ["user_received_message"]), ({"receipts": False}, ["oa_send_text"])],
)
async def test_echoes_and_receipts_can_be_switched_off(zalo, rules, names):
    zalo.stage.rules(**rules)
    await zalo.post(V2, zalo.message(await zalo.person()))
    await heard(zalo, *names)


async def test_a_template_s_receipt_carries_the_tracking_id_and_says_when(zalo):
    zalo.stage.rules(receipt_after_s=60)
    id = (await zalo.said(SEND, order(tracking_id="loa-77")))["data"]["msg_id"]
    due = zalo.stage.clock() + 60
    await zalo.later(hours=2)
    [receipt] = await heard(zalo, "user_received_message")
    assert receipt["message"] == {
        "delivery_time": str(round(due * 1000)),
        "msg_id": id,
        "tracking_id": "loa-77",
    }
    assert (receipt["sender"], receipt["recipient"]) == ({"id": OA}, {"id": PHONE})
    assert int(receipt["timestamp"]) > int(receipt["message"]["delivery_time"])
    [(_, headers, _)] = zalo.receiver.came
    assert headers["X-ZEvent-Server"] == "ZNS"


async def test_a_hash_is_told_back_as_a_hash_and_a_user_id_as_a_user_id(zalo):
    digest, user_id = sha256(PHONE.encode()).hexdigest(), await zalo.person(phone=PHONE)
    await zalo.post(HASH, order(hash_phone=digest))
    await zalo.post(BY_ID, to(user_id))
    by_hash, by_id = await heard(zalo, "user_received_message", "user_received_message")
    assert by_hash["recipient"] == {"id": digest}
    assert by_id["recipient"] == {"id": user_id}
    assert "tracking_id" not in by_id["message"]


@pytest.mark.parametrize("facts", [{"online": False}, {"on_mobile": False}])
async def test_there_is_no_event_for_what_did_not_arrive(zalo, facts):
    await zalo.person(phone=PHONE, **facts)
    await zalo.post(SEND, order())
    await zalo.later(days=1)
    await heard(zalo)


DEEDS = [
    ("follow", {"source": "message_invite"}, "follow", {"source": "message_invite"}),
    ("unfollow", {}, "unfollow", {"oa_id": OA}),
    ("withdraw", {}, "user_withdraw", {"oa_id": OA}),
    ("chat-now", {}, "user_click_chatnow", {"oa_id": OA}),
    ("share", {"phone": PHONE}, "user_submit_info", {"info": {"phone": PHONE}}),
]


@pytest.mark.parametrize(("deed", "facts", "name", "told"), DEEDS)
async def test_what_people_do_is_told(zalo, deed, facts, name, told):
    user_id = await zalo.person()
    await zalo.act(user_id, deed, **facts)
    [event] = await heard(zalo, name)
    assert {key: event[key] for key in told} == told
    assert user_id in str(event)
    assert event["user_id_by_app"] not in ("", user_id)


@pytest.mark.parametrize(
    "sort",
    ["text", "image", "link", "audio", "video", "sticker", "location", "business_card", "file"],
)
async def test_whatever_people_send_is_told(zalo, sort):
    user_id = await zalo.person()
    attachments = [] if sort == "text" else [{"type": sort, "payload": {"url": "https://x"}}]
    said = await zalo.act(user_id, "write", sort=sort, text="Xem này", attachments=attachments)
    [event] = await heard(zalo, f"user_send_{sort}")
    assert (event["sender"], event["recipient"]) == ({"id": user_id}, {"id": OA})
    assert event["message"]["msg_id"] == said["message_id"]
    assert event["message"].get("attachments", []) == attachments


async def test_a_quote_a_reading_and_an_icon(zalo):
    user_id = await zalo.person()
    id = (await zalo.said(V2, zalo.message(user_id)))["data"]["message_id"]
    await zalo.act(user_id, "read")
    await zalo.act(user_id, "react", message_id=id, icon="/-heart")
    await zalo.act(user_id, "write", text="Vâng", quote_message_id=id)
    *_, seen, reacted, wrote = await heard(
        zalo,
        "oa_send_text",
        "user_received_message",
        "user_seen_message",
        "user_reacted_message",
        "user_send_text",
    )
    assert seen["message"] == {"msg_ids": [id]}
    assert seen["sender"] == {"id": OA}
    assert reacted["message"] == {"msg_id": id, "react_icon": "/-heart"}
    assert wrote["message"]["quote_msg_id"] == id
    assert (await zalo.act(user_id, "read"))["message_ids"] == [], "nothing new"


@pytest.mark.parametrize(
    ("kind", "said"), [("oa.query.show", True), ("oa.query.hide", True), ("oa.open.url", False)]
)
async def test_a_tapped_button_says_its_query(zalo, kind, said):
    user_id = await zalo.person()
    payload = {"url": "https://x"} if kind == "oa.open.url" else "#tra-cuu"
    buttons = [{"title": "Tra cứu", "type": kind, "payload": payload}]
    attachment = {"type": "template", "payload": {"buttons": buttons}}
    answer = await zalo.said(V2, zalo.message(user_id, text="Chọn", attachment=attachment))
    await zalo.act(user_id, "tap", message_id=answer["data"]["message_id"])
    spoken = ["user_send_text"] if said else []
    events = await heard(zalo, "oa_send_text", "user_received_message", *spoken)
    assert not said or events[-1]["message"]["text"] == "#tra-cuu"


async def test_a_template_can_be_answered_and_rated(zalo):
    user_id = await zalo.person(phone=PHONE)
    id = (await zalo.said(SEND, order(CARE)))["data"]["msg_id"]
    await zalo.act(user_id, "tap", message_id=id)
    await zalo.act(user_id, "feedback", message_id=id, rate=3, note="Chậm", feedbacks=["Chờ lâu"])
    path, six = f"/_sandbox/people/{user_id}/feedback", {"message_id": id, "rate": 6}
    assert (await zalo.post(path, six))[0] == 400
    _, tapped, rated = await heard(
        zalo, "user_received_message", "user_click_response_button", "user_feedback"
    )
    assert (tapped["msg_id"], tapped["message"]["data"]) == (id, "xac-nhan")
    assert tapped["message"]["tracking_id"] == rated["message"]["tracking_id"] == "loa-1"
    assert (rated["message"]["rate"], rated["message"]["note"]) == (3, "Chậm")
    assert (rated["oa_id"], rated["message"]["msg_id"]) == (OA, id)
    assert {headers["X-ZEvent-Server"] for _, headers, _ in zalo.receiver.came} == {"ZNS"}


async def test_tags_are_told_of(zalo):
    body = {"user_id": await zalo.person(), "tag_name": "hỏi"}
    for path in ("tagfollower", "tagfollower", "rmfollowerfromtag", "tagfollower", "rmtag"):
        assert await zalo.code(f"/v2.0/oa/tag/{path}", body) == 0
    events = await heard(
        zalo, "add_user_to_tag", "remove_user_from_tag", "add_user_to_tag", "remove_tag"
    )
    assert {str(event["tag"]) for event in events} == {
        str({"name": "hỏi", "user_ids": [body["user_id"]]})
    }


async def test_changes_of_templates_and_quotas_are_told_of(zalo):
    template = zalo.stage.sandbox.world.shelf.templates[NEWS]
    worse = template.model_copy(update={"status": "DISABLE", "quality": "LOW"})
    await zalo.post("/_sandbox/templates", worse.model_dump(mode="json"))
    await zalo.post("/_sandbox/rules", {"daily_quota": 500})
    status, quality, quota = await heard(
        zalo, "change_template_status", "change_template_quality", "change_oa_daily_quota"
    )
    assert status["status"] == {"prev_status": "ENABLE", "new_status": "DISABLE"}
    assert (quality["template_id"], quality["quality"]) == (NEWS, "LOW")
    assert (quota["oaId"], quota["quota"]["new_value"]) == (OA, "500")


@pytest.mark.parametrize(
    ("deed", "facts"),
    [
        ("tap", {"message_id": "nothing"}),
        ("react", {"message_id": "nothing"}),
        ("feedback", {"message_id": "nothing"}),
        ("read", {"message_ids": ["nothing"]}),
        ("write", {"sort": "poem"}),
        ("follow", {"source": "moon"}),
    ],
)
async def test_a_deed_that_cannot_be_done_is_refused(zalo, deed, facts):
    user_id = await zalo.person()
    assert (await zalo.post(f"/_sandbox/people/{user_id}/{deed}", facts))[0] == 400
    assert (await zalo.post("/_sandbox/people/1/follow"))[0] == 400
    await heard(zalo)


async def test_a_message_without_buttons_cannot_be_tapped(zalo):
    user_id = await zalo.person()
    id = (await zalo.said(V2, zalo.message(user_id)))["data"]["message_id"]
    assert (await zalo.post(f"/_sandbox/people/{user_id}/tap", {"message_id": id}))[0] == 400
