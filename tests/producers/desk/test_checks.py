"""The checks beside a text: each finds its place, and plain texts raise none."""

import pytest

from producers.desk.editor.checks import check_text, damage_said
from producers.desk.editor.conversion import editor_texts
from tests.producers.desk.test_items import TEXT
from tests.support.newsroom import open_newsroom

FINE = {
    "title": "Hướng dẫn nộp hồ sơ",
    "summary": "Người dân nộp hồ sơ trực tuyến từ ngày 01/12/2026.",
    "body": "## Một\n\n### Hai\n\nNghị định 30/2020/NĐ-CP, 15/12/2026, 1.234.567.890.123 đồng.\n\n"
    "![Lễ công bố](https://moha.gov.vn/a.png) [Cổng dịch vụ công](https://dichvucong.gov.vn/)",
    "cover": {"url": "https://moha.gov.vn/a.png", "alt": "Lễ công bố"},
}


def codes(**changes) -> list[tuple[str, str]]:
    return [(one.code, one.field) for one in check_text(FINE | changes)]


def test_a_sound_text_raises_nothing():
    assert (codes(), damage_said(FINE)) == ([], [])


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"title": "Rất dài " * 30}, [("zalo_title", "title"), ("mail_subject", "title")]),
        ({"title": "Rất dài " * 30, "short_title": "Ngắn"}, [("mail_subject", "title")]),
        ({"title": "Rất dài " * 30, "channels": ["portal"]}, []),
        ({"summary": "Rất dài " * 50}, [("zalo_summary", "summary")]),
        ({"summary": ""}, [("no_summary", "summary")]),
        ({"title": "Rất dài " * 30, "summary": "Rất dài " * 50, "bulletin": {"series": "b"}}, []),
        ({"cover": {"url": "https://moha.gov.vn/a.png"}}, [("cover_alt", "cover.alt")]),
        ({"body": "![](https://moha.gov.vn/a.png)"}, [("picture_alt", "body")]),
        ({"body": "Số căn cước 001099012345."}, [("identity", "body")]),
        ({"body": "Gọi 0912 345 678 hoặc +84912345678."}, [("phone", "body")] * 2),
        ({"body": "# Một"}, [("heading_first", "body")]),
        ({"body": "## Một\n\n#### Ba"}, [("heading_skip", "body")]),
        ({"body": "Xem [tại đây](https://moha.gov.vn/)."}, [("link_words", "body")]),
        ({"body": "`001099012345678` là mã"}, []),
    ],
)
def test_a_check_finds_its_place(changes, found):
    assert codes(**changes) == found


def test_every_finding_has_a_text():
    texts = editor_texts()["check"]
    assert all(texts[code].format(place="x") for code in texts)


def test_damaged_words_are_named():
    assert damage_said({"body": "ThÃ´ng bÃ¡o vá» viá»\x87c nghá»\x89 Táº¿t"}) != []


async def test_the_checks_stand_beside_the_form_as_it_is_typed(desk):
    async with desk.signed_in("an", "nguoi-gui-tin") as officer:
        typed = TEXT | {"body": "Số căn cước 001099012345."}
        done = await officer.post("/soan/-/kiem-tra", **typed)
        page = await officer.get(done.headers["location"])
    assert "001099012345" in page.text and "có thể là số căn cước" in page.text


def beside(page, act: str) -> str:
    """The part of an item's page with the form of *act*: its heading, findings and fields."""
    _, *parts = page.text.split('<section class="exit">')
    [found] = [one.partition("</section>")[0] for one in parts if f'{act}"' in one]
    return str(found)


async def test_the_checks_stand_beside_each_act_that_answers_for_the_text(desk):
    said = "có thể là số căn cước"
    async with open_newsroom(desk) as newsroom:
        path = await newsroom.written(body="Số căn cước 001099012345.")
        assert said not in (await newsroom["an"].get(path)).text, "who sends answers for nothing"
        await newsroom.press("an", path, "gui")
        assert said in beside(await newsroom["binh"].get(path), "/xac-nhan")
        await newsroom.press("binh", path, "xac-nhan", clean="1")
        assert said in beside(await newsroom["chi"].get(path), "/trinh")
        await newsroom.press("chi", path, "trinh", clean="1")
        for page in (path, f"{path}/duyet"):
            shown = await newsroom["dung"].get(page)
            assert said in beside(shown, "/duyet"), page
            assert f'href="{path}/sua#' not in shown.text, "an approver has no form of the text"
