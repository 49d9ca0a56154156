"""A person whose role is taken away between opening a page and pressing its button."""

import pytest

from consumers.editorial.log import EditorialLog
from tests.support.newsroom import open_newsroom

CLEAN = {"clean": "1"}
STEPS = (
    ("an", "gui", {}),
    ("binh", "xac-nhan", CLEAN),
    ("chi", "trinh", CLEAN),
    ("dung", "duyet", {}),
)


@pytest.fixture
async def newsroom(desk):
    async with open_newsroom(desk) as opened:
        yield opened


async def take_role(desk, login: str) -> None:
    [account] = [one for one in await desk.accounts.all() if one.login == login]
    await desk.accounts.set_grants(account.id, ())


async def disable(desk, login: str) -> None:
    [account] = [one for one in await desk.accounts.all() if one.login == login]
    await desk.accounts.set_state(account.id, "disabled")


@pytest.mark.parametrize("take_away", [take_role, disable])
@pytest.mark.parametrize("turn", range(len(STEPS)), ids=[act for _, act, _ in STEPS])
async def test_does_nothing_with_the_open_page(newsroom, turn, take_away):
    path = await newsroom.written()
    for login, act, fields in STEPS[:turn]:
        await newsroom.press(login, path, act, **fields)
    login, act, fields = STEPS[turn]
    page = await newsroom[login].get(path)
    log = EditorialLog(newsroom.desk.bus)
    before = await log.read(path.removeprefix("/tin/"))
    await take_away(newsroom.desk, login)
    answer = await newsroom[login].submit(page, f"{path}/{act}", **fields)
    is_signed_out = answer.status_code == 303 and path not in answer.headers["location"]
    assert answer.status_code in (401, 403) or is_signed_out, answer.text
    assert await log.read(path.removeprefix("/tin/")) == before
