"""Lists of waiting items by person, of all items with the search, and the calendar, over HTTP."""

import re

import pytest
from lxml import html

from producers.desk.rendering import desk_texts
from tests.support.newsroom import TEXT, Newsroom, open_newsroom

TEXTS = desk_texts()
STATUS = TEXTS["item"]["status_names"]


@pytest.fixture
async def newsroom(desk):
    async with open_newsroom(desk) as opened:
        yield opened


def section(page: str, heading: str) -> str:
    """The part of a page under a heading; empty without it."""
    parts = re.split("<h2>", page)
    return next((part for part in parts if part.startswith(f"{heading}</h2>")), "")


async def waits_for(newsroom: Newsroom, login: str) -> list[str]:
    """The addresses of what waits for a person."""
    page = await newsroom[login].get("/")
    return re.findall(r'href="(/tin/[^"]+-[^"]+)"', section(page.text, TEXTS["list"]["waiting"]))


async def test_a_text_waits_for_the_person_whose_turn_it_is(newsroom):
    path = await newsroom.written()
    assert TEXT["title"] in section((await newsroom["an"].get("/")).text, TEXTS["list"]["unsent"])
    turns = [("an", "gui", {}), ("binh", "xac-nhan", {"clean": "1"})]
    turns += [("chi", "trinh", {"clean": "1"}), ("dung", "duyet", {})]
    expected = {"gui": "binh", "xac-nhan": "chi", "trinh": "dung", "duyet": None}
    for login, act, fields in turns:
        await newsroom.press(login, path, act, **fields)
        waiting = {one: await waits_for(newsroom, one) for one in ("an", "binh", "chi", "dung")}
        turn = expected[act]
        assert waiting == {one: [path] if one == turn else [] for one in waiting}, act


async def test_items_are_found_by_words_without_marks_and_by_status(newsroom):
    path = await newsroom.written()
    for query in ("q=huong+dan+nop", "trang-thai=draft", "chu-de=cai-cach-hanh-chinh"):
        assert f'href="{path}"' in (await newsroom["chi"].get(f"/tin?{query}")).text, query
    for query in ("q=khong-co-chu-nay", "trang-thai=published", "kenh=zalo"):
        assert f'href="{path}"' not in (await newsroom["chi"].get(f"/tin?{query}")).text, query


async def test_a_list_says_how_many_items_it_found(newsroom, monkeypatch):
    """In a place of its own, whose changes screen readers tell."""
    for title in ("Đếm tin một", "Đếm tin hai"):
        await newsroom.written(title=title)
    said = TEXTS["list"]
    assert await counted(newsroom, "q=khong-co-chu-nay") == said["none"]
    assert await counted(newsroom, "q=dem+tin") == said["found"].format(2)
    monkeypatch.setattr("producers.desk.items.lists._PAGE", 1)
    assert await counted(newsroom, "q=dem+tin") == said["found_more"].format(1)
    page = html.fromstring((await newsroom["chi"].get("/tin?q=dem+tin")).text)
    (next_page,) = page.cssselect(".paging .older")
    _, _, query = next_page.get("href").partition("?")
    assert await counted(newsroom, query) == said["on_page"].format(1)


async def counted(newsroom, query):
    page = html.fromstring((await newsroom["chi"].get(f"/tin?{query}")).text)
    (place,) = page.cssselect("[role=status]:not(#tim-thay *)")
    return place.text_content()


async def test_an_officer_finds_own_items_alone(desk, newsroom):
    path = await newsroom.written()
    desk.names["giang"] = "Hà Giang"
    async with desk.signed_in("giang", "nguoi-gui-tin") as other:
        assert f'href="{path}"' not in (await other.get("/tin")).text
    assert f'href="{path}"' in (await newsroom["an"].get("/tin")).text


@pytest.mark.parametrize(("unit", "is_own"), [("van-phong-bo", True), ("vu-phap-che", False)])
async def test_a_name_makes_an_item_own_within_its_unit_alone(desk, newsroom, unit, is_own):
    path = await newsroom.written(author="Hà Giang")
    desk.names["giang"] = "Hà Giang"
    account = await desk.active("giang", "nguoi-gui-tin")
    await desk.accounts.change(account.id, lambda one: one.model_copy(update={"unit": unit}))
    async with desk.browser(await desk.session_of("giang")) as browser:
        for page in ("/tin", "/"):
            assert (f'href="{path}"' in (await browser.get(page)).text) is is_own, page
        assert (await browser.get(path)).status_code == (200 if is_own else 403)


async def test_the_calendar_has_a_planned_text_on_its_day_and_names_days_off(newsroom):
    path = await newsroom.written(not_before="2027-01-25T09:30")
    await newsroom.approve(path)
    page = (await newsroom["chi"].get("/lich?ngay=2027-01-15")).text
    after = page.split('data-day="2027-01-25"')[1].split("data-day=")[0]
    assert f'href="{path}"' in after and "09:30" in after and STATUS["scheduled"] in after
    week = (await newsroom["chi"].get("/lich?ngay=2027-01-15&xem=tuan")).text
    assert f'href="{path}"' not in week and week.count("data-day=") == 7


@pytest.mark.parametrize("wrong", ["ngay=2027-13-40", "ngay=x", "xem=nam", "ngay=9999-12-31"])
async def test_the_calendar_of_no_day_is_that_of_today(newsroom, wrong):
    assert (await newsroom["chi"].get(f"/lich?{wrong}")).status_code == 200
