"""An issue of a bulletin that is put in order in a real browser: by keys alone, and by dragging."""

from functools import partial

import pytest

from producers.desk.rendering import desk_texts
from tests.support.bulletin_desk import publish_last_week
from tests.support.bulletin_history import SERIES
from tests.support.desk_app import served_desk
from tests.support.keyboard import Keys, tour
from tests.support.served_desk import enter

TEXTS = desk_texts()["bulletin"]
TOPICS = {
    "mot": "the-che-chinh-sach",
    "hai": "the-che-chinh-sach",
    "ba": "the-che-chinh-sach",
    "bon": "chuyen-doi-so",
}
INTRODUCTION = "Tuần qua."
WHOLE_PAGE = 3000
"""So high that the driver does not scroll in the middle of a drag, which would end it."""


@pytest.fixture
async def desk(bus, clock):
    """A desk at which the items of last week wait for an issue."""
    async with served_desk(bus, clock) as desk:
        desk.unit = SERIES.unit
        await publish_last_week(desk, TOPICS)
        await desk.active("an", "nguoi-gui-tin")
        yield desk


async def begins(page, desk) -> None:
    """Begin the issue with the button of its series."""
    await page.goto(f"{desk.url}/ban-tin")
    await page.get_by_role("button", name=TEXTS["begin"]).click()
    await page.locator("#introduction").wait_for()


async def arrives_in_order(page, *order: str) -> None:
    """Wait for the page on which the items have this order."""
    script = """order => [...document.querySelectorAll("[data-entry]")]
        .map(one => one.dataset.entry).join() === order"""
    await page.wait_for_function(script, arg=",".join(order))
    await page.wait_for_load_state("load")


async def has_the_focus(page, button: str) -> None:
    """Expect that Enter would press *button* again, and that it is in sight."""
    assert await page.locator(":focus").get_attribute("value") == button
    box = await page.locator(":focus").bounding_box()
    assert 0 <= box["y"] < page.viewport_size["height"]


async def moves_by_keys(page, desk, token):
    """Enter on one button, again and again: the item travels up, and the focus with it."""
    await enter(page, desk, token)
    await begins(page, desk)
    assert await tour(page) == []
    keys = Keys(page)
    await keys.write(page.locator("#introduction"), INTRODUCTION)
    await keys.reach(page.locator('button[value="up:ba"]'))
    for order in (["mot", "ba", "hai", "bon"], ["ba", "mot", "hai", "bon"]):
        await page.keyboard.press("Enter")
        await arrives_in_order(page, *order)
        await has_the_focus(page, "up:ba")
    await keys.press(page.locator('button[value="drop:hai"]'))
    await arrives_in_order(page, "ba", "mot", "bon")
    assert await page.locator("#introduction").input_value() == INTRODUCTION
    assert keys.faults == []


async def moves_by_dragging(page, desk, token):
    """An item dropped on another one comes before it; dropped on a section, it is its last."""
    await enter(page, desk, token)
    await begins(page, desk)
    await page.locator("#introduction").fill(INTRODUCTION)
    await drags(page, "bon", '[data-entry="hai"]')
    await arrives_in_order(page, "mot", "bon", "hai", "ba")
    await drags(page, "mot", '[data-section="thu-tuc"]')
    await arrives_in_order(page, "bon", "hai", "ba", "mot")
    assert await page.locator('[data-section="thu-tuc"] [data-entry]').count() == 1
    assert await page.locator("#introduction").input_value() == INTRODUCTION


async def drags(page, item: str, target: str) -> None:
    await page.locator(f'[data-entry="{item}"] h3').drag_to(page.locator(target).last)


@pytest.mark.parametrize(
    ("script", "height"), [(moves_by_keys, 900), (moves_by_dragging, WHOLE_PAGE)]
)
async def test_an_issue_is_put_in_order(desk, browser, script, height):
    token = await desk.session_of("an")
    with browser.tab(height=height) as tab:
        await tab.run(partial(script, desk=desk, token=token))
        assert (tab.errors, tab.blocked) == ([], [])


async def test_without_scripts_the_buttons_do_the_same(desk, browser):
    token = await desk.session_of("an")
    with browser.tab(width=390, java_script_enabled=False) as tab:
        await tab.run(partial(moves_by_buttons, desk=desk, token=token))


async def moves_by_buttons(page, desk, token):
    await enter(page, desk, token)
    await begins(page, desk)
    await page.locator('button[value="up:ba"]').click()
    await page.locator('[data-entry="ba"] + [data-entry="hai"]').wait_for()
    await has_the_focus(page, "up:ba")
