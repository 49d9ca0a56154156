"""Followers at the sandbox: the list, and the erasure of notes about a person."""

import pytest

LIST, FORGET = "/v3.0/oa/user/getlist", "/v2.0/oa/deletefollowerinfo"


def ids(answer):
    return [user["user_id"] for user in answer["data"]["users"]]


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
async def test_a_page_has_its_bounds(sandbox_client, data, code):
    assert (await sandbox_client.ask(LIST, **data))["error"] == code


@pytest.mark.parametrize("query", [{}, {"data": "{"}, {"data": "[]"}])
async def test_the_parameters_are_one_json_object(sandbox_client, query):
    assert (await sandbox_client.get(LIST, **query))[1]["error"] == -201


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
    week = [them["yesterday"], them["week"]]
    for data, expected in [
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


async def test_notes_about_a_person_can_be_erased(sandbox_client):
    user_id = await sandbox_client.person(name="Bình")
    await sandbox_client.act(user_id, "share", name="B", phone="84912345678")
    assert await sandbox_client.code(FORGET, {"user_id": user_id}) == 0
    [person] = (await sandbox_client.get("/_sandbox/people"))[1]
    assert (person["shared"], person["name"]) == ({}, "Bình")
    assert await sandbox_client.code(FORGET, {"user_id": "1"}) == -213


async def test_the_free_package_has_no_list(sandbox_client):
    sandbox_client.stage.set_rules(free_package=True)
    assert (await sandbox_client.ask(LIST))["error"] == -224
