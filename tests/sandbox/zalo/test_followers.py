"""Followers at the sandbox: the list, and the erasure of notes about a person."""

import pytest

LIST, FORGET = "/v3.0/oa/user/getlist", "/v2.0/oa/deletefollowerinfo"


def ids(answer):
    return [user["user_id"] for user in answer["data"]["users"]]


async def test_the_list_comes_fifty_at_a_time(zalo):
    people = [await zalo.person() for _ in range(53)]
    first = await zalo.ask(LIST, offset=0, count=50)
    rest = await zalo.ask(LIST, offset=50)
    assert ids(first) + ids(rest) == people
    assert first["data"]["total"] == 53
    assert (rest["data"]["count"], rest["data"]["offset"]) == (3, 50)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"offset": 9951, "count": 50}, 0),
        ({"offset": 9952}, -210),
        ({"count": 51}, -210),
        ({"offset": -1}, -201),
        ({"count": "many"}, -201),
        ({"is_follower": "maybe"}, -201),
        ({"last_interaction_period": "EVER"}, -201),
        ({"last_interaction_period": "2026_01_01:later"}, -201),
    ],
)
async def test_a_query_has_its_bounds(zalo, data, code):
    assert (await zalo.ask(LIST, **data))["error"] == code


async def test_the_list_can_be_narrowed(zalo):
    today, gone = await zalo.person(), await zalo.person()
    await zalo.act(gone, "unfollow")
    december, november = [
        await zalo.person(last_interaction=f"2026-{day}T10:00:00+07:00")
        for day in ("12-20", "11-01")
    ]
    never = await zalo.person(last_interaction=None)
    for data, expected in [
        ({"is_follower": "false"}, [gone]),
        ({"is_follower": True}, [today, december, november, never]),
        ({"last_interaction_period": "2026_11_01:2026_12_20"}, [december, november]),
        ({"last_interaction_period": "2027_01_15:2027_01_15"}, [today, gone]),
        (
            {"last_interaction_period": "2026_12_20:2027_01_15", "is_follower": "true"},
            [today, december],
        ),
    ]:
        assert ids(await zalo.ask(LIST, **data)) == expected, data


async def test_notes_about_a_person_can_be_erased(zalo):
    user_id = await zalo.person(name="Bình")
    await zalo.act(user_id, "share", name="B", phone="84912345678")
    assert await zalo.code(FORGET, {"user_id": user_id}) == 0
    [person] = (await zalo.get("/_sandbox/people"))[1]
    assert (person["shared"], person["name"]) == ({}, "Bình")
    assert await zalo.code(FORGET, {"user_id": "1"}) == -213
