"""Unsaved text is kept while a person types, offered again, and gone after the save."""

import pytest

from tests.support.editor_page import ITEM, PATH, EditorPage

KEEP, PRESENT, DROP = (f"/soan/{ITEM}/{name}" for name in ("giu-tam", "co-mat", "bo-giu-tam"))


@pytest.fixture
def page(desk):
    return EditorPage(desk, "Bản đã lưu.\n")


async def test_typed_text_is_offered_again_used_and_gone_after_the_save(desk, page):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        answer = await browser.post(KEEP, body_html="<p>Gõ <b>dở</b></p>", title="Tên")
        assert answer.json()["said"].startswith("Đã giữ tạm lúc ") and not answer.json()["others"]
        opened = await browser.get(PATH)
        assert "gõ dở nội dung này" in opened.text and "Bản đã lưu." in opened.text
        used = await browser.get(f"{PATH}?giu-tam=1")
        assert "Gõ **dở**" in used.text
        await browser.submit(used, PATH, body="Gõ **dở**")
        assert "gõ dở nội dung này" not in (await browser.get(PATH)).text
    assert page.text == "Gõ **dở**"


async def test_typed_text_that_is_not_wanted_is_dropped(desk, page):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        await browser.post(KEEP, body="x")
        answer = await browser.press(PATH, DROP)
        assert answer.headers["location"] == f"/tin/{ITEM}/sua"
        assert "gõ dở" not in (await browser.get(PATH)).text


async def test_two_people_see_that_the_other_has_the_text_open(desk, page):
    async with (
        desk.signed_in("an", "nguoi-gui-tin") as an,
        desk.signed_in("binh", "bien-tap-vien") as b,
    ):
        assert (await an.post(PRESENT)).json()["others"] == []
        [said] = (await b.post(PRESENT)).json()["others"]
        assert said.startswith("Lê Văn Tám, từ ")
        assert said in (await b.get(PATH)).text
        assert (await an.post(KEEP, body="x")).json()["others"] != []
