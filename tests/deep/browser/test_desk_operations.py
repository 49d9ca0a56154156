"""Dead letters, operations, log and roles in a real browser: clean in every look, by keyboard."""

import json
from functools import partial

import pytest

from consumers.audit.log import Act, AuditLog
from consumers.channel_health import pauses
from consumers.dead_letters.store import DeadLetterStore
from contracts import envelope
from contracts.delivery import ChannelName
from contracts.errors import field_error
from tests.deep.browser.test_desk import desk, signs_in
from tests.support.browser import faults_in_every_look, screenshot
from tests.support.dead_letters import bury, content_messages
from tests.support.events import submitted

__all__ = ["desk"]
OFFICER, OPERATOR, AUDITOR = "nguoi-gui-tin", "quan-tri-kenh", "kiem-tra-doc-lap"
PAGES = {
    OFFICER: ("/su-kien-loai", "/su-kien-loai/1", "/su-kien-loai/1/sua", "/huong-dan/vai-tro"),
    OPERATOR: ("/su-kien-loai?ca-da-xu-ly=1", "/su-kien-loai/1", "/van-hanh"),
    AUDITOR: ("/nhat-ky", "/nhat-ky/kiem-toan/1", "/nhat-ky/doi-chieu", "/nhat-ky/trich-xuat"),
}


async def looked_at(page, desk, role):
    wrong = []
    await signs_in(page, desk, "an")
    for number, path in enumerate(PAGES[role]):
        await page.goto(desk.url + path)
        await screenshot(page, f"desk-{role}-{number}")
        wrong += [f"{path} {one}" for one in await faults_in_every_look(page)]
    return wrong


async def fill(desk):
    """A broken event, a long unreadable one, a pause, and acts of people."""
    letters = DeadLetterStore(desk.bus)
    await bury(letters, broken(), errors=(field_error("data.title", "missing"),))
    await bury(letters, b"{" + b"x" * 300)
    await pauses.pause(desk.bus, ChannelName.ZALO, "bảo trì máy chủ")
    for number in range(60):
        act = Act("channel.pause", "zalo", "root", reason=f"lần {number}")
        await AuditLog(desk.bus, desk.clock).record(act)


def broken() -> bytes:
    return envelope.to_structured(submitted(title="", summary="Một\nhai"))


@pytest.mark.parametrize("role", PAGES)
async def test_every_page_is_clean_in_every_look(desk, browser, role):
    await fill(desk)
    await desk.active("an", role)
    with browser.tab() as tab:
        assert await tab.run(partial(looked_at, desk=desk, role=role)) == []
        assert (tab.errors, tab.blocked) == ([], [])


async def press_until(page, name):
    """Tab to a button or link by its name, and press it."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        focused = "document.activeElement.innerText ?? ''"
        if (await page.evaluate(focused)).strip() == name:
            return await page.keyboard.press("Enter")
    raise AssertionError(f"no way to {name} by keyboard")


async def mends(page, desk):
    """An officer mends an event without scripts, on a phone, by keyboard alone."""
    await signs_in(page, desk, "an")
    await page.goto(f"{desk.url}/su-kien-loai/1")
    await press_until(page, "Sửa các trường")
    await page.wait_for_url("**/sua")
    await page.get_by_label("Tiêu đề (title)").focus()
    await page.keyboard.type("Lịch tiếp công dân")
    await press_until(page, "Kiểm tra")
    await page.get_by_role("heading", name="Chỗ khác bản gốc").wait_for()
    await press_until(page, "Gửi bản sửa")
    await page.get_by_text("Đã gửi bản sửa thay").wait_for()


async def test_an_officer_mends_an_event_on_a_phone_by_keyboard(desk, browser):
    await fill(desk)
    await desk.active("an", OFFICER)
    with browser.tab(width=390, java_script_enabled=False) as tab:
        await tab.run(partial(mends, desk=desk))
    sent = (await content_messages(desk.bus))[-1]
    assert json.loads(sent.data)["data"]["title"] == "Lịch tiếp công dân"


async def pauses_a_channel(page, desk):
    await signs_in(page, desk, "an")
    await page.get_by_role("link", name="Theo dõi").click()
    email = page.locator("section", has=page.get_by_role("heading", name="Thư điện tử", exact=True))
    await email.locator("summary").click()
    await email.get_by_label("Lý do").fill("máy chủ gửi thư bảo trì")
    await email.get_by_role("button", name="Tạm dừng kênh").click()
    await page.get_by_text("Đã tạm dừng kênh").wait_for()
    await email.get_by_role("button", name="Cho chạy tiếp").click()
    await page.get_by_text("Kênh đã chạy tiếp").wait_for()


async def test_an_operator_pauses_a_channel_and_lets_it_go_on(desk, browser):
    await desk.active("an", OPERATOR)
    with browser.tab(width=390) as tab:
        await tab.run(partial(pauses_a_channel, desk=desk))
    assert await pauses.load_pauses(desk.bus) == {}
