"""What can be asked about template messages at the sandbox: status, quotas, templates, ratings."""

import pytest

from tests.sandbox.zalo.test_sandbox import open_sandbox_client
from tests.sandbox.zalo.test_templates import NEWS, OTP, PHONE, SEND, order


@pytest.fixture
async def sandbox_client(tmp_path, clock):
    async with open_sandbox_client(tmp_path, clock) as zalo:
        yield zalo


async def read(zalo, path, **query):
    return (await zalo.get(path, **query))[1]


async def test_the_status_of_a_message(sandbox_client):
    sandbox_client.stage.set_rules(receipt_after_s=60)
    id = (await sandbox_client.said(SEND, order()))["data"]["msg_id"]
    sent = (await read(sandbox_client, "/message/status", message_id=id))["data"]
    await sandbox_client.later(seconds=60)
    arrived = (await read(sandbox_client, "/message/status", message_id=id))["data"]
    unknown = (await read(sandbox_client, "/message/status", message_id="nothing"))["data"]
    assert [one["status"] for one in (sent, arrived, unknown)] == [0, 1, -1]
    assert arrived["delivery_time"] == str(round(sandbox_client.stage.clock() * 1000))
    assert (await read(sandbox_client, "/message/status"))["error"] == -107


async def test_a_phone_that_is_off_gets_its_message_when_it_is_on_again(sandbox_client):
    user_id = await sandbox_client.person(phone=PHONE, online=False)
    id = (await sandbox_client.said(SEND, order()))["data"]["msg_id"]
    await sandbox_client.later(hours=20)
    assert (await read(sandbox_client, "/message/status", message_id=id))["data"]["status"] == 0
    await sandbox_client.said("/_sandbox/people", {"user_id": user_id, "online": True})
    arrived = (await read(sandbox_client, "/message/status", message_id=id))["data"]
    assert arrived["delivery_time"] == str(round(sandbox_client.stage.clock() * 1000))


async def test_the_quota_is_told_in_numbers(sandbox_client):
    assert (await read(sandbox_client, "/message/quota"))["data"]["dailyQuota"] == 20000
    sandbox_client.stage.set_rules(daily_quota=1)
    await sandbox_client.post(SEND, order())
    data = (await read(sandbox_client, "/message/quota"))["data"]
    assert (data["dailyQuota"], data["remainingQuota"]) == (1, 0)
    assert data["remainingMonthlyPromotionQuota"] == data["monthlyPromotionQuota"] == 10000
    assert data["dailyQuotaPromotion"] is None


async def test_tags_and_quality(sandbox_client):
    tags = await read(sandbox_client, "/message/template-tag")
    assert tags["data"] == ["OTP", "IN_TRANSACTION", "POST_TRANSACTION"]
    sandbox_client.stage.set_rules(quality="LOW")
    quality = await read(sandbox_client, "/quality")
    assert quality["data"] == {"oaCurrentQuality": "LOW", "oa7dayQuality": "LOW"}
    assert quality["message"] == "success", "in lower case, as on Zalo"


@pytest.mark.parametrize(
    ("query", "found", "total"),
    [
        ({}, 16, 16),
        ({"offset": 1, "limit": 2}, 2, 16),
        ({"offset": 15, "limit": 100}, 1, 16),
        ({"status": 1}, 15, 15),
        ({"status": 2}, 1, 1),
        ({"status": 3}, 0, 0),
    ],
)
async def test_the_list_of_templates(sandbox_client, query, found, total):
    answer = await read(sandbox_client, "/template/all", **query)
    assert (len(answer["data"]), answer["metadata"]["total"]) == (found, total)


@pytest.mark.parametrize("query", [{"limit": 101}, {"limit": 0}, {"offset": -1}, {"limit": "x"}])
async def test_a_list_of_templates_has_its_bounds(sandbox_client, query):
    assert (await read(sandbox_client, "/template/all", **query))["error"] == -132


async def test_one_template(sandbox_client):
    data = (await read(sandbox_client, "/template/info/v2", template_id=NEWS))["data"]
    assert (data["templateId"], data["status"], data["templateTag"]) == (
        NEWS,
        "ENABLE",
        "TRANSACTION",
    )
    assert data["listParams"][3] == {
        "name": "thoi_diem",
        "require": False,
        "type": "DATE",
        "maxLength": 20,
        "minLength": 0,
        "acceptNull": False,
    }
    assert (data["price_sdt"], data["price_uid"]) == (800, 560)
    assert (await read(sandbox_client, "/template/info/v2", template_id=OTP))["data"][
        "price_uid"
    ] is None


@pytest.mark.parametrize("path", ["/template/info/v2", "/template/sample-data"])
@pytest.mark.parametrize("id", ["", "999999"])
async def test_a_template_that_is_not_there(sandbox_client, path, id):
    assert (await read(sandbox_client, path, template_id=id))["error"] == -109


async def test_sample_data_can_be_sent(sandbox_client):
    for template in sandbox_client.stage.sandbox.world.templates.templates.values():
        sample = (await read(sandbox_client, "/template/sample-data", template_id=template.id))[
            "data"
        ]
        assert set(sample) == {param.name for param in template.params}
        if template.status == "ENABLE" and template.tag == "TRANSACTION":
            assert await sandbox_client.code(SEND, order(template.id, template_data=sample)) == 0


async def test_ratings_can_be_read(sandbox_client):
    user_id = await sandbox_client.person(phone=PHONE)
    ids = [(await sandbox_client.said(SEND, order()))["data"]["msg_id"] for _ in range(2)]
    await sandbox_client.act(
        user_id, "feedback", message_id=ids[0], rate=4, note="Tốt", feedbacks=["Nhanh"]
    )
    said = await sandbox_client.said("/rating/get", {"template_id": NEWS, "offset": 0, "limit": 10})
    [rating] = said["data"]["data"]
    assert (rating["msgId"], rating["rate"], rating["note"]) == (ids[0], 4, "Tốt")
    assert (rating["feedbacks"], rating["trackingId"]) == (["Nhanh"], "loa-1")
    assert (await sandbox_client.said("/rating/get", {"template_id": "9"}))["error"] == -109
    assert (await sandbox_client.said("/rating/get", {"template_id": NEWS, "limit": -1}))[
        "error"
    ] == -132


async def test_the_business_host_has_its_own_word_for_a_bad_token(sandbox_client):
    for path in ("/quality", "/template/all", "/message/status", "/message/template-tag"):
        assert (await sandbox_client.get(path, headers={}))[1]["error"] == -124
