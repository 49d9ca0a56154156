"""A text's way at the desk by keys alone, from the sign-in to a withdrawal that asks for a code.

Only Tab, Shift+Tab, Enter, Space, Escape, arrows and letters. Each page on the way is toured: every
place is reached forth and back, seen, and has a ring. The clock is the test's: what a session is
too old for, is asked or refused.
"""

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from contracts.editorial import Status
from producers.desk.rendering import desk_texts
from tests.support.browser import axe
from tests.support.desk_app import served_desk
from tests.support.events import register_unit
from tests.support.keyboard import Keys, tour
from tests.support.newsroom import NAMES, ROLES, Newsroom
from tests.support.staff import PASSWORD

TEXTS = desk_texts()
BUTTON, LINK = TEXTS["item"]["button"], TEXTS["item"]["link"]
TITLE = "Lịch trả kết quả hồ sơ"
BODY = "Thông báo:\n\n| Ngày | Nơi |\n| --- | --- |\n| 01/12 | Một cửa |\n"
REASON = "Văn bản đã bị thay thế."
REMARK = "Ý kiến gửi quá muộn."
STEP_UP_S, IDLE_S = 6 * 60, 16 * 60


class People:
    """The desk's people, each at a browser with a keyboard."""

    def __init__(self, room: Newsroom, browser, stack: ExitStack) -> None:
        self.room, self.desk = room, room.desk
        self.tabs = {login: stack.enter_context(browser.tab(**LOOKS)) for login in ROLES}

    async def do(self, login: str, script: Callable, *values):
        """Let a person do something; what was decided is carried out."""

        async def play(page):
            keys = Keys(page)
            answer = await script(keys, *values)
            assert keys.faults == []
            return answer

        answer = await self.tabs[login].run(play)
        await self.room.carry_out()
        return answer

    async def sign_in(self, login: str) -> None:
        await self.do(login, sign_in, self.desk.url, login, self.desk.code())


LOOKS = {"width": 1280, "height": 720}


@pytest.fixture
async def people(bus, clock, browser):
    async with served_desk(bus, clock) as desk:
        await register_unit(bus, "van-phong-bo", release="desk")
        desk.names |= NAMES
        for login, role in ROLES.items():
            await desk.active(login, role)
        with ExitStack() as stack:
            yield People(Newsroom(desk, {}), browser, stack)


def button(keys: Keys, name: str):
    return keys.page.get_by_role("button", name=name, exact=True)


def link(keys: Keys, name: str):
    return keys.page.get_by_role("link", name=name, exact=True)


async def arrived(keys: Keys, heading: str) -> None:
    """Read the heading of the page that was opened, and tour it."""
    await keys.page.get_by_role("heading", level=1, name=heading).wait_for()
    await keys.page.wait_for_load_state("load")
    if await keys.page.locator("[data-editor]").count():
        await keys.page.locator(".ProseMirror").wait_for()  # it takes the field's place
    assert await tour(keys.page) == [], keys.page.url


async def sign_in(keys: Keys, url: str, login: str, code: str) -> None:
    await keys.page.goto(url)
    await arrived(keys, TEXTS["title"]["sign_in"])
    await keys.write(keys.page.locator("#login"), login)
    await keys.write(keys.page.locator("#password"), PASSWORD)
    await keys.write(keys.page.locator("#code"), code)
    await keys.page.keyboard.press("Enter")
    await arrived(keys, TEXTS["list"]["work"])


async def write(keys: Keys) -> str:
    """Write a text in the visual editor; the item's path."""
    await keys.press(link(keys, TEXTS["item"]["new"]).first)
    await arrived(keys, TEXTS["item"]["new"])
    await keys.write(keys.page.locator("#title"), TITLE)
    await write_table(keys)
    await keys.choose(keys.page.locator("#topic"), "cai-cach-hanh-chinh")
    await keys.press(keys.page.locator('[name="channels"][value="zalo"]'), "Space")
    await keys.press(button(keys, BUTTON["save"]))
    await arrived(keys, TITLE)
    return keys.page.url


async def write_table(keys: Keys) -> None:
    """A paragraph and a table, whose cells Tab goes through; Escape and Tab lead out of it."""
    editor, hand = keys.page.locator(".ProseMirror"), keys.page.keyboard
    await keys.write(editor, "Thông báo:")
    await hand.press("Enter")
    await keys.reach(keys.page.locator('.toolbar [tabindex="0"]'), "Shift+Tab")
    await keys.reach(keys.page.locator('[data-command="table"]'), "ArrowRight")
    await hand.press("Enter")
    await editor.locator("table").wait_for()
    for cell in ("Ngày", "Nơi", "01/12", "Một cửa"):
        await hand.type(cell)
        await hand.press("Tab")
    await keys.reach(editor, "Shift+Tab")
    await hand.press("Escape")
    await hand.press("Tab")
    assert not await editor.evaluate("one => one.contains(document.activeElement)")


async def press_act(keys: Keys, url: str, act: str, *boxes: str) -> None:
    """Open an item from one's own work, tick what is to be promised, and press the button."""
    await open_item(keys, url)
    for name in boxes:
        await keys.press(
            keys.page.locator(f'form:has(button:text-is("{act}")) [name="{name}"]'), "Space"
        )
    await keys.press(button(keys, act))
    await keys.page.locator(".notice.done").wait_for()


async def open_item(keys: Keys, url: str) -> None:
    await keys.page.goto(url.partition("/tin/")[0])
    await keys.press(keys.page.locator(f'a[href="/tin/{url.partition("/tin/")[2]}"]').first)
    await arrived(keys, TITLE)


async def change_title(keys: Keys, url: str) -> None:
    """Edit the text, and read on the page of changes what was changed."""
    await open_item(keys, url)
    await keys.press(link(keys, LINK["edit"]))
    await arrived(keys, TEXTS["item"]["edit"])
    await keys.write(keys.page.locator("#title"), f"{TITLE} tháng 12")
    await keys.press(button(keys, BUTTON["save"]))
    await arrived(keys, f"{TITLE} tháng 12")
    await keys.press(link(keys, LINK["review"]))
    await arrived(keys, TEXTS["item"]["review"])
    await keys.page.locator("ins", has_text="tháng 12").first.wait_for()


async def withdraw(keys: Keys, url: str) -> None:
    """Order a withdrawal; the session's code is too old for it, and is asked for anew."""
    await open_item(keys, url)
    await keys.press(keys.page.locator("summary", has_text=TEXTS["item"]["act"]["withdraw"]))
    await keys.write(keys.page.locator("#go"), REASON)
    await keys.press(button(keys, BUTTON["withdraw"]))
    await arrived(keys, TEXTS["title"]["step_up"])


async def give_code(keys: Keys, code: str) -> list[str]:
    """Give a code to the page that asks for one; what axe finds on the next page."""
    await keys.write(keys.page.locator("#code"), code)
    async with keys.page.expect_navigation():
        await keys.page.keyboard.press("Enter")
    return await axe(keys.page)


async def comment(keys: Keys) -> None:
    """Send a remark from a page that was opened long ago."""
    await keys.write(keys.page.locator("#gop-y"), REMARK)
    await keys.press(button(keys, BUTTON["comment"]))
    await arrived(keys, TEXTS["page"]["signed_out"]["title"])


async def state_of(room: Newsroom, url: str):
    return (await room.intake.decisions.log.read(url.rpartition("/")[2])).state


async def test_a_text_goes_its_way_by_keys_alone(people):
    for login in ROLES:
        await people.sign_in(login)
    url = await people.do("an", write)
    await people.do("an", press_act, url, BUTTON["submit"])
    await people.do("binh", press_act, url, BUTTON["confirm"], "clean")
    await people.do("chi", change_title, url)
    await people.do("chi", press_act, url, BUTTON["propose"], "clean")
    await people.do("dung", press_act, url, BUTTON["approve"])
    state = await state_of(people.room, url)
    assert (state.status, state.text.data["body"]) == (Status.PUBLISHED, BODY)
    await withdraw_with_code(people, url)
    state = await state_of(people.room, url)
    await people.do("dung", open_item, url)
    people.desk.clock.advance(IDLE_S)
    await people.do("dung", comment)
    assert (await state_of(people.room, url)).head == state.head, "nothing was added"


async def withdraw_with_code(people: People, url: str) -> None:
    """The code of just now carries the withdrawal out; no other does."""
    people.desk.clock.advance(STEP_UP_S)
    await people.do("dung", withdraw, url)
    for code in ("000000", people.desk.code(-20)):
        assert await people.do("dung", give_code, code) == []
        assert (await state_of(people.room, url)).status is Status.PUBLISHED
    assert await people.do("dung", give_code, people.desk.code()) == []
    assert (await state_of(people.room, url)).status is Status.WITHDRAWN
