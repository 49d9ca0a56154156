"""Articles at the sandbox: strict checks, slow processing, quotas, lists."""

import pytest

from tests.support.sandbox_client import article_payload

PHOTO = {"cover_type": "photo", "status": "show"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": "a" * 150}, "title allow 1 to 150 characters"),
        ({"title": ""}, "title allow 1 to 150 characters"),
        ({"description": "a" * 300}, "description"),
        ({"author": "a" * 51}, "author"),
        ({"cover": None}, "cover value is invalid"),
        ({"cover": PHOTO | {"cover_type": 1}}, "cover value is invalid"),
        ({"cover": {"cover_type": "photo", "photo_url": "http://x"}}, "create media fail"),
        ({"cover": PHOTO | {"photo_url": "http://x/ả"}}, "photo_url"),
        ({"body": []}, "body"),
        ({"body": [{"type": "poem"}]}, "body"),
        ({"status": "maybe"}, "status"),
        ({"type": "poem"}, "type"),
    ],
)
async def test_an_article_is_checked_strictly(zalo, changes, words):
    answer = await zalo.create(**changes)
    assert answer["error"] == -201
    assert words in answer["message"]
    assert zalo.account.articles == []


async def verify(zalo, token):
    return await zalo.said("/v2.0/article/verify", {"token": token})


async def test_verifying_takes_a_while(zalo):
    token = (await zalo.create())["data"]["token"]
    answers = [await verify(zalo, token) for _ in range(3)]
    assert [answer["error"] for answer in answers] == [-214, -214, 0]
    assert answers[-1]["data"]["id"] == zalo.account.articles[0].id
    assert (await verify(zalo, "unknown"))["error"] == -201


async def test_a_picture_that_can_not_be_fetched_is_told_at_verify(zalo):
    zalo.account.set_rules(broken_images=("mac-dinh",), processing=0)
    token = (await zalo.create())["data"]["token"]
    words = [(await verify(zalo, token))["message"] for _ in range(4)]
    assert words == ["Upload media failed"] * 3 + ["Too many failed attempts"]
    assert zalo.account.articles == []


async def test_a_removed_article_gives_its_place_in_the_quota_back(zalo):
    zalo.account.set_rules(article_quota=1)
    await zalo.create()
    assert "limit quota create article" in (await zalo.create())["message"]
    assert await zalo.code("/v2.0/article/remove", {"id": zalo.account.articles[0].id}) == 0
    assert (await zalo.create())["error"] == 0
    await zalo.later(days=31)
    assert (await zalo.create())["error"] == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": 11, "type": "normal"}, "maximum limit is 10"),
        ({"limit": 10}, "type accept only 2 value"),
        ({"data": '{"offset":0,"limit":10,"type":"normal"}'}, "type accept only 2 value"),
        ({"limit": "x", "type": "normal"}, "limit is invalid"),
    ],
)
async def test_the_list_is_particular_about_its_parameters(zalo, query, words):
    status, body = await zalo.get("/v2.0/article/getslice", **query)
    assert (status, body["error"]) == (200, -201)
    assert words in body["message"]


async def test_the_list_shows_hidden_articles_newest_first(zalo):
    for number in range(12):
        zalo.account.clock.advance(1)
        await zalo.create(title=f"Tin {number}")
    _, body = await zalo.get("/v2.0/article/getslice", limit=10, offset=0, type="normal")
    medias = body["data"]["medias"]
    assert [media["title"] for media in medias] == [f"Tin {number}" for number in range(11, 1, -1)]
    assert body["data"]["total"] == 12
    _, detail = await zalo.get("/v2.0/article/getdetail", id=medias[0]["id"])
    assert (detail["data"]["status"], detail["data"]["title"]) == ("hide", "Tin 11")


async def test_an_update_is_verified_or_not_as_the_rules_say(zalo):
    await zalo.create()
    article = {**article_payload(title="Mới"), "id": zalo.account.articles[0].id}
    assert set((await zalo.said("/v2.0/article/update", article))["data"]) == {"token"}
    zalo.account.set_rules(update_token=False)
    answer = await zalo.said("/v2.0/article/update", article)
    assert answer["data"] == {"id": zalo.account.articles[0].id}
