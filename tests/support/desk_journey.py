"""The people of a desk in real browsers, each in a profile of its own, in one look of the pages."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

from producers.desk.rendering import desk_texts
from tests.support.browser import Browser, Tab, faults_in_both_schemes, screenshot
from tests.support.desk_http import accept_invitation, desk_browser, start_session
from tests.support.loa_process import LoaProcess
from tests.support.served_desk import PLAIN_COOKIE

PEOPLE = {
    "an": ("Lê Thị An", "nguoi-gui-tin"),
    "binh": ("Trần Bình", "lanh-dao-don-vi"),
    "chi": ("Vũ Chi", "bien-tap-vien"),
    "dung": ("Đỗ Dung", "lanh-dao-duyet"),
}


class Look(NamedTuple):
    """How the pages are looked at, and the title of the text that goes through them."""

    name: str
    width: int
    has_scripts: bool
    title: str


class DeskPeople:
    """Accounts of a desk that runs, each with an address for mail and an authenticator app."""

    def __init__(self, loa: LoaProcess) -> None:
        [ready] = loa.logged("desk_ready")
        self.loa, self.url = loa, ready["url"]
        self.secrets: dict[str, bytes] = {}
        for login in PEOPLE:
            self.add(login)

    def add(self, login: str) -> None:
        name, role = PEOPLE[login]
        words = ("--name", name, "--unit", "van-phong-bo", "--role", role, "--json")
        added = self.loa.cli("staff", "add", login, *words)
        assert added.exit_code == 0, added.err
        told = self.loa.cli("staff", "address", login, address_of(login))
        assert told.exit_code == 0, told.err
        with desk_browser(self.url) as client:
            self.secrets[login] = accept_invitation(client, login, added.json["invitation"])


def address_of(login: str) -> str:
    return f"{login}@example.gov.vn"


class Journey:
    """One look at the desk: a browser for each person, and the item that they work on."""

    def __init__(self, people: DeskPeople, browser: Browser, look: Look, stack: ExitStack) -> None:
        self.people, self.look, self.title = people, look, look.title
        self.url, self.loa = people.url, people.loa
        self.path = ""
        self.tabs: dict[str, Tab] = {}
        self.tokens: dict[str, str] = {}
        looks = {"width": look.width, "java_script_enabled": look.has_scripts}
        for login in PEOPLE:
            self.tabs[login] = stack.enter_context(browser.tab(**looks))
            self.sign_in(login)

    def sign_in(self, login: str) -> None:
        """Give a person's browser a session of its own."""
        token = self.tokens[login] = asyncio.run(start_session(self.loa, login))
        cookie = {"name": PLAIN_COOKIE, "value": token, "url": self.url}
        self.tabs[login].do(lambda page: page.context.add_cookies([cookie]))

    @property
    def content_id(self) -> str:
        return self.path.removeprefix("/tin/")

    @property
    def errors(self) -> list[str]:
        """Errors by the browsers, and addresses outside that a page asked for.

        A page that asks for a code, or refuses one, is none.
        """
        found = [one for tab in self.tabs.values() for one in (*tab.errors, *tab.blocked)]
        return [one for one in found if "status of 403" not in one]

    def does(self, login: str, script: Callable[..., Any], *values: Any) -> Any:
        return self.tabs[login].do(partial(script, self, *values))

    def act(self, login: str, button: str, **fields: str) -> None:
        """Press the button of an act on the item's page; it is done."""
        self.does(login, press, button, fields)
        self.does(login, read_done)


async def press(journey: Journey, button: str, fields: Mapping[str, str], page) -> None:
    """Press the button of an act on the item's page, by its name."""
    await page.goto(f"{journey.url}{journey.path}")
    form = page.locator("form", has=page.locator(f'button:text-is("{button}")'))
    assert await form.count(), await page.locator("main").inner_text()
    fold = page.locator("details", has=form)
    if await fold.count() and await fold.get_attribute("open") is None:
        await fold.locator("summary").click()
    for name, value in fields.items():
        field = form.locator(f'[name="{name}"]')
        await (field.check() if value == "x" else field.fill(value))
    await form.get_by_role("button", name=button, exact=True).click()


async def read_done(journey: Journey, page) -> None:
    """Read that what was asked for is done."""
    await page.locator(".notice.done").wait_for()
    assert await faults(journey, page) == []


async def give_code(journey: Journey, code: str, page) -> None:
    """Give a code to the page that asks for one before it does what was ordered."""
    await page.get_by_role("heading", name=desk_texts()["title"]["step_up"]).wait_for()
    assert await faults(journey, page) == []
    await page.locator("#code").fill(code)
    async with page.expect_navigation():
        await page.get_by_role("button", name=desk_texts()["button"]["confirm"]).click()


async def visit(journey: Journey, route: str, name: str, page) -> None:
    """Open a page of the item that only shows something: clean, and not too wide."""
    await page.goto(f"{journey.url}{journey.path}{route}")
    await screenshot(page, f"journey-{name}-{journey.look.name.replace(' ', '-')}")
    assert await faults(journey, page) == [], route


async def faults(journey: Journey, page) -> list[str]:
    """Faults by axe in light and dark, and whether the page is too wide."""
    return await faults_in_both_schemes(page, has_scripts=journey.look.has_scripts)


async def read_rows(section) -> dict[str, list[str]]:
    """The rows of the tables of a part of a page, by their first cell."""
    found = {}
    for row in await section.locator("tbody tr").all():
        found[await row.locator("th").inner_text()] = await row.locator("td").all_inner_texts()
    return found
