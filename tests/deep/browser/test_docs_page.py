"""The page of the HTTP door in a real browser: axe, a phone's width, and the tabs by keyboard."""

import time
from functools import partial

from contracts.vocabulary import DEFAULT
from design.settings import SiteIdentity
from producers.gateway import add_docs_page, create_gateway
from tests.support.browser import faults_in_every_look, screenshot
from tests.support.signup_app import serve_app

SHOWN = """() => [...document.querySelectorAll('fieldset pre')]
  .filter(one => one.getClientRects().length).map(one => one.className)"""


async def look(page, url):
    """Faults of the page, and the examples that three presses of a key show."""
    await page.goto(f"{url}/docs")
    wrong = await faults_in_every_look(page)
    await screenshot(page, "docs")
    await page.focus("#with-curl")
    shown = [await page.evaluate(SHOWN)]
    for _ in range(2):
        await page.keyboard.press("ArrowRight")
        shown.append(await page.evaluate(SHOWN))
    return wrong, shown


async def test_the_page_fits_is_clean_and_shows_one_language_at_a_time(bus, browser):
    gateway = create_gateway(bus, DEFAULT, time.time)
    add_docs_page(gateway, SiteIdentity())
    async with serve_app(gateway) as url:
        with browser.tab() as tab:
            wrong, shown = await tab.run(partial(look, url=url))
            assert wrong == []
            assert shown == [["curl"], ["node"], ["python"]]
            assert tab.errors == [] and tab.blocked == []
