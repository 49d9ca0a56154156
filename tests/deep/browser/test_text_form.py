"""The form of a text in a browser: typed, left, taken up again; and the page of a conflict."""

import secrets

import pytest

from contracts.desk.editorial import NewItem, Order
from contracts.editorial import ActionKind
from tests.deep.browser.test_editor import WRITTEN, cookie, opened
from tests.deep.browser.test_editor import desk as desk_fixture
from tests.producers.desk.test_items import TEXT
from tests.support.browser import faults_in_every_look, screenshot

desk = desk_fixture
KEPT_S = 8_000


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
