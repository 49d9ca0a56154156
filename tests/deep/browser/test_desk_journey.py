"""A text's whole way at the desk of a Loa that runs, each person in a browser of their own.

An officer writes it with a table from Word, a cover and a PDF; the unit's leader confirms, an
editor changes it, plans its time and proposes it, an approver sees whom it reaches and approves. It
leaves at its time and not before, the live counts add up, and the officer is mailed. Then a
correction, and a withdrawal that asks for a code. With scripts at a desktop's width, without at a
phone's; axe runs in both.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from math import ceil

import pytest

from channels.email.parsing import header_text
from contracts.text.moments import VIETNAM
from producers.desk.rendering import desk_texts
from tests.support.browser import faults_in_both_schemes, screenshot
from tests.support.desk_http import accept_invitation, desk_browser, make_code_old, unused_code
from tests.support.forked_cli import PATIENCE_S
from tests.support.loa_process import LoaProcess, complete, wait_until
from tests.support.uploaded_files import pdf, picture

pytestmark = pytest.mark.timeout(300)
TEXTS = desk_texts()["item"]
UPLOAD = desk_texts()["upload"]
PEOPLE = {
    "an": ("Lê Thị An", "nguoi-gui-tin"),
    "binh": ("Trần Bình", "lanh-dao-don-vi"),
    "chi": ("Vũ Chi", "bien-tap-vien"),
    "dung": ("Đỗ Dung", "lanh-dao-duyet"),
}
TITLE = "Lịch trả kết quả hồ sơ trực tuyến tháng 12"
WITHDRAWN = "Văn bản đã bị thay thế."
PATIENCE = 6
"""How many times as long as one act the planned time is ahead: save, propose and approve."""
WORD = (
    "<html xmlns:o='urn:schemas-microsoft-com:office:office'><body><p class=MsoNormal>Bộ Nội vụ "
    "thông báo lịch trả kết quả:<o:p></o:p></p><table class=MsoTableGrid border=1><tr><td><p>"
    "Ngày</p></td><td><p>Nơi trả</p></td></tr><tr><td><p>01/12</p></td><td><p>Bộ phận Một cửa"
    "</p></td></tr></table></body></html>"
)
MARKDOWN = (
    "Bộ Nội vụ thông báo lịch trả kết quả:\n\n| Ngày | Nơi trả |\n| --- | --- |\n"
    "| 01/12 | Bộ phận Một cửa |\n"
)
PASTE = """(html) => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  const options = { clipboardData: data, bubbles: true, cancelable: true };
  document.querySelector(".ProseMirror").dispatchEvent(new ClipboardEvent("paste", options));
}"""


class Newsroom:
    """The people of a desk, each with a browser."""

    def __init__(self, loa: LoaProcess, browser, stack: ExitStack, **looks) -> None:
        [ready] = loa.logged("desk_ready")
        self.loa, self.url = loa, ready["url"]
        self.has_scripts = looks.get("java_script_enabled", True)
        self.width = looks.get("width", 1280)
        self.tabs, self.secrets, self.tokens = {}, {}, {}
        for login, (name, role) in PEOPLE.items():
            words = ("--name", name, "--unit", "van-phong-bo", "--role", role, "--json")
            added = loa.cli("staff", "add", login, *words)
            assert added.exit_code == 0, added.err
            self.tabs[login] = stack.enter_context(browser.tab(**looks))
            self.tabs[login].do(partial(self.enter, login, added.json["invitation"]))

    async def enter(self, login: str, invitation: str, page) -> None:
        """Give the browser the session of a first sign-in."""
        with desk_browser(self.url) as client:
            self.secrets[login] = accept_invitation(client, login, invitation)
            [self.tokens[login]] = client.cookies.values()
            cookies = [{"name": n, "value": v, "url": self.url} for n, v in client.cookies.items()]
        await page.context.add_cookies(cookies)

    def does(self, login: str, script: Callable, *values):
        return self.tabs[login].do(partial(script, self, *values))

    def act(self, login: str, path: str, button: str, **fields: str) -> None:
        self.does(login, press, path, button, fields)
        self.does(login, read_done)


async def press(room: Newsroom, path: str, button: str, fields: dict[str, str], page) -> None:
    """Press the button of an act on the item's page, by its name."""
    await page.goto(f"{room.url}{path}")
    form = page.locator("form", has=page.locator(f'button:text-is("{button}")'))
    fold = page.locator("details", has=form)
    if await fold.count() and await fold.get_attribute("open") is None:
        await fold.locator("summary").click()
    for name, value in fields.items():
        field = form.locator(f'[name="{name}"]')
        await (field.check() if value == "x" else field.fill(value))
    await form.get_by_role("button", name=button, exact=True).click()


async def read_done(room: Newsroom, page) -> None:
    """Read that what was asked for is done."""
    await page.locator(".notice.done").wait_for()
    assert await faults(room, page) == []


async def give_code(room: Newsroom, code: str, page) -> None:
    """Give a code to the page that asks for one before it does what was ordered."""
    await page.get_by_role("heading", name=desk_texts()["title"]["step_up"]).wait_for()
    assert await faults(room, page) == []
    await page.locator("#code").fill(code)
    async with page.expect_navigation():
        await page.get_by_role("button", name=desk_texts()["button"]["confirm"]).click()


async def faults(room: Newsroom, page) -> list[str]:
    """What axe finds in light and dark, and whether the page is too wide."""
    return await faults_in_both_schemes(page, has_scripts=room.has_scripts)


async def write(room: Newsroom, page) -> str:
    """Write the text, with a cover and an attachment; the item's path."""
    await page.goto(f"{room.url}/tin/moi")
    await page.locator("#title").fill(TITLE)
    await page.locator("#topic").select_option("cai-cach-hanh-chinh")
    await page.locator('[name="channels"][value="zalo"]').uncheck()
    if room.has_scripts:
        await page.locator(".ProseMirror").click()
        await page.evaluate(PASTE, WORD)
        await page.locator(".ProseMirror table").wait_for()
        await upload(page, "bia.png", picture(), UPLOAD["as_cover"])
        await page.locator('[name="cover.alt"]').fill("Bộ phận Một cửa")
        await upload(page, "lich.pdf", pdf(), UPLOAD["as_attachment"])
    else:
        await page.locator("#body").fill(MARKDOWN)
        await fill_addresses(room, page)
    await screenshot(page, f"journey-write-{room.width}")
    assert await faults(room, page) == []
    await page.get_by_role("button", name=TEXTS["button"]["save"], exact=True).click()
    await page.get_by_role("heading", name=TITLE).wait_for()
    return page.url.removeprefix(room.url)


async def upload(page, name: str, content: bytes, use: str) -> None:
    """Send a file from beside the text, and use it there."""
    kind = "image/png" if name.endswith("png") else "application/pdf"
    file = {"name": name, "mimeType": kind, "buffer": content}
    await page.locator("#tep").set_input_files(file)
    await page.locator("[data-upload] button").click()
    await page.locator("[data-files] li", has_text=name).get_by_role("button", name=use).click()


async def fill_addresses(room: Newsroom, page) -> None:
    """Without scripts: upload on a page of its own, and copy the address."""
    files = {"cover": ("bia.png", picture()), "attachments.0": ("lich.pdf", pdf())}
    titles = {"cover": ("alt", "Bộ phận Một cửa"), "attachments.0": ("title", "Lịch trả kết quả")}
    other = await page.context.new_page()
    for at, (name, content) in files.items():
        await other.goto(f"{room.url}/tep")
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        await other.locator("#tep").set_input_files(file)
        await other.get_by_role("button", name=desk_texts()["button"]["upload"]).click()
        address = await other.locator("#dia-chi").input_value()
        field = page.locator(f'[name="{at}.url"]')
        await page.locator("details", has=field).locator("summary").click()
        await field.fill(address)
        part, title = titles[at]
        await page.locator(f'[name="{at}.{part}"]').fill(title)
    await other.close()


async def change(room: Newsroom, path: str, fields: dict[str, str], page) -> None:
    """Change fields of the text, and save it."""
    await page.goto(f"{room.url}{path}/sua")
    for name, value in fields.items():
        await page.locator(f"#{name}").fill(value)
    await page.get_by_role("button", name=TEXTS["button"]["save"], exact=True).click()
    await page.get_by_role("heading", level=1).wait_for()
    assert page.url == f"{room.url}{path}", await page.locator("main").inner_text()


async def look(room: Newsroom, path: str, name: str, page) -> str:
    """A page that only shows something, clean and not too wide; what it says."""
    await page.goto(f"{room.url}{path}")
    await screenshot(page, f"journey-{name}-{room.width}")
    assert await faults(room, page) == [], path
    return await page.locator("main").inner_text()


@contextmanager
def newsroom(folder, browser, **looks):
    with LoaProcess(folder) as loa, ExitStack() as stack:
        loa.add_unit("van-phong-bo")
        loa.readers(3)
        yield Newsroom(loa, browser, stack, **looks)


LOOKS = [{"width": 1280}, {"width": 390, "java_script_enabled": False}]


@pytest.mark.parametrize("looks", LOOKS, ids=["desktop", "phone without scripts"])
def test_a_text_goes_its_whole_way(tmp_path, browser, looks):
    with newsroom(tmp_path, browser, **looks) as room:
        told = room.loa.cli("staff", "address", "an", "an@example.gov.vn")
        assert told.exit_code == 0, told.err
        path = room.does("an", write)
        content_id = path.removeprefix("/tin/")
        room.act("an", path, TEXTS["button"]["submit"])
        began = time.monotonic()
        room.act("binh", path, TEXTS["button"]["confirm"], clean="x")
        act_s = time.monotonic() - began
        edited = f"{TITLE} năm 2026"
        room.does("chi", change, path, {"title": edited})
        assert "năm 2026" in room.does("chi", look, f"{path}/duyet", "review")
        assert edited in room.does("chi", look, f"{path}/xem-truoc", "preview")
        assert "3" in room.does("dung", look, f"{path}/se-toi-ai", "dry-run")
        release_at_its_time(room, path, PATIENCE * act_s)
        assert sent(room.loa, content_id, 1) == {"portal": 1, "email": 3}
        page = room.loa.page(f"/tin/{content_id}")[1]
        assert edited in page and "Bộ phận Một cửa" in page and "/tep/" in page
        withdraw_after_correction(room, path)
        titles = wait_until(lambda: about_item(room.loa, "an@example.gov.vn", 3), "mails to staff")
        assert len(titles) == len(set(titles)), "each step is told once"


def release_at_its_time(room: Newsroom, path: str, after_s: float) -> None:
    """Plan a time and approve; readers have nothing before it, and the live counts all after."""
    leaves = ceil(time.time() + after_s)
    planned = datetime.fromtimestamp(leaves, VIETNAM).replace(tzinfo=None).isoformat()
    room.does("chi", change, path, {"not_before": planned})
    room.act("chi", path, TEXTS["button"]["propose"], clean="x")
    room.act("dung", path, TEXTS["button"]["approve"])
    assert time.time() < leaves, "the time has to be to come when the text is approved"
    opened = room.does("chi", look, f"{path}/dang-gui", "live-before")
    assert desk_texts()["live"]["complete"] not in opened
    wait_until(lambda: has_left(room.loa, path), "the text's page", after_s + PATIENCE_S)
    assert time.time() >= leaves, "readers had the text before its time"
    for channel, counts in room.does("chi", read_counts).items():
        *by_status, expected = counts
        assert sum(by_status) == expected > 0, channel


def has_left(loa: LoaProcess, path: str) -> bool:
    """Whether any reader has the text: on the portal or by mail."""
    to_readers = [one for one in loa.mails() if "nguoi" in header_text(one.as_bytes(), "To")]
    return loa.page_status(path) == 200 or bool(to_readers)


async def read_counts(room: Newsroom, page) -> dict[str, list[int]]:
    """The open page of a delivery, which goes on by itself, when all is delivered: its numbers.

    Without scripts it loads itself again, once it is asked to.
    """
    if not room.has_scripts:
        await page.get_by_role("link", name=desk_texts()["live"]["reloads"]).click()
    await page.get_by_text(desk_texts()["live"]["complete"]).wait_for(timeout=60_000)
    assert await faults(room, page) == []
    found = {}
    for channel in await page.locator("section[aria-labelledby^=kenh]").all():
        numbers = await channel.locator("td.right").all_inner_texts()
        found[await channel.locator("h2").inner_text()] = [*map(int, numbers)]
    return found


def withdraw_after_correction(room: Newsroom, path: str) -> None:
    content_id = path.removeprefix("/tin/")
    room.does("an", change, path, {"summary": "Sửa nơi trả.", "reason": "Ghi sai nơi trả."})
    for login, button in (("an", "submit"), ("binh", "confirm"), ("chi", "propose")):
        fields = {} if button == "submit" else {"clean": "x"}
        room.act(login, path, TEXTS["button"][button], **fields)
    room.act("dung", path, TEXTS["button"]["approve"])
    assert sent(room.loa, content_id, 2) == {"portal": 1, "email": 3}
    assert "Ghi sai nơi trả." in room.loa.page(f"/tin/{content_id}")[1]
    withdraw_with_code(room, path)
    wait_until(lambda: WITHDRAWN in room.loa.page(f"/tin/{content_id}")[1], "gone")


def withdraw_with_code(room: Newsroom, path: str) -> None:
    """The session is too old for a withdrawal: a code is asked for, and a wrong one refused."""
    asyncio.run(make_code_old(room.loa, room.tokens["dung"]))
    room.does("dung", press, path, TEXTS["button"]["withdraw"], {"note": WITHDRAWN})
    room.does("dung", give_code, "000000")
    room.does("dung", give_code, unused_code(room.secrets["dung"]))
    room.does("dung", read_done)


def sent(loa: LoaProcess, content_id: str, revision: int) -> dict[str, int]:
    """How many deliveries each channel has made, once all are."""

    def story() -> dict:
        told = loa.cli("trace", content_id, "--json", "--by", "Người vận hành")
        found = told.json if told.exit_code == 0 else {}
        return found if complete(found) and found["revision"] == revision else {}

    channels = wait_until(story, f"{content_id} on every channel")["channels"]
    return {name: one["expected"] for name, one in channels.items()}


def about_item(loa: LoaProcess, address: str, least: int) -> list[str]:
    """Subjects of an account's mails, once there are enough."""
    mine = [one for one in loa.mails() if address in header_text(one.as_bytes(), "To")]
    found = [str(one["Subject"]) for one in mine]
    return found if len(found) >= least else []
