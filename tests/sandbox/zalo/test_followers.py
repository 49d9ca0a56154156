"""Followers at the sandbox: lists, profiles, notes, tags."""

import pytest

from tests.sandbox.zalo.test_sandbox import open_sandbox_client

LIST, DETAIL = "/v3.0/oa/user/getlist", "/v3.0/oa/user/detail"
OLD_LIST, OLD_DETAIL = "/v2.0/oa/getfollowers", "/v2.0/oa/getprofile"
TAG, UNTAG, RMTAG = (f"/v2.0/oa/tag/{x}" for x in ("tagfollower", "rmfollowerfromtag", "rmtag"))


@pytest.fixture
async def sandbox_client(tmp_path, clock):
    async with open_sandbox_client(tmp_path, clock) as zalo:
        yield zalo


def ids(answer, key="users"):
    return [one["user_id"] for one in answer["data"][key]]


async def test_the_list_comes_fifty_at_a_time(sandbox_client):
    people = [await sandbox_client.person() for _ in range(53)]
    first = await sandbox_client.ask(LIST, offset=0, count=50)
    rest = await sandbox_client.ask(LIST, offset=50)
    assert ids(first) + ids(rest) == people
    assert first["data"]["total"] == 53
    assert (rest["data"]["count"], rest["data"]["offset"]) == (3, 50)


@pytest.mark.parametrize(
    "facts",
    [
        {"city": 64},
        {"city": -1},
        {"phone": "0912345678"},
        {"user_id": "x"},
        {"gender": 3},
        {"message_code": -1},
        {"refused_tags": ["NEWS"]},
        {"moon": 1},
    ],
)
async def test_a_person_who_cannot_be_is_refused(sandbox_client, facts):
    assert (await sandbox_client.post("/_sandbox/people", facts))[0] == 400
    assert (await sandbox_client.get("/_sandbox/people"))[1] == []


@pytest.mark.parametrize("path", [LIST, OLD_LIST])
@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"offset": 9951, "count": 50}, 0),
        ({"offset": 9952}, -210),
        ({"count": 51}, -210),
        ({"offset": -1}, -201),
        ({"count": "many"}, -201),
    ],
)
async def test_a_page_has_its_bounds(sandbox_client, path, data, code):
    assert (await sandbox_client.ask(path, **data))["error"] == code


@pytest.mark.parametrize("path", [LIST, DETAIL, OLD_LIST, "/v2.0/oa/conversation"])
@pytest.mark.parametrize("query", [{}, {"data": "{"}, {"data": "[]"}])
async def test_the_parameters_are_one_json_object(sandbox_client, path, query):
    assert (await sandbox_client.get(path, **query))[1]["error"] == -201


async def test_the_list_can_be_narrowed(sandbox_client):
    today = await sandbox_client.person()
    gone = await sandbox_client.person()
    await sandbox_client.act(gone, "unfollow")
    last = {"yesterday": "14", "week": "09", "month": "2026-12-20", "long ago": "2026-11-01"}
    days = {who: day if "-" in day else f"2027-01-{day}" for who, day in last.items()}
    them = {
        who: await sandbox_client.person(last_interaction=f"{day}T10:00:00+07:00")
        for who, day in days.items()
    }
    never = await sandbox_client.person(last_interaction=None)
    await sandbox_client.post(TAG, {"user_id": today, "tag_name": "hỏi"})
    week = [them["yesterday"], them["week"]]
    for data, expected in [
        ({"tag_name": "hỏi"}, [today]),
        ({"tag_name": "nobody"}, []),
        ({"is_follower": "false"}, [gone]),
        ({"is_follower": True}, [today, *them.values(), never]),
        ({"last_interaction_period": "TODAY"}, [today, gone]),
        ({"last_interaction_period": "YESTERDAY"}, [them["yesterday"]]),
        ({"last_interaction_period": "L7D"}, [today, gone, *week]),
        ({"last_interaction_period": "L30D"}, [today, gone, *week, them["month"]]),
        ({"last_interaction_period": "2026_11_01:2026_12_20"}, [them["month"], them["long ago"]]),
        ({"last_interaction_period": "TODAY", "is_follower": "true"}, [today]),
    ]:
        assert ids(await sandbox_client.ask(LIST, **data)) == expected, data


@pytest.mark.parametrize(
    "data",
    [
        {"is_follower": "maybe"},
        {"last_interaction_period": "EVER"},
        {"last_interaction_period": "2026_01_01"},
        {"last_interaction_period": "2026_01_01:later"},
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(sandbox_client, data):
    assert (await sandbox_client.ask(LIST, **data))["error"] == -201


async def test_a_profile(sandbox_client):
    user_id = await sandbox_client.person(name="Trần Thị Bình", age=17, phone="84912345678")
    await sandbox_client.post(TAG, {"user_id": user_id, "tag_name": "hỏi"})
    shared = {"name": "Bình", "phone": "84912345678"}
    noted = {"user_alias": "Chị Bình", "user_external_id": "hs-7", "shared_info": shared}
    assert await sandbox_client.code("/v3.0/oa/user/update", {"user_id": user_id, **noted}) == 0
    data = (await sandbox_client.ask(DETAIL, user_id=user_id))["data"]
    assert data["display_name"] == "Trần Thị Bình"
    assert {name: data[name] for name in noted} == noted
    assert data["tags_and_notes_info"]["tag_names"] == ["hỏi"]
    assert data["user_last_interaction_date"] == "15/01/2027"
    assert (data["is_sensitive"], data["user_is_follower"]) == (True, True)
    assert data["user_id_by_app"] not in ("", user_id)


async def test_what_was_noted_can_be_erased_and_the_profile_stays(sandbox_client):
    user_id = await sandbox_client.person(name="Bình")
    await sandbox_client.post(TAG, {"user_id": user_id, "tag_name": "hỏi"})
    await sandbox_client.post(
        "/v3.0/oa/user/update", {"user_id": user_id, "shared_info": {"name": "B"}}
    )
    assert await sandbox_client.code("/v2.0/oa/deletefollowerinfo", {"user_id": user_id}) == 0
    data = (await sandbox_client.ask(DETAIL, user_id=user_id))["data"]
    assert (data["shared_info"], data["tags_and_notes_info"]["tag_names"]) == ({}, [])
    assert data["display_name"] == "Bình"
    assert await sandbox_client.code("/v2.0/oa/deletefollowerinfo", {"user_id": "1"}) == -213


@pytest.mark.parametrize(("closed", "code"), [(False, 0), (True, -213)])
async def test_the_profile_of_who_does_not_follow(sandbox_client, closed, code):
    sandbox_client.stage.set_rules(closed_profiles=closed)
    user_id = await sandbox_client.person(follower=False)
    assert (await sandbox_client.ask(DETAIL, user_id=user_id))["error"] == code
    assert (await sandbox_client.ask(DETAIL, user_id="1"))["error"] == -213


async def test_the_old_calls_serve_a_state_body(sandbox_client):
    user_id = await sandbox_client.person(phone="84912345678")
    gone = await sandbox_client.person(phone="84912345679", follower=False)
    assert ids(await sandbox_client.ask(OLD_LIST, offset=0, count=50), "followers") == [user_id]
    for data, code in [
        ({"user_id": user_id}, 0),
        ({"phone": "84912345678"}, 0),
        ({"phone": "+84912345678"}, 0),
        ({"user_id": gone}, -213),
        ({"phone": "84900000000"}, -213),
        ({}, -213),
    ]:
        assert (await sandbox_client.ask(OLD_DETAIL, **data))["error"] == code, data


@pytest.mark.parametrize("path", [OLD_LIST, OLD_DETAIL])
@pytest.mark.parametrize(
    ("rules", "code"), [({"oa_type": 2}, -240), ({"free_package": True}, -224)]
)
async def test_the_old_calls_are_closed_to_others(sandbox_client, path, rules, code):
    user_id = await sandbox_client.person()
    sandbox_client.stage.set_rules(**rules)
    answer = await sandbox_client.ask(path, user_id=user_id)
    assert answer["error"] == code
    assert code == -224 or "UserInfo" in answer["message"]


async def test_the_free_package_has_no_profiles(sandbox_client):
    user_id = await sandbox_client.person()
    sandbox_client.stage.set_rules(free_package=True)
    assert (await sandbox_client.ask(DETAIL, user_id=user_id))["error"] == -224
    assert (await sandbox_client.ask(LIST))["error"] == -224


async def tags(zalo):
    return (await zalo.get("/v2.0/oa/tag/gettagsofoa"))[1]["data"]


async def test_a_tag_comes_with_its_first_member_and_goes_by_order(sandbox_client):
    user_id = await sandbox_client.person()
    assert await tags(sandbox_client) == []
    assert await sandbox_client.code(TAG, {"user_id": int(user_id), "tag_name": "hỏi"}) == 0
    assert await sandbox_client.code(TAG, {"user_id": user_id, "tag_name": "hỏi"}) == 0
    assert await tags(sandbox_client) == ["hỏi"]
    assert await sandbox_client.code(UNTAG, {"user_id": user_id, "tag_name": "hỏi"}) == 0
    assert await tags(sandbox_client) == ["hỏi"], "an empty tag is still a tag"
    assert await sandbox_client.code(RMTAG, {"tag_name": "hỏi"}) == 0
    assert await tags(sandbox_client) == []


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (TAG, {"user_id": "1", "tag_name": "hỏi"}, -213),
        (TAG, {"user_id": "1"}, -201),
        (TAG, {"user_id": "1", "tag_name": " "}, -201),
        (UNTAG, {"user_id": "1", "tag_name": "hỏi"}, -201),
        (RMTAG, {"tag_name": "hỏi"}, -201),
    ],
)
async def test_a_tag_that_is_not_there(sandbox_client, path, body, code):
    assert await sandbox_client.code(path, body) == code


@pytest.mark.parametrize(("cap", "kept"), [(200, 200), (0, 203)])
async def test_over_two_hundred_the_oldest_fall_out_of_a_tag(sandbox_client, cap, kept):
    sandbox_client.stage.set_rules(tag_cap=cap)
    world = sandbox_client.stage.sandbox.world
    people = [str(number) for number in range(1, 204)]
    for user_id in people[:-1]:
        world.record("person_set", person={"user_id": user_id})
        world.record("tagged", tag="hỏi", user_id=user_id, cap=cap)
    world.record("person_set", person={"user_id": people[-1]})
    assert await sandbox_client.code(TAG, {"user_id": people[-1], "tag_name": "hỏi"}) == 0
    assert (await sandbox_client.ask(LIST, tag_name="hỏi"))["data"]["total"] == kept
    assert world.people.tags["hỏi"] == people[-kept:]
