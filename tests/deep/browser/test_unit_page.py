"""A unit's page and how to send, in a real browser: clean in every look, and used by keyboard."""

from functools import partial

import pytest

from consumers.callbacks.attempt_log import Attempt, AttemptLog
from contracts import envelope
from contracts.base.times import utc_now
from contracts.facts.content_status import StatusKind
from producers.desk.rendering import desk_texts
from tests.deep.browser.test_desk import desk, signs_in
from tests.deep.browser.test_desk_operations import press_until
from tests.producers.desk.test_units import add_endpoint, send_trial, sent
from tests.support.browser import faults_in_every_look, screenshot
from tests.support.dead_letters import store_on_content
from tests.support.events import UNIT, corrected, submitted

__all__ = ["desk"]
OTHER = "vu-phap-che"
PAGE, HOW = f"/don-vi/{UNIT}", f"/don-vi/{UNIT}/cach-gui"
OFFICER = "nguoi-gui-tin"
PAGES = {OFFICER: (PAGE, HOW), "quan-tri-tai-khoan": (PAGE, f"/don-vi/{OTHER}")}
"""By role; of the other unit nothing has come yet."""
SAID = desk_texts()["unit"]


async def fill(desk):
    """More events and attempts than a page has, a refusal, and a trial; another unit has none."""
    for unit in (UNIT, OTHER):
        await desk.registry.add(unit, release="desk")
    for number in range(52):
        await store_on_content(desk.bus, envelope.to_structured(submitted(f"tin-{number}")))
    await sent(desk, submitted())
    await sent(desk, corrected("khong-co", 2))
    await send_trial(desk)
    await add_endpoint(desk, UNIT, "e1")
    at, kind = utc_now(desk.clock), StatusKind.RELEASED
    tried = [Attempt(at=at, fact="f", kind=kind, content_id="tin-1", status=204)] * 12
    await AttemptLog(desk.bus).add(UNIT, "e1", tried)


async def looked_at(page, desk, paths):
    wrong = []
    await signs_in(page, desk, "an")
    for number, path in enumerate(paths):
        await page.goto(desk.url + path)
        await screenshot(page, f"desk-unit-{number}")
        wrong += [f"{path} {one}" for one in await faults_in_every_look(page)]
    return wrong


@pytest.mark.parametrize("role", PAGES)
async def test_the_pages_are_clean_in_every_look(desk, browser, role):
    await fill(desk)
    await desk.active("an", role)
    with browser.tab() as tab:
        assert await tab.run(partial(looked_at, desk=desk, paths=PAGES[role])) == []
        assert (tab.errors, tab.blocked) == ([], [])


async def reads_on(page, desk):
    """Older events, older callbacks, then a program: without scripts, by keyboard alone."""
    await signs_in(page, desk, "an")
    await page.goto(desk.url + PAGE)
    await press_until(page, SAID["older_events"])
    await page.wait_for_url("**?truoc=*")
    assert await page.locator("#su-kien tbody tr").count() == 4
    await press_until(page, SAID["newest_events"])
    await page.wait_for_url(f"**{PAGE}#su-kien")
    await press_until(page, SAID["older_attempts"])
    await page.wait_for_url("**?goi-truoc=*")
    assert await page.locator("#goi-lai tbody tr").count() == 2
    await press_until(page, SAID["sending"])
    await page.wait_for_url(f"**{HOW}")
    await press_until(page, "Java (java/Publish.java)")
    await page.keyboard.press("Tab")
    code = page.locator("pre:focus")
    assert await code.is_visible() and "class Publish" in await code.inner_text()


async def begins(page, desk):
    """A programmer of a unit that has sent nothing is led to the first question."""
    await signs_in(page, desk, "an")
    await page.goto(desk.url + PAGE)
    await press_until(page, SAID["begin"])
    await page.wait_for_url("**/cach-gui#hoi-truoc")


@pytest.mark.parametrize("is_begun", [True, False])
async def test_a_programmer_reads_on_a_narrow_screen_by_keyboard(desk, browser, is_begun):
    await (fill(desk) if is_begun else desk.registry.add(UNIT, release="desk"))
    await desk.active("an", OFFICER)
    with browser.tab(width=320, java_script_enabled=False) as tab:
        await tab.run(partial(reads_on if is_begun else begins, desk=desk))
        assert (tab.errors, tab.blocked) == ([], [])
