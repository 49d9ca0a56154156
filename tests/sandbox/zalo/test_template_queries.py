"""Reads about template messages at the sandbox: quotas, quality, templates."""

import pytest

from tests.sandbox.zalo.test_templates import NEWS, OTP, PHONE, SEND, order


async def read(zalo, path, **query):
    return (await zalo.get(path, **query))[1]


async def test_a_phone_that_is_off_gets_its_message_when_it_is_on_again(sandbox_client):
    user_id = await sandbox_client.person(phone=PHONE, online=False)
    await sandbox_client.post(SEND, order())
    await sandbox_client.later(hours=20)
    assert sandbox_client.facts("message_delivered") == []
    await sandbox_client.said("/_sandbox/people", {"user_id": user_id, "online": True})
    await sandbox_client.settle()
    [message] = (await sandbox_client.get("/_sandbox/state"))[1]["messages"]
    assert message["delivered"] == sandbox_client.stage.clock()


async def test_the_quota_is_told_in_numbers(sandbox_client):
    assert (await read(sandbox_client, "/message/quota"))["data"]["dailyQuota"] == 20000
    sandbox_client.stage.set_rules(daily_quota=1)
    await sandbox_client.post(SEND, order())
    data = (await read(sandbox_client, "/message/quota"))["data"]
    assert (data["dailyQuota"], data["remainingQuota"]) == (1, 0)
    assert data["remainingMonthlyPromotionQuota"] == data["monthlyPromotionQuota"] == 10000
    assert data["dailyQuotaPromotion"] is None


async def test_the_quality_of_the_account(sandbox_client):
    sandbox_client.stage.set_rules(quality="LOW")
    quality = await read(sandbox_client, "/quality")
    assert quality["data"] == {"oaCurrentQuality": "LOW", "oa7dayQuality": "LOW"}
    assert quality["message"] == "success", "in lower case, as on Zalo"


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


@pytest.mark.parametrize("id", ["", "999999"])
async def test_a_template_that_is_not_there(sandbox_client, id):
    assert (await read(sandbox_client, "/template/info/v2", template_id=id))["error"] == -109


async def test_the_business_host_has_its_own_word_for_a_bad_token(sandbox_client):
    for path in ("/quality", "/message/quota", "/template/info/v2"):
        assert (await sandbox_client.get(path, headers={}))[1]["error"] == -124
