"""The form of a text: nothing that a person typed is lost when another saves meanwhile."""

import asyncio
import re
from contextlib import AsyncExitStack

import pytest

from contracts import subjects
from tests.support.newsroom import FIELDS, TEXT

TYPED = FIELDS | {"body": "Đoạn một.\r\n\r\nĐoạn hai của người thứ hai."}


@pytest.fixture
async def two(desk):
    """Two browsers of people who may both save a draft."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(desk.signed_in(login, "lanh-dao-don-vi"))
            for login in ("an", "binh")
        ]


async def new_text(browser) -> str:
    done = await browser.press("/soan-moi", "/soan-moi", **TEXT)
    return done.headers["location"] + "/sua"


async def test_who_saves_second_is_shown_both_texts_and_merges_them(two):
    an, binh = two
    path = await new_text(an)
    page = await binh.get(path)
    first = FIELDS | {"body": "Đoạn một của người đầu.\r\n\r\nĐoạn hai."}
    assert (await an.press(path, path, **first)).status_code == 303
    shown = await binh.submit(page, path, **TYPED)
    assert shown.status_code == 409
    assert "Đoạn hai của người thứ hai." in shown.text, "the own text is in the form"
    assert "Đoạn một của người đầu." in shown.text, "the other text is shown whole"
    assert "<ins>" in shown.text and "<del>" in shown.text
    merged = FIELDS | {"body": "Đoạn một của người đầu.\n\nĐoạn hai của người thứ hai."}
    assert (await binh.submit(shown, path, **merged)).status_code == 303
    assert merged["body"] in (await an.get(path)).text.replace("\r\n", "\n")


async def test_who_saves_after_another_emptied_the_body_is_shown_both_texts(two):
    an, binh = two
    path = await new_text(an)
    page = await binh.get(path)
    assert (await an.press(path, path, **FIELDS | {"body": ""})).status_code == 303
    shown = await binh.submit(page, path, **TYPED)
    assert shown.status_code == 409
    assert "Đoạn hai của người thứ hai." in shown.text


async def test_a_form_sent_again_with_another_title_changes_the_item_that_it_began(desk, two):
    an, _ = two
    page = await an.get("/soan-moi")
    renamed = TEXT | {"title": "Tên khác hẳn"}
    answers = await asyncio.gather(
        an.submit(page, "/soan-moi", **TEXT), an.submit(page, "/soan-moi", **renamed)
    )
    assert sorted(one.status_code for one in answers) == [303, 409]
    [first], [second] = ([one for one in answers if one.status_code == code] for code in (303, 409))
    path = first.headers["location"] + "/sua"
    assert TEXT["title"] in second.text and renamed["title"] in second.text, "both are shown"
    del renamed["unit"]
    assert (await an.submit(second, path, **renamed)).status_code == 303
    again = await an.submit(page, "/soan-moi", **TEXT | {"title": "Tên thứ ba"})
    assert again.status_code == 409
    assert len(await desk.bus.count_by_subject(subjects.EDITORIAL.name)) == 1


async def test_a_text_of_a_conflict_is_offered_again_after_the_page_is_left(two):
    an, binh = two
    path = await new_text(an)
    page = await binh.get(path)
    await an.press(path, path, **FIELDS | {"title": "Tên khác"})
    await binh.submit(page, path, **TYPED)
    assert "gõ dở nội dung này" in (await binh.get(path)).text
    used = await binh.get(f"{path}?giu-tam=1")
    assert "Đoạn hai của người thứ hai." in used.text
    assert (await binh.submit(used, path, **TYPED)).status_code == 409, "it began from the old text"


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_text_without_a_ticked_channel_is_refused_at_that_field(two, is_new):
    an, _ = two
    path = "/soan-moi" if is_new else await new_text(an)
    typed = TEXT if is_new else FIELDS
    refused = await an.press(path, path, **typed | {"channels": []})
    assert refused.status_code == 422
    assert 'href="#channels"' in refused.text and "Xin Quý vị chọn ít nhất một kênh" in refused.text
    ticked = re.findall(r'name="channels" value="(\w+)" checked', refused.text)
    assert not ticked, "it stays as it was left"


async def test_an_empty_form_is_told_all_that_it_lacks_at_once(two):
    refused = await two[0].press("/soan-moi", "/soan-moi", **TEXT | {"unit": "", "title": ""})
    assert refused.status_code == 422
    summary = refused.text.partition('role="alert"')[2].partition("</ul>")[0]
    assert re.findall(r'href="#(\w+)"', summary) == ["unit", "title"]


async def test_what_the_visual_editor_sends_is_saved_as_markdown(two):
    an, _ = two
    path = await new_text(an)
    written = {name: value for name, value in FIELDS.items() if name != "body"}
    html = "<h2>Đề mục</h2><p><strong>Đậm</strong></p><script>x</script>"
    by_script = {"body_html": html}
    assert (await an.press(path, path, by_script, **written)).status_code == 303
    assert "## Đề mục\n\n**Đậm**" in (await an.get(path)).text


async def test_a_new_text_that_was_left_is_offered_again_until_it_is_saved(two):
    an, binh = two
    await an.post("/soan/-/giu-tam", **TEXT | TYPED)
    assert "gõ dở nội dung này" in (await an.get("/soan-moi")).text
    assert "gõ dở nội dung này" not in (await binh.get("/soan-moi")).text
    used = await an.get("/soan-moi?giu-tam=1")
    assert "Đoạn hai của người thứ hai." in used.text
    assert (await an.submit(used, "/soan-moi", **TEXT | TYPED)).status_code == 303
    assert "gõ dở nội dung này" not in (await an.get("/soan-moi")).text


async def test_a_new_text_whose_answer_was_lost_is_offered_again_and_stays_one_item(desk, two):
    an, _ = two
    page = await an.get("/soan-moi")
    hidden = hidden_in(page)
    first = await an.submit(page, "/soan-moi", **TEXT)
    await an.post("/soan/-/giu-tam", **TEXT, **hidden)  # as if it had never been dropped
    used = await an.get("/soan-moi?giu-tam=1")
    again = await an.submit(used, "/soan-moi", **TEXT)
    assert again.headers["location"] == first.headers["location"]
    await an.post("/soan/-/giu-tam", **TEXT, **hidden)
    used = await an.get("/soan-moi?giu-tam=1")
    other = await an.submit(used, "/soan-moi", **TEXT | {"title": "Tên khác hẳn"})
    assert other.status_code == 409 and first.headers["location"] in other.text
    assert len(await desk.bus.count_by_subject(subjects.EDITORIAL.name)) == 1


async def test_a_kept_time_that_is_none_does_not_hide_the_rest(two):
    an, _ = two
    await an.post("/soan/-/giu-tam", **TYPED, not_before="mai")
    used = await an.get("/soan-moi?giu-tam=1")
    assert used.status_code == 200 and "Đoạn hai của người thứ hai." in used.text


def hidden_in(page) -> dict[str, str]:
    """The fields that tell which page a form was typed on, and from which text it began."""
    return dict(re.findall(r'name="(act_id|hash)" value="([^"]*)"', page.text))


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_save_leaves_what_was_typed_in_another_tab(two, is_new):
    an, _ = two
    path = "/soan-moi" if is_new else await new_text(an)
    keep = f"/soan/{'-' if is_new else path.split('/')[2]}/giu-tam"
    first, second = [await an.get(path) for _ in range(2)]
    await an.post(keep, **TYPED, **hidden_in(second))
    changed = (TEXT if is_new else FIELDS) | {"title": "Tên khác"}
    assert (await an.submit(first, path, **changed)).status_code == 303
    assert "gõ dở nội dung này" in (await an.get(path)).text
    used = await an.get(f"{path}?giu-tam=1")
    assert "Đoạn hai của người thứ hai." in used.text


@pytest.mark.parametrize("keeps_again", [True, False])
async def test_a_save_forgets_what_was_typed_before_on_the_same_page(two, keeps_again):
    an, _ = two
    path = await new_text(an)
    keep, page = f"/soan/{path.split('/')[2]}/giu-tam", await an.get(path)
    await an.post(keep, **TYPED, **hidden_in(page))
    page = await an.get(f"{path}?giu-tam=1")
    if keeps_again:
        await an.post(keep, **TYPED, **hidden_in(page))
    longer = TYPED | {"body": "Gõ thêm sau lần giữ cuối."}
    assert (await an.submit(page, path, **longer)).status_code == 303
    assert "gõ dở nội dung này" not in (await an.get(path)).text


@pytest.mark.parametrize("act", ["co-mat", "giu-tam"])
async def test_who_has_a_text_open_is_told_to_its_readers_alone(desk, two, act):
    an, binh = two
    item = (await new_text(an)).split("/")[2]
    async with desk.signed_in("khac", "nguoi-gui-tin") as other:
        assert (await other.post(f"/soan/{item}/{act}", **TYPED)).status_code == 403
        assert (await other.post(f"/soan/-/{act}", **TYPED)).json()["others"] == []
    assert (await an.post(f"/soan/{item}/{act}", **TYPED)).json()["others"] == []
    assert len((await binh.post(f"/soan/{item}/{act}", **TYPED)).json()["others"]) == 1
    assert (await an.post(f"/soan/-/{act}", **TYPED)).json()["others"] == []
    assert (await binh.post(f"/soan/-/{act}", **TYPED)).json()["others"] == []
