"""What a one-to-one message may hold at the sandbox, and files that are uploaded for it."""

import unicodedata

import pytest

from tests.sandbox.zalo.test_sandbox import open_sandbox_client

V3, V2 = "/v3.0/oa/message/cs", "/v2.0/oa/message"
IMAGE, GIF, FILE = (f"/v2.0/oa/upload/{sort}" for sort in ("image", "gif", "file"))
MEGABYTE = 1 << 20


@pytest.fixture
async def sandbox_client(tmp_path, clock):
    async with open_sandbox_client(tmp_path, clock) as zalo:
        yield zalo


def media(**element):
    payload = {"template_type": "media", "elements": [element]}
    return {"type": "template", "payload": payload}


def listed(*elements):
    return {"type": "template", "payload": {"template_type": "list", "elements": list(elements)}}


def asking(*elements):
    payload = {"template_type": "request_user_info", "elements": list(elements)}
    return {"type": "template", "payload": payload}


def buttons(*some):
    return {"type": "template", "payload": {"buttons": list(some)}}


OPEN = {"title": "Mở", "type": "oa.open.url", "payload": {"url": "https://cong.example"}}
SAY = {"title": "Hỏi", "type": "oa.query.show", "payload": "hỏi"}
LINE = {"title": "Tin", "subtitle": "Tóm tắt"}
PHOTO = media(media_type="image", url="https://cong.example/a.png")
GOOD = [
    {"text": "a" * 2000},
    {"text": "Ảnh", "attachment": PHOTO},
    {"attachment": media(media_type="sticker", attachment_id="any")},
    {"attachment": media(media_type="gif", url="https://cong.example/a.gif")},
    {"attachment": asking(LINE)},
    {"text": "Chọn", "attachment": buttons(OPEN, SAY, SAY, OPEN, SAY)},
    {"attachment": PHOTO | {"payload": PHOTO["payload"] | {"buttons": [OPEN]}}},
    {
        "text": "Gọi",
        "attachment": buttons(
            {"title": "Gọi", "type": "oa.open.phone", "payload": {"phone_code": "84"}},
            {
                "title": "Nhắn",
                "type": "oa.open.sms",
                "payload": {"content": "a" * 160, "phone_code": "84"},
            },
        ),
    },
]
BAD = [
    (None, -201),
    ({}, -201),
    ({"text": ""}, -201),
    ({"text": 7}, -201),
    ({"text": "a" * 2001}, -210),
    ({"text": unicodedata.normalize("NFD", "ế" * 1000)}, -210),
    ({"text": "x", "quote_message_id": "old"}, -201),
    ({"attachment": {"type": "image", "payload": {"attachment_id": "x"}}}, -201),
    ({"attachment": {"type": "file", "payload": {"token": "x"}}}, -201),
    ({"attachment": {"type": "template", "payload": "x"}}, -201),
    ({"attachment": {"type": "template", "payload": {"template_type": "media"}}}, -201),
    ({"attachment": {"type": "template", "payload": {"template_type": "x", "elements": []}}}, -233),
    ({"attachment": media(media_type="image")}, -201),
    ({"attachment": media(media_type="image", url="https://x", attachment_id="y")}, -201),
    ({"attachment": media(media_type="image", attachment_id="nobody")}, -201),
    ({"attachment": media(media_type="poem", url="https://x")}, -201),
    ({"attachment": media(media_type="image", url="https://x/broken.png")}, -200),
    ({"attachment": asking(LINE, LINE)}, -201),
    ({"attachment": asking({"title": "a" * 101})}, -210),
    ({"attachment": asking({"title": "a", "subtitle": "b" * 501})}, -210),
    ({"attachment": asking({"subtitle": "a"})}, -201),
    ({"attachment": buttons()}, -201),
    ({"attachment": buttons(*[SAY] * 6)}, -201),
    ({"attachment": buttons(SAY | {"title": "a" * 101})}, -210),
    ({"attachment": buttons(SAY | {"payload": "a" * 1001})}, -210),
    ({"attachment": buttons(SAY | {"type": "oa.dance"})}, -201),
    ({"attachment": buttons(OPEN | {"payload": {}})}, -201),
    ({"attachment": buttons("Mở")}, -201),
]


@pytest.mark.parametrize(("rules", "path"), [({}, V2), ({"oa_type": 2}, V3)])
async def test_what_a_message_may_hold(sandbox_client, rules, path):
    sandbox_client.stage.set_rules(broken_images=("broken",), **rules)
    user_id = await sandbox_client.person()
    for content in GOOD:
        answer = await sandbox_client.said(
            path, {"recipient": {"user_id": user_id}, "message": content}
        )
        assert answer["error"] == 0, (content, answer)
    for content, code in BAD:
        answer = await sandbox_client.said(
            path, {"recipient": {"user_id": user_id}, "message": content}
        )
        assert answer["error"] == code, (content, answer)
    assert len(sandbox_client.facts("cs_sent")) == len(GOOD)


@pytest.mark.parametrize(
    ("elements", "v2"),
    [([LINE], 0), ([LINE] * 5, 0), ([LINE] * 6, -201), ([], -201), ([{"title": "Tin"}], -201)],
)
async def test_lists_exist_in_the_old_call_only(sandbox_client, elements, v2):
    user_id = await sandbox_client.person()
    message = sandbox_client.message(user_id, attachment=listed(*elements))
    assert await sandbox_client.code(V2, message) == v2
    sandbox_client.stage.set_rules(oa_type=2)
    assert await sandbox_client.code(V3, message) == -233


async def test_a_message_can_quote_one_that_is_there(sandbox_client):
    user_id = await sandbox_client.person()
    id = (await sandbox_client.act(user_id, "write", text="Hỏi"))["message_id"]
    quoting = sandbox_client.message(user_id, text="Đáp", quote_message_id=id)
    assert await sandbox_client.code(V2, quoting) == 0


@pytest.mark.parametrize(
    ("path", "name", "size", "code", "words"),
    [
        (IMAGE, "a.png", MEGABYTE, 0, ""),
        (IMAGE, "a.JPG", 1, 0, ""),
        (IMAGE, "a.png", MEGABYTE + 1, -210, "exceeds"),
        (IMAGE, "a.gif", 1, -201, "file is invalid. We only support png and jpeg"),
        (GIF, "a.gif", 5 * MEGABYTE, 0, ""),
        (GIF, "a.gif", 5 * MEGABYTE + 1, -210, "exceeds"),
        (GIF, "a.png", 1, -201, "only support gif"),
        (FILE, "a.pdf", 5 * MEGABYTE, 0, ""),
        (FILE, "a.docx", 1, 0, ""),
        (FILE, "a.exe", 1, -201, "only support pdf"),
        (FILE, "a.csv", 5 * MEGABYTE + 1, -210, "exceeds"),
        ("/upload/image", "a.png", 500 * 1024, 0, ""),
        ("/upload/image", "a.png", 500 * 1024 + 1, -158, "size"),
        ("/upload/image", "a.pdf", 1, -159, "format"),
    ],
)
async def test_an_upload_is_judged_by_its_name_and_size(
    sandbox_client, path, name, size, code, words
):
    answer = await sandbox_client.upload(path, name, b"x" * size)
    assert answer["error"] == code
    assert words in answer["message"]
    assert len(sandbox_client.facts("upload_kept")) == (code == 0)


@pytest.mark.parametrize("path", [IMAGE, GIF, FILE, "/upload/image"])
async def test_a_name_without_an_extension_gives_success_and_nothing(sandbox_client, path):
    answer = await sandbox_client.upload(path, "picture")
    assert (answer["error"], answer["data"]) == (0, {})
    assert sandbox_client.facts("upload_kept") == []


async def test_an_upload_needs_a_file(sandbox_client):
    assert await sandbox_client.code(IMAGE) == -201


@pytest.mark.parametrize(("path", "code"), [(IMAGE, -211), ("/upload/image", -160)])
async def test_uploads_have_a_quota_of_the_month(sandbox_client, path, code):
    sandbox_client.stage.set_rules(upload_quota=1)
    codes = [(await sandbox_client.upload(path, "a.png"))["error"] for _ in range(2)]
    await sandbox_client.later(days=20)
    assert [*codes, (await sandbox_client.upload(path, "a.png"))["error"]] == [0, code, 0]


@pytest.mark.parametrize(
    ("sort", "path", "name"), [("image", IMAGE, "a.png"), ("gif", GIF, "a.gif")]
)
async def test_an_upload_can_be_sent_for_seven_days(sandbox_client, sort, path, name):
    id = (await sandbox_client.upload(path, name))["data"]["attachment_id"]
    user_id = await sandbox_client.person()
    picture = sandbox_client.message(user_id, attachment=media(media_type=sort, attachment_id=id))
    assert await sandbox_client.code(V2, picture) == 0
    other = {"image": "gif", "gif": "image"}[sort]
    wrong = sandbox_client.message(user_id, attachment=media(media_type=other, attachment_id=id))
    assert await sandbox_client.code(V2, wrong) == -201
    await sandbox_client.later(days=7, seconds=-1)
    await sandbox_client.act(user_id, "write", text="Gửi lại")
    assert await sandbox_client.code(V2, picture) == 0
    await sandbox_client.later(seconds=1)
    answer = await sandbox_client.said(V2, picture)
    assert (answer["error"], answer["message"]) == (-100, "attachment_id was expired")


async def test_a_file_is_sent_by_its_token(sandbox_client):
    token = (await sandbox_client.upload(FILE, "công văn.pdf"))["data"]["token"]
    user_id = await sandbox_client.person()
    attachment = {"type": "file", "payload": {"token": token}}
    assert (
        await sandbox_client.code(V2, sandbox_client.message(user_id, attachment=attachment)) == 0
    )
    [sent] = sandbox_client.facts("cs_sent")
    assert sent["message"]["sort"] == "file"
    assert sent["message"]["content"]["attachments"][0]["payload"]["name"] == "công văn.pdf"
