"""The readers' pages in a real browser: axe, 320 pixels, light and dark, and the keyboard alone."""

import time
from functools import partial

import pytest

from consumers.subscribers.tokens import LinkOwner, TokenPurpose
from design.frame import URGENT_SHEET
from producers.pages.rendering import page_texts
from tests.support.browser import faults_in_every_look, screenshot, set_look
from tests.support.signup_app import KNOWN, SignupApp, serve_app, signup_form

INSIDE = {"options": "/dang-ky/tuy-chon?xong=da-luu", "erase": "/dang-ky/tuy-chon/xoa"}
CONSENT = "{ask} {ask_what}".format_map(page_texts()["consent"])
# Radio buttons of one name are one stop; the skip link is there only while it has the focus.
NAMED = """const named = one => one.type === 'radio' ? one.name
  : [one.tagName, one.name, one.value, one.href, one.textContent.trim()].join(' ');"""
USABLE = f"""() => {{ {NAMED}
  const usable = 'a:not([hidden] a), button, summary, input:not([type=hidden])';
  return [...document.querySelectorAll(usable)].map(named) }}"""
FOCUSED = f"""() => {{ {NAMED} const one = document.activeElement;
  return one.matches(':focus-visible') ? named(one) : '' }}"""
SMALL = """() => [...document.querySelectorAll(
    'nav a, .onward a, .wrong a, button, summary, .box, input[type=text], input[type=email]')]
  .filter(one => one.getClientRects().length && one.getBoundingClientRect().height < 44)
  .map(one => one.textContent.trim() || one.name)"""
"""Targets that a finger has to hit alone and that are less than 44 pixels high."""
LACKED = ("status of 4", URGENT_SHEET)
"""Parts of errors that are right here: there is no portal, which serves the sheet."""
LOOKS = [(1280, "light"), (320, "dark")]
"""Looks in which the keyboard is tried, and fingers."""


@pytest.fixture
async def signup_app(bus, tmp_path):
    return SignupApp(bus, tmp_path, time.time)


async def links(app):
    """Pages that only a letter or a mail leads to, by name; none of them is followed."""
    async with app.client() as browser:
        wishes = {"topics": ["viec-lam"], "units": ["van-phong-bo"], "name": "Nguyễn Văn An"}
        await browser.post("/dang-ky", data=signup_form(**wishes))
        confirm = await app.last_mail()
        await browser.post("/dang-ky/quan-ly", data={"email": KNOWN})
        enter = await app.last_mail()
        known = await app.subscriber(KNOWN)
        await app.preferences.request_address_change(known, "moi@example.com")
        move = await app.last_mail()
    gone = f"/huy/{app.signer.token((await former_reader(app)).id)}"
    return {
        "stopped": gone,
        "erase-rest": f"{gone}/xoa",
        "confirm": confirm.path,
        "enter": enter.path,
        "move": move.path,
        "leave": f"/huy/{app.signer.token(known.id)}",
        "left": f"/huy/{app.signer.token('nobody')}",
        "forged": "/huy/sai",
        "missing": "/dang-ky/khong-co",
        "over": "/dang-ky/tuy-chon",
        "manage": "/dang-ky/quan-ly",
        "subscribe": "/dang-ky",
    }


async def former_reader(app):
    """A reader who has left, and of whom the proof of consent is kept."""
    one = await app.subscribed("da-ngung@example.com")
    await app.unsubscribe.unsubscribe(one.id)
    return one


async def test_every_page_is_clean_in_every_look_and_in_reach(signup_app, browser):
    await signup_app.subscribed(KNOWN)
    pages = await links(signup_app)
    one = await signup_app.subscriber(KNOWN)
    await signup_app.preferences.pause(one, None)
    whose = LinkOwner(id=one.id, address=signup_app.store.key_of_address(KNOWN))
    session = signup_app.links.issue(TokenPurpose.SESSION, whose).token
    async with serve_app(signup_app.app) as url:
        with browser.tab() as tab:
            looked = PageReview(url)
            await tab.run(partial(looked.at_all, pages=pages, session=session))
            assert looked.wrong == []
            assert [said for said in tab.errors if not any(one in said for one in LACKED)] == []
            assert tab.blocked == []


async def let_in(page, url, session):
    cookie = {"name": "loa-dang-ky", "value": session, "url": url, "sameSite": "Strict"}
    await page.context.add_cookies([cookie])


class PageReview:
    """Collects what is wrong with pages."""

    def __init__(self, url):
        self.url, self.wrong = url, []

    async def at_all(self, page, pages, session):
        for name, path in pages.items():
            await self.at(page, name, path)
        await self.mistakes(page)
        await self.mends(page)
        await let_in(page, self.url, session)
        for name, path in INSIDE.items():
            await self.at(page, name, path)
            await self.reach(page, name)
        await page.goto(f"{self.url}/dang-ky")
        await self.reach(page, "subscribe")

    async def reach(self, page, name):
        """Tab goes to everything that can be used, and each stop is seen to have the focus."""
        await page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        for width, scheme in LOOKS:
            await set_look(page, width, scheme)
            wanted, reached = set(await page.evaluate(USABLE)), set()
            for _ in range(len(wanted) + 5):
                await page.keyboard.press("Tab")
                reached.add(await page.evaluate(FOCUSED))
            self.wrong += [f"{name} {width}: Tab misses {one}" for one in wanted - reached]

    async def at(self, page, name, path):
        await page.goto(self.url + path)
        await self.judge(page, name)

    async def mistakes(self, page):
        """A form that is sent empty says what is wrong, and the reader is there."""
        await page.goto(f"{self.url}/dang-ky")
        async with page.expect_navigation(wait_until="load"):
            await page.get_by_role("button", name="Đăng ký").click()
        await self.judge(page, "mistakes")
        focused = await page.evaluate("document.activeElement.id")
        self.wrong += [] if focused == "loi" else [f"mistakes: {focused!r} has the focus"]

    async def mends(self, page):
        """Who mends the address afterwards finds everything else as it was."""
        await page.get_by_label("Địa chỉ thư điện tử").fill("nham@example.com")
        await page.get_by_text("Chọn chủ đề", exact=True).click()
        for ticked in ("Việc làm", CONSENT):
            await page.get_by_label(ticked, exact=True).check()
        await page.get_by_role("button", name="Đăng ký").click()
        await page.get_by_role("heading", name="Xin kiểm tra hộp thư").wait_for()
        await self.judge(page, "sent")
        await page.get_by_role("button", name="Gửi lại thư").click()
        await page.get_by_role("status").wait_for()
        await self.judge(page, "sent-again")
        await page.get_by_role("button", name="Sửa địa chỉ").click()
        await page.get_by_role("heading", name="Đăng ký nhận tin qua").wait_for()
        for ticked in ("Việc làm", CONSENT):
            kept = await page.get_by_label(ticked, exact=True).is_checked()
            self.wrong += [] if kept else [f"mended: {ticked} is ticked no more"]

    async def judge(self, page, name):
        self.wrong += [f"{name} {one}" for one in await faults_in_every_look(page)]
        for width, scheme in LOOKS:
            await set_look(page, width, scheme)
            small = await page.evaluate(SMALL)
            self.wrong += [f"{name} {width}: small: {one}" for one in small]
            await screenshot(page, f"{name}-{width}-{scheme}")


async def test_the_keyboard_alone_subscribes(signup_app, browser):
    async with serve_app(signup_app.app) as url:
        with browser.tab(width=390, java_script_enabled=False) as tab:
            await tab.run(lambda page: typed(page, url))
    asked = (await signup_app.last_mail()).address
    assert asked == "ban.phim@example.com"


async def typed(page, url):
    """From the address bar on, only keys; each stop of the way shows where it is."""
    await page.goto(f"{url}/dang-ky")
    await to(page, "#email")
    await page.keyboard.type("ban.phim@example.com")
    await to(page, "details summary")
    await page.keyboard.press("Enter")
    await to(page, "details input[type=checkbox]")
    await page.keyboard.press("Space")
    await to(page, "#consent")
    await page.keyboard.press("Space")
    await to(page, "button")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Xin kiểm tra hộp thư").wait_for()


async def to(page, selector, stops=60):
    """Press Tab until the first *selector* has the focus, and is seen to have it."""
    for _ in range(stops):
        await page.keyboard.press("Tab")
        if await page.locator(f"{selector}:focus-visible").count():
            return
    raise AssertionError(f"{selector} is out of the keyboard's reach")
