"""Content of one-to-one messages at the sandbox: text alone."""

import unicodedata

import pytest

V3, V2 = "/v3.0/oa/message/cs", "/v2.0/oa/message"
PHOTO = {"type": "template", "payload": {"template_type": "media", "elements": [{}]}}
REFUSED = [
    (None, -201),
    ({}, -201),
    ({"text": ""}, -201),
    ({"text": 7}, -201),
    ({"text": "a" * 2001}, -210),
    ({"text": unicodedata.normalize("NFD", "ế" * 1000)}, -210),
    ({"text": "Ảnh", "attachment": PHOTO}, -233),
]


@pytest.mark.parametrize(("rules", "path"), [({}, V2), ({"oa_type": 2}, V3)])
async def test_a_message_holds_a_text_of_limited_length(sandbox_client, rules, path):
    sandbox_client.stage.set_rules(**rules)
    recipient = {"user_id": await sandbox_client.person()}
    longest = {"recipient": recipient, "message": {"text": "a" * 2000}}
    assert await sandbox_client.code(path, longest) == 0
    for content, code in REFUSED:
        body = {"recipient": recipient, "message": content}
        assert await sandbox_client.code(path, body) == code, content
    assert len(sandbox_client.facts("cs_sent")) == 1
