"""The visual editor in a browser: nothing is lost, nothing breaches the policy, keys suffice."""

import asyncio
import os
import signal
import subprocess
import threading
import time
from functools import partial

import pytest
from hypothesis import Phase, given, settings

from consumers.desk.kept_texts import KeptTexts
from producers.desk.editor.conversion import editor_texts
from producers.desk.web_session import SessionCookie
from producers.html_to_markdown import to_markdown
from producers.html_to_markdown.back import editor_html
from tests.producers.html_to_markdown.test_clipboard import item, paragraph
from tests.producers.html_to_markdown.test_round_trip import TEXTS, shown
from tests.support import requirements
from tests.support.browser import FLAGS, faults_in_every_look, screenshot
from tests.support.desk_app import DeskApp, served_desk
from tests.support.editor_page import ITEM, PATH, EditorPage

TEXT = """## Kết quả cải cách hành chính

Một đoạn **đậm**, *nghiêng* và [liên kết](https://moha.gov.vn/a?b=1&c=2).

- một
  - hai
- ba

4. bốn
5. năm

| Tỉnh | Hồ sơ |
| :-- | --: |
| Nam | 980 |

> Trích dẫn

![Lễ công bố](https://moha.gov.vn/le.png)
"""
WRITTEN = ".ProseMirror"
LOST_MAX_S, BUSY_S = 5.0, 5.0
"""How much may be lost; what a busy machine may add to it."""
THERE_AND_BACK = """async ([folder, texts]) => {
  const { readHtml, writeHtml } = await import(`${folder}/editor/document.js`);
  return texts.map((html) => writeHtml(readHtml(html)));
}"""
PASTE = """([html, text]) => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  data.setData("text/plain", text);
  const options = { clipboardData: data, bubbles: true, cancelable: true };
  const event = new ClipboardEvent("paste", options);
  document.querySelector(".ProseMirror").dispatchEvent(event);
}"""


@pytest.fixture
async def desk(bus, clock):
    async with served_desk(bus, clock) as desk:
        await desk.active("an", "bien-tap-vien")
        yield desk


async def cookie(desk: DeskApp) -> dict[str, str]:
    name = SessionCookie(is_https=False).name
    return {"name": name, "value": await desk.session_of("an"), "url": desk.url}


async def opened(page, desk: DeskApp, cookies, path: str = PATH):
    await page.context.add_cookies(cookies)
    await page.goto(desk.url + path)
    await page.wait_for_selector(WRITTEN)


async def saved(page) -> None:
    async with page.expect_navigation():
        await page.get_by_role("button", name="Lưu").click()
    await page.wait_for_selector(WRITTEN)


async def runs(desk: DeskApp, browser, script, text: str = "", **looks):
    """The example page after *script*; no error of a script and no breach of the policy."""
    example = EditorPage(desk, text)
    with browser.tab(**looks) as tab:
        cookies = [await cookie(desk)]

        async def play(page):
            await opened(page, desk, cookies)
            return await script(page)

        result = await tab.run(play)
        assert (tab.errors, tab.blocked) == ([], [])
    return example, result


async def test_a_text_that_was_not_changed_is_saved_as_it_was(desk, browser):
    example, _ = await runs(desk, browser, saved, TEXT)
    assert example.text == TEXT


def sample_texts(count: int) -> list[str]:
    texts: list[str] = []

    @settings(max_examples=count, deadline=None, phases=[Phase.generate], database=None)
    @given(TEXTS)
    def collect(text):
        texts.append(text)

    collect()
    return texts


async def test_no_text_of_the_dialect_is_changed_by_the_editor(desk, browser):
    texts = sample_texts(100)
    folder = desk.services.pages.environment.globals["script_folder"]

    async def there_and_back(page):
        return await page.evaluate(THERE_AND_BACK, [folder, [str(editor_html(t)) for t in texts]])

    _, written = await runs(desk, browser, there_and_back)
    changed = [
        text
        for text, html in zip(texts, written, strict=True)
        if shown(to_markdown(html).markdown) != shown(text)
    ]
    assert changed == []


async def writes_with_keys(page):
    """A heading, a list of two levels, a table with a row more, emphasis; undone and done again."""
    keys = page.keyboard
    await page.focus(WRITTEN)
    await keys.press("Control+Alt+2")
    await keys.type("Đề mục")
    await keys.press("Enter")
    await keys.press("Control+b")
    await keys.type("Đậm")
    await keys.press("Control+b")
    await keys.press("Enter")
    await keys.press("Control+Shift+8")
    await keys.type("một")
    await keys.press("Enter")
    await keys.press("Control+]")
    await keys.type("hai")
    await keys.press("Enter")
    await keys.press("Enter")
    await keys.press("Enter")
    await keys.press("Alt+F10")
    while await page.evaluate("document.activeElement.dataset.command") != "table":
        await keys.press("ArrowRight")
    await keys.press("Enter")
    await page.wait_for_selector(f"{WRITTEN} table")


async def test_the_keyboard_alone_writes_and_reaches_the_toolbar(desk, browser):
    async def script(page):
        await writes_with_keys(page)
        await page.keyboard.type("A")
        await page.keyboard.press("Tab")
        await page.keyboard.type("B")
        whole = await page.inner_text(WRITTEN)
        await page.keyboard.press("Control+z")
        assert await page.inner_text(WRITTEN) != whole
        await page.keyboard.press("Control+y")
        assert await page.inner_text(WRITTEN) == whole
        await saved(page)

    example, _ = await runs(desk, browser, script)
    assert example.text.startswith("## Đề mục\n\n**Đậm**\n\n- một\n  - hai\n\n| A | B |\n")


async def test_a_text_of_word_is_pasted_clean_and_its_losses_are_told(desk, browser):
    html = paragraph("Hồ sơ <u>gồm</u>:") + item("Đơn", "·") + item("Bản sao", "o", 2)

    async def script(page):
        await page.focus(WRITTEN)
        await page.evaluate(PASTE, [html, "chữ"])
        await page.wait_for_selector(f"{WRITTEN} ul ul")
        said = await page.inner_text("[data-losses]")
        await saved(page)
        return said

    example, said = await runs(desk, browser, script)
    assert example.text == "Hồ sơ gồm:\n\n- Đơn\n  - Bản sao\n"
    assert "Gạch chân, 1 chỗ" in said


async def test_pastes_that_come_while_one_converts_wait_their_turn(desk, browser):
    """A selection is replaced, words typed meanwhile stay, no paste is the page's own."""
    first = paragraph('Hồ sơ <u style="color:red">gồm</u>:')
    second = paragraph('Đơn <s style="color:red">cũ</s>.')
    later = asyncio.Event()

    async def hold(route):
        await later.wait()
        await route.continue_()

    async def script(page):
        await page.route("**/soan/dan", hold)
        await page.focus(WRITTEN)
        await page.keyboard.press("Control+a")
        await page.evaluate(PASTE, [first, "một"])
        await page.evaluate(PASTE, [second, "hai"])
        await page.keyboard.type(" Gõ tiếp")
        await page.get_by_text("Gõ tiếp").wait_for()
        later.set()
        await page.get_by_text("Gạch ngang, 1 chỗ").wait_for()
        said = await page.inner_text("[data-losses]")
        await saved(page)
        return said

    example, said = await runs(desk, browser, script, "Chữ cũ.\n")
    assert example.text == "Hồ sơ gồm:Đơn cũ. Gõ tiếp\n"
    assert "Gạch chân, 1 chỗ" in said, "losses of both"


async def test_a_paste_that_fails_keeps_the_words(desk, browser):
    async def script(page):
        await page.route("**/soan/dan", lambda route: route.abort())
        await page.focus(WRITTEN)
        await page.evaluate(PASTE, ["<p><b>chữ</b></p>", "chữ của bảng nhớ"])
        await page.get_by_text("chữ của bảng nhớ").wait_for()
        said = await page.inner_text("[role=status][data-said][data-plain]")
        await saved(page)
        return said

    example = EditorPage(desk)
    with browser.tab() as tab:
        cookies = [await cookie(desk)]

        async def play(page):
            await opened(page, desk, cookies)
            return await script(page)

        said = await tab.run(play)
    assert example.text == "chữ của bảng nhớ\n"
    assert said.startswith("Chưa chuyển được định dạng")


async def test_the_source_and_the_visual_text_are_one_text(desk, browser):
    async def script(page):
        await page.click(f"{WRITTEN} p")
        await page.keyboard.press("End")
        await page.keyboard.type(" Thêm.")
        turn = page.get_by_role("button", name="Mã Markdown")
        await turn.click()
        field = page.locator("textarea:visible")
        await field.wait_for()
        source = await field.input_value()
        await field.fill(source.replace("> Trích dẫn", "> Trích *mới*"))
        await turn.click()
        await page.wait_for_selector(f"{WRITTEN} blockquote em")
        await saved(page)

    example, _ = await runs(desk, browser, script, TEXT)
    expected = TEXT.replace("&c=2).", "&c=2). Thêm.").replace("> Trích dẫn", "> Trích *mới*")
    assert example.text == expected


async def test_a_link_and_a_picture_are_put_in_by_their_dialogs(desk, browser):
    async def script(page):
        await page.focus(WRITTEN)
        await page.keyboard.press("Control+k")
        await page.get_by_label("Địa chỉ", exact=True).fill("javascript:alert(1)")
        await page.keyboard.press("Enter")
        await page.get_by_text("Địa chỉ bắt đầu bằng https://").first.wait_for()
        await page.get_by_label("Địa chỉ", exact=True).fill("https://moha.gov.vn/")
        await page.get_by_label("Chữ hiển thị").fill("Bộ Nội vụ")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Ảnh", exact=True).click()
        await page.get_by_label("Địa chỉ ảnh").fill("https://moha.gov.vn/a.png")
        await page.get_by_label("Mô tả ảnh").fill("Lễ công bố")
        await page.get_by_role("button", name="Chèn ảnh").click()
        await page.get_by_text("Ảnh: Lễ công bố").wait_for()
        await saved(page)

    example, _ = await runs(desk, browser, script)
    expected = "[Bộ Nội vụ](https://moha.gov.vn/)![Lễ công bố](https://moha.gov.vn/a.png)\n"
    assert example.text == expected


async def test_the_editor_is_clean_in_every_look(desk, browser):
    async def script(page):
        await screenshot(page, "desk-editor")
        faults = await faults_in_every_look(page)
        await page.get_by_role("button", name="Mã Markdown").click()
        return faults + await faults_in_every_look(page)

    _, faults = await runs(desk, browser, script, TEXT)
    assert faults == []


async def test_without_scripts_the_field_is_markdown(desk, browser):
    example = EditorPage(desk, TEXT)
    with browser.tab(width=390, java_script_enabled=False) as tab:
        cookies = [await cookie(desk)]

        async def play(page):
            await page.context.add_cookies(cookies)
            await page.goto(desk.url + PATH)
            await page.locator("textarea").fill("Chữ **mới**")
            await page.get_by_role("button", name="Lưu").click()
            await page.wait_for_load_state()

        await tab.run(play)
    assert example.text == "Chữ **mới**"


async def test_typing_is_kept_again_after_a_submission_that_was_stopped(desk, browser):
    async def script(page):
        async def stay(route):
            await (
                route.fulfill(status=204) if route.request.method == "POST" else route.continue_()
            )

        await page.route(f"**{PATH}", stay)
        await page.focus(WRITTEN)
        await page.keyboard.type("một")
        async with page.expect_response(f"**{PATH}"):
            await page.get_by_role("button", name="Lưu").click(no_wait_after=True)
        async with page.expect_response("**/giu-tam", timeout=60_000):
            await page.focus(WRITTEN)
            await page.keyboard.type(" hai")

    await runs(desk, browser, script)
    account = await desk.accounts.require("an")
    kept = await KeptTexts(desk.bus, desk.clock).find(account.id, ITEM)
    assert kept.fields["body"][-1].strip() == "một hai"


async def type_until_kept(page) -> None:
    """Type, until what is typed goes to the desk."""
    async with page.expect_request("**/giu-tam", timeout=60_000):
        await page.focus(WRITTEN)
        await page.keyboard.type("một")


async def test_a_save_waits_for_what_is_being_kept(desk, browser, monkeypatch):
    texts, is_kept, is_pressed = desk.services.kept_texts, asyncio.Event(), threading.Event()
    keep = texts.keep

    async def keep_slowly(*form):
        await asyncio.to_thread(is_pressed.wait)
        kept = await keep(*form)
        is_kept.set()
        return kept

    async def script(page):
        await type_until_kept(page)
        async with page.expect_navigation():
            await page.get_by_role("button", name="Lưu").click(no_wait_after=True)
            is_pressed.set()
        await page.wait_for_selector(WRITTEN)

    monkeypatch.setattr(texts, "keep", keep_slowly)
    example, _ = await runs(desk, browser, script)
    await is_kept.wait()
    account = await desk.accounts.require("an")
    assert (example.text.strip(), await texts.find(account.id, ITEM)) == ("một", None)


async def test_a_page_whose_session_is_over_says_so_and_loses_no_word(desk, browser):
    EditorPage(desk)
    with browser.tab() as tab:
        cookies = [await cookie(desk)]

        async def play(page):
            await opened(page, desk, cookies)
            desk.clock.advance(15 * 60)
            await type_until_kept(page)
            said = page.locator("[data-keep] > [data-said]")
            await said.filter(has_text=editor_texts()["kept"]["over"]).wait_for()
            async with page.expect_navigation():
                await page.get_by_role("button", name="Lưu").click()
            return await page.locator("#da-go").input_value()

        assert (await tab.run(play)).strip() == "một"


async def types_until_killed(desk, browser, folder, cookies) -> list[str]:
    """Type in a Chromium of its own, and kill it; what was typed long enough before."""
    command = [requirements.CHROMIUM, *FLAGS, "--headless=new", "--remote-debugging-port=0"]
    chromium = subprocess.Popen(
        [*command, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = folder / "DevToolsActivePort"
        while not (port.exists() and port.read_text().strip()):
            await asyncio.sleep(0.05)
        address = f"http://127.0.0.1:{port.read_text().split()[0]}"
        remote = await browser.chromium.browser_type.connect_over_cdp(address)
        page = await remote.contexts[0].new_page()
        await opened(page, desk, cookies)
        await page.focus(WRITTEN)
        typed, text, start = [], "", time.monotonic()
        while time.monotonic() - start < 1.5 * LOST_MAX_S + BUSY_S:
            word = f"từ{len(typed)} "
            await page.keyboard.type(word, delay=20)
            text += word
            typed.append((time.monotonic(), text.strip()))
        killed = time.monotonic()
    finally:
        os.killpg(chromium.pid, signal.SIGKILL)
        chromium.wait()
    return [text for at, text in typed if at < killed - LOST_MAX_S - BUSY_S]


async def test_a_browser_killed_while_typing_loses_five_seconds_at_most(desk, browser, tmp_path):
    EditorPage(desk)
    script = partial(types_until_killed, desk, browser, tmp_path, [await cookie(desk)])
    playing = asyncio.run_coroutine_threadsafe(script(), browser.loop)
    typed = await asyncio.wrap_future(playing)
    account = await desk.accounts.require("an")
    kept = await KeptTexts(desk.bus, desk.clock).find(account.id, ITEM)
    assert kept.fields["body"][-1].strip().startswith(typed[-1])
