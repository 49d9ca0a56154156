"""The form of a text in a browser: typed, left, taken up again; and the page of a conflict."""

import secrets
from typing import NamedTuple

import pytest

from consumers.desk.kept_texts import KeptTexts
from contracts.desk.editorial import NewItem, Order
from contracts.editorial import ActionKind
from producers.desk.editor.conversion import editor_texts
from producers.desk.rendering import desk_texts
from tests.deep.browser.test_editor import WRITTEN, cookie, opened
from tests.deep.browser.test_editor import desk as desk_fixture
from tests.producers.desk.test_items import TEXT
from tests.support.browser import faults_in_every_look, screenshot
from tests.support.desk_app import PORTAL_URL
from tests.support.uploaded_files import pdf, picture

desk = desk_fixture
KEPT_S = 60_000
OTHERS = "[data-others]:not([hidden])"
UPLOAD, EDITOR = desk_texts()["upload"], editor_texts()


class SavedText:
    """A text of the person, and saves of it elsewhere."""

    def __init__(self, person, content_id: str) -> None:
        self.person, self.content_id = person, content_id
        self.path = f"/tin/{content_id}/sua"

    async def save(self, body: str) -> None:
        item = await self.person.view(self.content_id)
        data = dict(item.data) | {"body": body}
        order = Order(self.content_id, ActionKind.SAVE, secrets.token_hex(16), item.hash, data)
        await self.person.perform(order)


@pytest.fixture
async def saved(desk):
    visitor = await desk.desk.find(await desk.session_of("an"))
    person = desk.services.editorial.of(visitor)
    data = {name: TEXT[name] for name in ("title", "body", "topic", "channels", "lane")}
    new = NewItem(TEXT["unit"], secrets.token_hex(16), data | {"body": "Đoạn một."})
    return SavedText(person, await person.begin(new))


async def test_what_is_typed_and_left_is_offered_again(desk, browser, saved):
    async def script(page):
        await opened(page, desk, cookies, saved.path)
        await page.click(f"{WRITTEN} p")
        await page.keyboard.type("Gõ dở. ")
        await page.get_by_text("Đã giữ tạm lúc").wait_for(timeout=KEPT_S)
        await page.goto(desk.url + saved.path)
        await screenshot(page, "desk-text-kept")
        faults = await faults_in_every_look(page)
        await page.get_by_role("link", name="Dùng lại").click()
        await page.get_by_text("Gõ dở.").first.wait_for()
        await page.get_by_role("button", name="Lưu").first.click()
        await page.wait_for_url(lambda url: not url.endswith("/sua"))
        return faults

    with browser.tab() as tab:
        cookies = [await cookie(desk)]
        assert await tab.run(script) == []
        assert (tab.errors, tab.blocked) == ([], [])


class Other(NamedTuple):
    id: str = "nv-binh"
    name: str = "Trần Bình"


async def test_who_else_has_the_text_open_is_named_while_one_types(desk, browser, saved):
    texts = KeptTexts(desk.bus, desk.clock)

    async def types(page):
        await page.click(f"{WRITTEN} p")
        await page.keyboard.type("Gõ. ")
        await page.locator(OTHERS).wait_for(timeout=KEPT_S)
        return await page.inner_text(OTHERS), await faults_in_every_look(page)

    with browser.tab() as tab:
        cookies = [await cookie(desk)]
        await tab.run(lambda page: opened(page, desk, cookies, saved.path))
        assert not await tab.run(lambda page: page.is_visible(OTHERS))
        await texts.open_page(Other(), saved.content_id)
        said, faults = await tab.run(types)
    assert Other().name in said and faults == []


async def test_who_else_has_the_text_open_is_named_without_scripts(desk, browser, saved):
    async def opens(page):
        await page.context.add_cookies(cookies)
        await page.goto(desk.url + saved.path)
        return await page.inner_text(OTHERS)

    texts = KeptTexts(desk.bus, desk.clock)
    await texts.open_page(Other(), saved.content_id)
    with browser.tab(width=390, java_script_enabled=False) as tab:
        cookies = [await cookie(desk)]
        assert Other().name in await tab.run(opens)
    desk.clock.advance(10 * 60)  # a page without scripts says nothing more
    assert await texts.open_page(Other(), saved.content_id)


async def test_the_page_of_a_conflict_shows_both_texts(desk, browser, saved):
    async def types(page):
        await opened(page, desk, cookies, saved.path)
        await page.click(f"{WRITTEN} p")
        await page.keyboard.type("Của người sau. ")

    async def saves(page):
        await page.get_by_role("button", name="Lưu").first.click()
        await page.get_by_role("heading", name="vừa được người khác sửa").wait_for()
        await screenshot(page, "desk-text-conflict")
        marked = await page.inner_text(".marked")
        return marked, await page.inner_text(WRITTEN), await faults_in_every_look(page)

    with browser.tab() as tab:
        cookies = [await cookie(desk)]
        await tab.run(types)
        await saved.save("Của người đầu.")
        marked, written, faults = await tab.run(saves)
        assert tab.blocked == []
        assert [said for said in tab.errors if "status of 409" not in said] == []
    assert "Của người đầu." in marked and "Của người sau." in marked
    assert "Của người sau." in written
    assert faults == []


async def send_file(page, name: str, content: bytes):
    """Send a file from beside the text; the buttons that say where it goes."""
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    await page.locator("#tep").set_input_files(file)
    await page.locator("[data-upload] button").click()
    return page.locator("[data-files] li", has_text=name)


async def insert(page, entry, accept: str, words: str = "") -> None:
    await entry.get_by_role("button", name=UPLOAD["into_text"]).click()
    if words:
        await page.keyboard.press("Tab")
        await page.keyboard.type(words)
    await page.get_by_role("button", name=accept).click()


async def test_an_uploaded_file_is_put_into_the_text(desk, browser, saved):
    async def script(page):
        await opened(page, desk, cookies, saved.path)
        await page.click(f"{WRITTEN} p")
        await page.keyboard.press("Control+End")
        entry = await send_file(page, "le.png", picture())
        await insert(page, entry, EDITOR["image_dialog"]["accept"], "Lễ công bố")
        shown = page.locator(f"{WRITTEN} img[alt='Lễ công bố']")
        await shown.evaluate("async (image) => { await image.decode(); }")
        entry = await send_file(page, "bao-cao.pdf", pdf())
        await insert(page, entry, EDITOR["link_dialog"]["accept"])
        await page.locator(f"{WRITTEN} a", has_text="bao-cao").wait_for()
        faults = await faults_in_every_look(page)
        await page.get_by_role("button", name=EDITOR["command"]["source"]).click()
        await page.locator("#body").press("Control+End")
        await entry.get_by_role("button", name=UPLOAD["into_text"]).click()
        await page.get_by_role("button", name="Lưu").first.click()
        await page.wait_for_url(lambda url: not url.endswith("/sua"))
        return faults

    with browser.tab() as tab:
        cookies = [await cookie(desk)]
        assert await tab.run(script) == []
        assert (tab.errors, tab.blocked) == ([], [])
    body = (await saved.person.view(saved.content_id)).data["body"]
    assert f"![Lễ công bố]({PORTAL_URL}/tep/" in body
    assert f"[bao-cao]({PORTAL_URL}/tep/" in body
    assert f"[bao-cao.pdf]({PORTAL_URL}/tep/" in body, "at the cursor of the Markdown, as it is"


async def test_an_uploaded_cover_is_kept_without_a_key(desk, browser, saved):
    async def script(page):
        await opened(page, desk, cookies, saved.path)
        entry = await send_file(page, "bia.png", picture())
        await entry.get_by_role("button", name=UPLOAD["as_cover"]).click()
        await page.get_by_text("Đã giữ tạm lúc").wait_for(timeout=KEPT_S)

    with browser.tab() as tab:
        cookies = [await cookie(desk)]
        await tab.run(script)
        assert (tab.errors, tab.blocked) == ([], [])
    account = await desk.accounts.require("an")
    kept = await KeptTexts(desk.bus).find(account.id, saved.content_id)
    assert kept and kept.fields["cover.url"][0].startswith(f"{PORTAL_URL}/tep/")


async def test_a_file_above_the_limit_is_not_sent(desk, browser, saved):
    async def script(page):
        await opened(page, desk, cookies, saved.path)
        limit = "document.querySelector('[data-uploads]').dataset.max = 100"
        await page.evaluate(limit)
        await page.locator("#tep").set_input_files(
            {"name": "a.pdf", "mimeType": "application/pdf", "buffer": pdf()}
        )
        await page.locator("[data-upload] button").click()
        await page.locator("[data-uploads] [data-said]", has_text="Tệp lớn hơn").wait_for()

    with browser.tab() as tab:
        cookies = [await cookie(desk)]
        await tab.run(script)
        assert (tab.errors, tab.blocked) == ([], [])
    assert await desk.bus.count_by_subject("OBJ_uploads") == {}


async def test_the_links_of_a_text_are_asked_from_the_form(desk, browser, saved):
    why = EDITOR["links"]["why"]["not_public"]

    async def script(page):
        await opened(page, desk, cookies, saved.path)
        await page.click(f"{WRITTEN} p")
        await page.keyboard.type("Xem http://10.0.0.1/mot và gõ tiếp.")
        await page.get_by_role("button", name=EDITOR["links"]["ask"]).click()
        await page.get_by_text(why).first.wait_for()
        faults = await faults_in_every_look(page)
        assert "gõ tiếp" in await page.inner_text(WRITTEN), "nothing that was typed is lost"
        return faults

    with browser.tab() as tab:
        cookies = [await cookie(desk)]
        assert await tab.run(script) == []
        assert (tab.errors, tab.blocked) == ([], [])
