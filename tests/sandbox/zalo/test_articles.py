"""Articles at the sandbox: strict checks, slow processing, quotas, lists."""

import pytest

from tests.support.sandbox_client import article_payload


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"title": "a" * 150}, -201, "title allow 1 to 150 characters"),
        ({"title": ""}, -201, "title allow 1 to 150 characters"),
        ({"description": "a" * 300}, -201, "description"),
        ({"author": "a" * 51}, -201, "author"),
        ({"cover": None}, -201, "cover value is invalid"),
        ({"cover": {"cover_type": 1, "status": "show"}}, -201, "cover value is invalid"),
        ({"cover": {"cover_type": "photo", "photo_url": "http://x"}}, -201, "create media fail"),
        (
            {"cover": {"cover_type": "photo", "photo_url": "http://x/ả", "status": "show"}},
            -201,
            "photo_url",
        ),
        ({"body": []}, -201, "body"),
        ({"body": [{"type": "poem"}]}, -201, "body"),
        ({"status": "maybe"}, -201, "status"),
        ({"type": "poem"}, -201, "type"),
    ],
)
async def test_an_article_is_checked_strictly(sandbox_client, changes, error, words):
    answer = await sandbox_client.create(**changes)
    assert answer["error"] == error
    assert words in answer["message"]


async def test_the_documented_bounds_can_be_switched_on(sandbox_client):
    sandbox_client.stage.set_rules(exclusive_lengths=False)
    assert (await sandbox_client.create(title="a" * 150, description="a" * 300))["error"] == 0


async def verify(zalo, token):
    return (await zalo.post("/v2.0/article/verify", {"token": token}))[1]


async def test_verifying_takes_a_while(sandbox_client):
    token = (await sandbox_client.create())["data"]["token"]
    answers = [await verify(sandbox_client, token) for _ in range(3)]
    assert [answer["error"] for answer in answers] == [-214, -214, 0]
    assert answers[-1]["data"]["id"] == sandbox_client.stage.articles[0].id
    assert (await verify(sandbox_client, "nobody"))["error"] == -201


async def test_a_picture_that_can_not_be_fetched_is_told_at_verify(sandbox_client):
    sandbox_client.stage.set_rules(broken_images=("mac-dinh",), processing=0)
    token = (await sandbox_client.create())["data"]["token"]
    words = [(await verify(sandbox_client, token))["message"] for _ in range(4)]
    assert words == ["Upload media failed"] * 3 + ["Too many failed attempts"]
    assert sandbox_client.stage.articles == []


async def test_a_removed_article_gives_its_place_in_the_quota_back(sandbox_client):
    sandbox_client.stage.set_rules(article_quota=1)
    await sandbox_client.create()
    assert "limit quota create article" in (await sandbox_client.create())["message"]
    article_id = sandbox_client.stage.articles[0].id
    assert (await sandbox_client.post("/v2.0/article/remove", {"id": article_id}))[1]["error"] == 0
    assert (await sandbox_client.create())["error"] == 0
    sandbox_client.stage.clock.advance(31 * 86400)
    sandbox_client.stage.sandbox.world.tokens.expires = 1e12
    assert (await sandbox_client.create())["error"] == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": 11, "type": "normal"}, "maximum limit is 10"),
        ({"limit": 10}, "type accept only 2 value"),
        ({"data": '{"offset":0,"limit":10,"type":"normal"}'}, "type accept only 2 value"),
        ({"limit": "x", "type": "normal"}, "limit is invalid"),
    ],
)
async def test_the_list_is_particular_about_its_parameters(sandbox_client, query, words):
    code, body = await sandbox_client.get("/v2.0/article/getslice", **query)
    assert (code, body["error"]) == (200, -201)
    assert words in body["message"]


async def test_the_list_shows_hidden_articles_newest_first(sandbox_client):
    for number in range(12):
        sandbox_client.stage.clock.advance(1)
        await sandbox_client.create(title=f"Tin {number}")
    _, body = await sandbox_client.get("/v2.0/article/getslice", limit=10, offset=0, type="normal")
    assert [media["title"] for media in body["data"]["medias"]] == [
        f"Tin {number}" for number in range(11, 1, -1)
    ]
    assert body["data"]["total"] == 12
    media = body["data"]["medias"][0]
    _, one = await sandbox_client.get("/v2.0/article/getdetail", id=media["id"])
    assert (one["data"]["status"], one["data"]["title"]) == ("hide", "Tin 11")


async def test_an_update_is_verified_or_not_as_the_rules_say(sandbox_client):
    await sandbox_client.create()
    article = {**article_payload(title="Mới"), "id": sandbox_client.stage.articles[0].id}
    assert set((await sandbox_client.said("/v2.0/article/update", article))["data"]) == {"token"}
    sandbox_client.stage.set_rules(update_token=False)
    said = await sandbox_client.said("/v2.0/article/update", article)
    assert said["data"] == {"id": sandbox_client.stage.articles[0].id}


async def test_the_free_package_has_no_articles(sandbox_client):
    sandbox_client.stage.set_rules(free_package=True)
    assert (await sandbox_client.create())["error"] == -224
    assert sandbox_client.stage.articles == []
