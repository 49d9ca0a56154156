"""A session that has ended: its person comes back to the page, and what was typed is shown."""

import html
import re
from urllib.parse import urlsplit

import pytest

from consumers.desk.editorial import PersonAtDesk
from producers.bus import BusError
from producers.desk.rendering import desk_texts
from producers.desk.web_session import form_seal
from tests.support.desk_app import COOKIE, DESK_URL, SEAL_KEY, heading
from tests.support.newsroom import FIELDS, TEXT

SIGN_IN = "/dang-nhap"
ENDED = desk_texts()["page"]["signed_out"]["title"]
FOREIGN = desk_texts()["page"]["foreign"]["title"]
NEW, IMPORT, CHECK = "/soan-moi", "/soan/-/docx", "/soan/-/kiem-tra"
WRITTEN = {name: value for name, value in TEXT.items() if name != "body"}
REMARK = "Đoạn hai nên nêu số văn bản.\n\nXin xem <lại>."


def shown(page) -> str:
    """Text that the page gives to copy; empty for none."""
    [*found] = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", page.text, re.S)
    return html.unescape("".join(found))


def sign_in(desk, browser, token: str) -> None:
    """Give the browser the cookie of another session, as another tab does."""
    browser.client.cookies.clear()
    browser.client.cookies.set(COOKIE, token, urlsplit(desk.url).hostname)


async def ended_form(desk, path: str, action: str, **fields: str):
    """The answer to a form of a page that was open when its session ended."""
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        made = await browser.press("/soan-moi", "/soan-moi", **TEXT)
        place = made.headers["location"]
        page = await browser.get(f"{place}{path}")
        desk.clock.advance(15 * 60)
        browser.headers["Referer"] = f"{DESK_URL}{place}{path}"
        return place, await browser.submit(page, f"{place}{action}", **fields)


async def test_a_remark_sent_too_late_is_shown_to_copy(desk):
    path, answer = await ended_form(desk, "?xong=save", "/gop-y", note=REMARK)
    assert (answer.status_code, heading(answer)) == (403, ENDED)
    assert shown(answer) == REMARK and "<lại>" not in answer.text
    [way] = re.findall(rf'href="({SIGN_IN}[^"]*)"', answer.text)
    async with desk.browser() as browser:
        page = await browser.get(html.unescape(way))
        done = await browser.submit(page, SIGN_IN, **desk.credentials("an"))
    assert (done.status_code, done.headers["location"]) == (303, f"{path}?xong=save")


async def test_a_text_sent_too_late_is_shown_to_copy(desk):
    changed = FIELDS | {"body": "Đoạn một viết lại."}
    _, answer = await ended_form(desk, "/sua", "/sua", **changed)
    assert (answer.status_code, heading(answer)) == (403, ENDED)
    assert changed["body"] in shown(answer) and changed["title"] in shown(answer)


async def test_a_long_text_of_the_visual_editor_sent_too_late_is_shown_whole(desk):
    words = "Hướng dẫn được sửa đổi. " * 1_700
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        page = await browser.get(NEW)
        desk.clock.advance(15 * 60)
        answer = await browser.submit(page, NEW, {"body_html": f"<p><b>{words}</b></p>"}, **WRITTEN)
    assert heading(answer) == ENDED
    assert shown(answer) == f"{WRITTEN['title']}\n\n**{words.strip()}**\n"


async def test_a_word_file_sent_too_late_leaves_the_words_that_were_typed(desk):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        desk.clock.advance(15 * 60)
        seal = form_seal(SEAL_KEY, browser.token, IMPORT)
        typed = {"seal": seal, "title": "Tên tin", "body_html": "<p>Đoạn <b>một</b></p>"}
        files = {"docx": ("a.docx", b"x" * (7 << 20))}
        answer = await browser.client.post(IMPORT, data=typed, files=files, headers=browser.headers)
    assert (heading(answer), shown(answer)) == (ENDED, "Tên tin\n\nĐoạn **một**\n")


async def test_a_text_sent_after_another_sign_in_is_opened_again_and_saved(desk):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        page = await browser.get(NEW)
        sign_in(desk, browser, await desk.session_of("an"))
        answer = await browser.submit(page, NEW, {"body_html": "<p>Đoạn <b>một</b></p>"}, **WRITTEN)
        assert (answer.status_code, heading(answer)) == (403, FOREIGN)
        assert shown(answer) == f"{WRITTEN['title']}\n\nĐoạn **một**\n"
        assert "gõ dở" not in (await browser.get(NEW)).text, "what is refused stores nothing"
        again = await browser.submit(answer, CHECK)
        opened = await browser.get(again.headers["location"].partition("#")[0])
        assert "Đoạn **một**" in shown(opened)
        body = {"body": "Đoạn **một**"}
        saved = await browser.submit(opened, NEW, **WRITTEN, **body)
        assert (saved.status_code, "gõ dở" in (await browser.get(NEW)).text) == (303, False)


async def test_a_text_of_who_may_write_no_more_is_shown_to_copy(desk):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        page = await browser.get(NEW)
        account = await desk.accounts.require("an")
        await desk.accounts.set_grants(account.id, ())
        sign_in(desk, browser, await desk.session_of("an"))
        answer = await browser.submit(page, NEW, {"body_html": "<p>Đoạn <b>một</b></p>"}, **WRITTEN)
    assert heading(answer) == desk_texts()["page"]["not_allowed"]["title"]
    assert shown(answer) == f"{WRITTEN['title']}\n\nĐoạn **một**\n" and CHECK not in answer.text


@pytest.mark.parametrize(("error", "name"), [(BusError("gone"), "away"), (ValueError(), "crashed")])
async def test_a_text_that_was_not_saved_by_a_fault_is_opened_again(desk, monkeypatch, error, name):
    async def fail(*_: object) -> str:
        raise error

    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        page = await browser.get(NEW)
        with monkeypatch.context() as planted:
            planted.setattr(PersonAtDesk, "begin", fail)
            planted.setattr(browser.client._transport, "raise_app_exceptions", False)
            html_body = {"body_html": "<p>Đoạn <b>một</b></p>"}
            answer = await browser.submit(page, NEW, html_body, **WRITTEN)
        assert heading(answer) == desk_texts()["page"][name]["title"]
        assert shown(answer) == f"{WRITTEN['title']}\n\nĐoạn **một**\n"
        again = await browser.submit(answer, CHECK)
        opened = await browser.get(again.headers["location"].partition("#")[0])
    assert "Đoạn **một**" in shown(opened)


@pytest.mark.parametrize(
    "sent",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Dest": "empty"}],
    ids=["site", "script"],
)
async def test_only_a_page_of_the_desk_gets_its_words_back(desk, sent):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        desk.clock.advance(15 * 60)
        browser.headers |= sent
        answer = await browser.post(NEW, title="Tên của trang khác")
    assert answer.status_code == 403 and "Tên của" not in answer.text


async def test_a_corrected_event_sent_too_late_is_shown_to_copy(desk):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        desk.clock.advance(15 * 60)
        fields = {"f.data.body": "Đoạn sửa.", "f.id": "1", "reason": "Sai ngày."}
        answer = await browser.post("/su-kien-loai/1/sua", **fields)
    assert shown(answer) == "Đoạn sửa.\n\nSai ngày."


async def test_no_secret_is_shown_again(desk):
    async with desk.signed_in("an") as browser:
        page = await browser.get("/tai-khoan")
        desk.clock.advance(15 * 60)
        secrets = dict.fromkeys(("password", "new", "again"), "bi-mat-cua-an")
        answer = await browser.submit(page, "/tai-khoan/mat-khau", **secrets)
    assert heading(answer) == ENDED
    assert "bi-mat" not in answer.text and shown(answer) == ""


@pytest.mark.parametrize("path", ["/tin?q=tuyen+dung&trang-thai=draft", "/soan-moi", "/nhan-su"])
async def test_one_comes_back_to_the_page_that_asked_for_the_sign_in(desk, path):
    await desk.active("an", "nguoi-gui-tin")
    async with desk.browser() as browser:
        way = (await browser.get(path)).headers["location"]
        page = await browser.get(way)
        wrong = await browser.submit(page, SIGN_IN, **desk.credentials("an", password="sai"))
        assert wrong.status_code == 403
        done = await browser.submit(wrong, SIGN_IN, **desk.credentials("an"))
        assert (done.status_code, done.headers["location"]) == (303, path)
        assert (await browser.get(way)).headers["location"] == path, "already signed in"


@pytest.mark.parametrize(
    "foreign",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", "", "x"],
)
async def test_a_sign_in_leads_to_no_other_site(desk, foreign):
    await desk.active("an")
    async with desk.browser() as browser:
        page = await browser.client.get(SIGN_IN, params={"ve": foreign})
        assert "evil" not in page.text and "javascript" not in page.text
        given = desk.credentials("an") | {"ve": foreign}
        done = await browser.submit(page, SIGN_IN, **given)
        assert done.headers["location"] == "/"
        again = await browser.client.get(SIGN_IN, params={"ve": foreign})
        assert again.headers["location"] == "/"


async def test_a_page_of_another_site_is_no_page_to_come_back_to(desk):
    async with desk.signed_in("an") as browser:
        desk.clock.advance(15 * 60)
        browser.headers["Referer"] = "https://evil.example/tin"
        answer = await browser.post("/tai-khoan/thu")
    assert f'href="{SIGN_IN}"' in answer.text and "evil" not in answer.text
