"""The guide for officials: its pictures, and the words and addresses that it names.

`LOA_TEST_PICTURES=docs/images/desk pytest tests/deep/browser/test_desk_guide.py` takes the pictures
anew, with the font Noto Sans and chromium-l10n, and writes what the pages of the pictures say; the
test fails when a page says something else than its picture.
"""

import json
import os
import re
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from consumers.cli.sample.items import read_sample_text
from producers.desk.web_session import SessionCookie
from tests.support.browser import PICTURES, screenshot
from tests.support.desk_app import Browser, DeskApp
from tests.support.events import register_unit
from tests.support.newsroom import FIELDS, Newsroom
from tests.support.repository import ROOT
from tests.support.signup_app import serve_app

GUIDE = ROOT / "docs" / "ban-bien-tap.vi.md"
FOLDER = ROOT / "docs" / "images" / "desk"
COLOURS = 24
WORDS = "pages.json"
"""Words of each page of a picture: its heading and what its buttons send."""
UNIT = "van-phong-bo"
PEOPLE = {
    "an": ("nguoi-gui-tin", "Người gửi tin (mẫu)"),
    "binh": ("lanh-dao-don-vi", "Lãnh đạo đơn vị (mẫu)"),
    "chi": ("bien-tap-vien", "Biên tập viên (mẫu)"),
    "dung": ("lanh-dao-duyet", "Lãnh đạo duyệt (mẫu)"),
}
SENT, PROPOSED, DRAFT, OUT = (
    *("43-thong-cao-bao-chi", "42-lich-tiep-cong-dan"),
    *("45-truc-tet", "44-nghi-tet-duong-lich"),
)
UNFOLDED = {"8-go-tin"}
WIDE = {"7-lich"}
COOKIE = SessionCookie(is_https=False).name
SAID = """[...document.querySelectorAll("h1, main button[type=submit]")]
    .map(one => one.textContent.trim())"""


@pytest.fixture
async def newsroom(bus, clock):
    async def late(scope, receive, send):
        await late.app(scope, receive, send)

    await register_unit(bus, UNIT, release="desk")
    async with serve_app(late) as url, AsyncExitStack() as stack:
        desk = DeskApp(bus, clock, url)
        late.app = desk.app
        desk.names |= dict(PEOPLE.values())
        browsers = {who: await sign_in(desk, stack, role) for who, (role, _) in PEOPLE.items()}
        yield Newsroom(desk, browsers)


async def sign_in(desk: DeskApp, stack: AsyncExitStack, role: str) -> Browser:
    """The browser of a new account; the desk's address has no https here, nor has its cookie."""
    await desk.active(role, role)
    own = await stack.enter_async_context(desk.browser())
    own.client.cookies.set(COOKIE, await desk.session_of(role), "127.0.0.1")
    return own


async def prepare(newsroom: Newsroom) -> dict[str, str]:
    """Items at the steps that the pictures show; their paths."""
    paths = {name: await newsroom.written(**form(name)) for name in (SENT, PROPOSED, DRAFT, OUT)}
    for name in (SENT, PROPOSED):
        await newsroom.press("an", paths[name], "gui")
    await newsroom.press("binh", paths[PROPOSED], "xac-nhan", clean="1")
    path, text = paths[PROPOSED], form(PROPOSED)
    changed = {**FIELDS, **text, "body": text["body"].replace("03 ngày", "05 ngày")}
    await newsroom["chi"].press(f"{path}/sua", f"{path}/sua", **changed)
    await newsroom.press("chi", path, "trinh", clean="1")
    await newsroom.approve(paths[OUT])
    return paths


def form(name: str) -> dict:
    data = read_sample_text(name)
    return {key: data[key] for key in ("title", "topic", "body")}


async def take(page, name: str, path: str, url: str) -> list[str]:
    """A picture of a page; what the page says."""
    await page.goto(f"{url}{path}")
    await page.wait_for_load_state("networkidle")  # the editor's scripts
    if name in UNFOLDED:
        await page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    await screenshot(page, f"{name}.webp", tallest=1400, colours=COLOURS)
    return await page.evaluate(SAID)


async def test_the_pictures_show_the_pages_as_they_are(newsroom, browser):
    paths, desk = await prepare(newsroom), newsroom.desk
    shots = (
        ("1-kich-hoat", "", "/kich-hoat"),
        ("2-viec-cua-toi", "binh", "/"),
        ("3-soan-tin", "an", "/soan-moi"),
        ("4-gui", "an", paths[DRAFT]),
        ("5-xac-nhan", "binh", paths[SENT]),
        ("6-duyet", "dung", f"{paths[PROPOSED]}/duyet"),
        ("7-lich", "chi", "/lich"),
        ("8-go-tin", "dung", paths[OUT]),
    )
    said = {}
    for name, who, path in shots:
        with browser.tab(1280 if name in WIDE else 800, 900) as tab:
            if who:
                token = newsroom[who].client.cookies[COOKIE]
                cookie = {"name": COOKIE, "value": token, "url": desk.url}
                await tab.run(lambda page, one=cookie: page.context.add_cookies([one]))
            said[name] = await tab.run(partial(take, name=name, path=path, url=desk.url))
    if folder := os.environ.get(PICTURES):
        text = json.dumps(said, ensure_ascii=False, indent=1)
        (Path(folder) / WORDS).write_text(text + "\n", "utf-8")
    assert json.loads((FOLDER / WORDS).read_text("utf-8")) == said, "take the pictures anew"
    assert {path.stem for path in FOLDER.glob("*.webp")} == said.keys()


def test_the_guide_shows_each_picture_and_names_its_parts():
    shown = re.findall(r'src="images/desk/([^"]+)\.webp" width="\d+" alt="([^"]{20,})"', text())
    assert {name for name, _ in shown} == {path.stem for path in FOLDER.glob("*.webp")}


def text() -> str:
    return GUIDE.read_text("utf-8")
