"""A person whose role is taken away between opening a page and its act being stored."""

import pytest

from consumers.desk.item_acts import ItemActs
from consumers.editorial.log import EditorialLog
from contracts import subjects
from contracts.editorial import Status
from tests.support.events import register_unit
from tests.support.newsroom import FIELDS, ROLES, TEXT, open_newsroom

APPROVER = ROLES["dung"]
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


def arrange_before(monkeypatch, step: str):
    """Let something happen once, right before *step* of an order's acts."""

    def arrange(happening) -> None:
        original = getattr(ItemActs, step)

        async def overtaken(*order, **more):
            monkeypatch.setattr(ItemActs, step, original)
            await happening
            return await original(*order, **more)

        monkeypatch.setattr(ItemActs, step, overtaken)

    return arrange


@pytest.fixture
def before_it_is_stored(monkeypatch):
    """When an order has passed every check and is about to be stored."""
    return arrange_before(monkeypatch, "perform")


@pytest.fixture
def before_it_is_checked(monkeypatch):
    """When an order has read its item, and nothing else."""
    return arrange_before(monkeypatch, "check")


@pytest.mark.parametrize(("turn", "take_away"), [*enumerate((take_role, disable) * 2)])
async def test_adds_no_act_after_the_check(newsroom, turn, take_away, before_it_is_stored):
    path = await newsroom.written()
    for login, act, fields in STEPS[:turn]:
        await newsroom.press(login, path, act, **fields)
    login, act, fields = STEPS[turn]
    log = EditorialLog(newsroom.desk.bus)
    before = await log.read(path.removeprefix("/tin/"))
    before_it_is_stored(take_away(newsroom.desk, login))
    answer = await newsroom[login].press(path, f"{path}/{act}", **fields)
    assert answer.status_code == 403, answer.text
    assert await log.read(path.removeprefix("/tin/")) == before


async def lose_role(newsroom, path: str) -> None:
    await take_role(newsroom.desk, "dung")


async def get_disabled(newsroom, path: str) -> None:
    await disable(newsroom.desk, "dung")


async def return_and_propose_anew(newsroom, path: str) -> None:
    """Bring the same text back, without an agreement to it."""
    await newsroom.press("dung", path, "tra-lai", note="Chưa được.")
    for login, act, fields in STEPS[:3]:
        await newsroom.press(login, path, act, **fields)


@pytest.mark.parametrize("happening", [lose_role, get_disabled, return_and_propose_anew])
async def test_approves_nothing_for_two_whose_first_half_is_gone(
    newsroom, before_it_is_stored, happening
):
    path = await half_approved(newsroom)
    async with newsroom.desk.signed_in("giang", "lanh-dao-duyet") as second:
        before_it_is_stored(happening(newsroom, path))
        answer = await second.press(path, f"{path}/duyet")
    assert answer.status_code == 403, answer.text
    state = (await EditorialLog(newsroom.desk.bus).read(path.removeprefix("/tin/"))).state
    assert state.status is Status.PENDING_APPROVAL


async def half_approved(newsroom) -> str:
    """The path of an urgent text that one of two has approved."""
    await register_unit(newsroom.desk.bus, release="desk", urgent=True)
    path = await newsroom.written()
    for login, act, fields in STEPS[:2]:
        await newsroom.press(login, path, act, **fields)
    await newsroom["chi"].press(f"{path}/sua", f"{path}/sua", **FIELDS | {"lane": "urgent"})
    await newsroom.press("chi", path, "trinh", clean="1")
    assert (await newsroom["dung"].press(path, f"{path}/duyet")).status_code == 303
    return path


async def test_who_approves_while_two_others_have_is_told_and_proposes_nothing(
    newsroom, before_it_is_checked
):
    path, desk = await half_approved(newsroom), newsroom.desk
    async with desk.signed_in("giang", APPROVER) as two, desk.signed_in("hoa", APPROVER) as three:
        page = await three.get(path)
        before_it_is_checked(two.press(path, f"{path}/duyet"))
        answer = await three.submit(page, f"{path}/duyet")
    assert answer.status_code == 409, answer.text
    state = (await EditorialLog(desk.bus).read(path.removeprefix("/tin/"))).state
    assert state.status is Status.APPROVED
    assert await desk.bus.bucket("sessions").keys("proposal.") == []
    proposals = [one async for one in desk.bus.scan("AUDIT") if b'"action":"propose"' in one.data]
    assert len(proposals) == 1, "of the first one alone"


async def test_approves_nothing_alone_once_very_many_may_get_it(
    newsroom, before_it_is_stored, monkeypatch
):
    """Readers have come past `many_readers`, which takes two approvers."""
    monkeypatch.setitem(vars(newsroom.desk.desk.rules.policy.file), "many_readers", 0)
    path = await newsroom.written(channels=["email"])
    for login, act, fields in STEPS[:3]:
        await newsroom.press(login, path, act, **fields)
    before_it_is_stored(have_a_reader(newsroom.desk.bus))
    answer = await newsroom["dung"].press(path, f"{path}/duyet")
    assert answer.status_code == 403, answer.text
    state = (await EditorialLog(newsroom.desk.bus).read(path.removeprefix("/tin/"))).state
    assert state.status is Status.PENDING_APPROVAL
    again = await newsroom["dung"].press(path, f"{path}/duyet")
    assert again.headers["location"].endswith("xong=second"), "another one has to approve, too"


async def have_a_reader(bus) -> None:
    """Give the mail one reader: a record, and the key that leads to it."""
    for key in ("sub.one", "hash.one"):
        await bus.bucket(subjects.SUBSCRIBERS.name).put(key, b"{}")


async def test_begins_no_item_after_the_check(newsroom, before_it_is_stored):
    before_it_is_stored(take_role(newsroom.desk, "an"))
    answer = await newsroom["an"].press("/soan-moi", "/soan-moi", **TEXT)
    assert answer.status_code == 403, answer.text
    assert (await EditorialLog(newsroom.desk.bus).audit()).states == {}


async def test_a_leader_returns_no_text_that_has_gone_on_to_the_editors(
    newsroom, before_it_is_stored
):
    path = await newsroom.written()
    await newsroom.press("an", path, "gui")
    async with newsroom.desk.signed_in("giang", "lanh-dao-don-vi") as other:
        before_it_is_stored(other.press(path, f"{path}/xac-nhan", clean="1"))
        answer = await newsroom["binh"].press(path, f"{path}/tra-lai", note="Sai số liệu.")
    assert answer.status_code == 409, answer.text
    state = (await EditorialLog(newsroom.desk.bus).read(path.removeprefix("/tin/"))).state
    assert state.status is Status.UNIT_CONFIRMED
