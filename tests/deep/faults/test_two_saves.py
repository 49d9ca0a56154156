"""Two people save the same text at the same moment at the desk: nothing of either is lost."""

import asyncio

import pytest

from tests.support.newsroom import TEXT, open_newsroom

PAIRS, OF_AN_ITEM = 500, 10


@pytest.fixture
async def newsroom(desk):
    async with open_newsroom(desk) as opened:
        yield opened


async def test_the_second_of_two_saves_is_shown_both_texts(newsroom):
    people, read = ("an", "binh"), newsroom.intake.decisions.log.read
    for number in range(PAIRS):
        if number % OF_AN_ITEM == 0:
            path = await newsroom.written()
            form = f"{path}/sua"
        hash = (await read(path.removeprefix("/tin/"))).state.hash
        bodies = [f"Bản của {one}, lần {number}." for one in people]
        fields = [
            TEXT | {"act_id": f"{number:031}{at}", "hash": hash, "body": body}
            for at, body in enumerate(bodies)
        ]
        posts = zip(people, fields, strict=True)
        answers = await asyncio.gather(*(newsroom[one].post(form, **given) for one, given in posts))
        assert sorted(one.status_code for one in answers) == [303, 409], number
        [conflict] = [one for one in answers if one.status_code == 409]
        assert all(body in conflict.text for body in bodies), number
        saved = bodies[[one.status_code for one in answers].index(303)]
        state = (await read(path.removeprefix("/tin/"))).state
        assert state.text.data["body"] == saved, number
