"""Import of a Word document into a form: what was typed stays, and its losses are told."""

import html

import pytest

from producers.desk.web_session import form_seal
from producers.pages import file_forms
from tests.producers.desk.test_items import TEXT
from tests.support.desk_app import SEAL_KEY, Browser
from tests.support.word_documents import paragraph, run, with_body

PATH, NEW = "/soan/-/docx", "/soan-moi"


@pytest.fixture
async def officer(desk):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        yield browser


async def sends(browser: Browser, document: bytes | None, **fields: str):
    """Press the button of the import, and follow to the form."""
    data = {"seal": form_seal(SEAL_KEY, browser.token, PATH), **fields}
    files = {"docx": ("bài.docx", document or b"")} if document else {"docx": ("", b"")}
    answer = await browser.client.post(PATH, data=data, files=files, headers=browser.headers)
    assert answer.status_code == 303, answer.text
    return await browser.get(answer.headers["location"])


def fields(**changes: str) -> dict[str, str]:
    return {name: value for name, value in (TEXT | changes).items() if isinstance(value, str)}


async def test_the_text_of_a_document_is_put_behind_what_was_typed(officer):
    document = with_body(
        paragraph(run("Mục"), properties='<w:pStyle w:val="Heading2"/>'),
        paragraph(run("gạch", '<w:u w:val="single"/>')),
    )
    page = await sends(officer, document, **fields(body="Đã gõ."))
    assert "Đã gõ.\n\n## Mục\n\ngạch" in html.unescape(page.text)
    assert TEXT["title"] in page.text
    assert "Gạch chân, 1 chỗ" in page.text and "Đã nhập tệp Word" in page.text
    typed = fields(body="x") | {"channels": TEXT["channels"]}
    assert (await officer.submit(page, NEW, **typed)).status_code == 303
    assert "Đã nhập tệp Word" not in (await officer.get(NEW)).text


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "chưa chọn tệp"),
        (b"%PDF-1.7 khong phai Word", "không phải tệp Word"),
    ],
)
async def test_a_document_that_cannot_be_read_leaves_the_form_as_it_was(officer, document, said):
    page = await sends(officer, document, **fields(body="Đã gõ."))
    assert said in page.text and "Chưa nhập được tệp Word" in page.text
    assert "Đã gõ." in page.text and TEXT["title"] in page.text


async def test_what_stands_in_the_visual_editor_goes_along(officer):
    document = with_body(paragraph(run("Từ Word.")))
    typed = {name: value for name, value in fields().items() if name != "body"}
    page = await sends(officer, document, **typed, body_html="<p><b>Đã gõ</b></p>")
    assert "**Đã gõ**\n\nTừ Word." in page.text


async def test_a_document_that_is_too_large_leaves_the_form_as_it_was(officer, monkeypatch):
    monkeypatch.setattr(file_forms, "FILE_MAX", 1 << 17)
    page = await sends(officer, bytes(1 << 18), **fields(body="Đã gõ."))
    assert "nội dung đã gõ còn nguyên" in page.text
    assert "Đã gõ." in page.text and TEXT["title"] in page.text
