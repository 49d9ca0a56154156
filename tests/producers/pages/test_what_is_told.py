"""The texts of each step of a subscription: the next step, and the data that Loa keeps."""

import re
from pathlib import Path

import pytest

from channels.email.render.personal import transactional_texts
from consumers.subscribers.transactional import DAILY_LIMIT
from contracts.subscriptions.subscriber import RetainedData
from contracts.subscriptions.transactional import TransactionalKind, mask_address
from contracts.vocabulary import DEFAULT
from producers.pages.rendering import Renderer, page_texts
from producers.pages.services import PageFacts
from tests.support.signup_app import (
    ADDRESS,
    CONSENT,
    FACTS,
    KNOWN,
    SUBJECTS,
    browser,
    main_part,
    press_button,
    signup_form,
)

__all__ = ["browser"]

ROOT = Path(__file__).parents[3]
HIDDEN = re.compile(r'type="hidden" name="(\w+)" value="([^"]*)"')
RESEND = {"again": "1"}
RETURNED = page_texts()["returned"].format(returned="180 ngày")


async def test_nothing_speaks_of_a_consent_as_given_before_the_button_is_pressed(
    signup_app, browser
):
    path = await signup_app.applied(browser)
    page = main_part(await browser.get(path))
    assert "Quý vị đã đồng ý" not in page
    said = [f"{label}:" for label, _ in page_texts()["consent"]["plain"][CONSENT]]
    parts = (ADDRESS, "<button", *said, '<details class="fold">', "<p>Tôi đồng ý")
    order = [page.index(part) for part in parts]
    assert order == sorted(order), "what was asked for, the button, what is kept, the whole text"
    assert "3 năm" in page[: page.index("<details")], "how long the proof is kept"


async def test_what_an_open_choice_means_is_said_before_the_folded_choices(signup_app, browser):
    await signup_app.subscribed()
    async with signup_app.signed_in() as inside:
        for answer in (await browser.get("/dang-ky"), await inside.get("/dang-ky/tuy-chon")):
            above = main_part(answer).partition("<details")[0]
            assert "không chọn" in above and "mọi chủ đề" in above


async def test_what_becomes_of_an_unconfirmed_address_is_said_in_the_same_words_everywhere(browser):
    page = main_part(await browser.post("/dang-ky", data=signup_form()))
    [said] = re.findall(r"xóa địa chỉ này [^.]*72 giờ[^.]*\.", page)
    assert said in (ROOT / "docs/subscribers.vi.md").read_text("utf-8")
    letters = [transactional_texts(TransactionalKind(kind)) for kind in ("confirm", "change")]
    assert [said in letter["closing"] for letter in letters] == [True, True]


@pytest.mark.parametrize("path", ["/dang-ky", "/dang-ky/quan-ly"])
async def test_the_mail_that_comes_is_named_before_for_known_and_unknown_alike(
    signup_app, browser, path
):
    await signup_app.subscribed(KNOWN)
    for address in (KNOWN, ADDRESS):
        page = main_part(await browser.post(path, data=signup_form(address)))
        assert FACTS.sender in page
        assert f"“{SUBJECTS[(await signup_app.last_mail()).kind]}”" in page


async def test_the_form_names_the_mail_that_will_come(browser):
    page = main_part(await browser.get("/dang-ky"))
    assert FACTS.sender in page and SUBJECTS["confirm"] in page


@pytest.mark.parametrize("path", ["/dang-ky", "/dang-ky/quan-ly"])
async def test_a_mail_is_sent_again_by_one_press_and_the_limit_is_no_secret_of_an_address(
    signup_app, browser, path
):
    page = (await browser.post(path, data=signup_form())).text
    assert f'<form method="post" action="{path}">' in page and f'formaction="{path}/sua"' in page
    fields = dict(HIDDEN.findall(page))
    answers = [await browser.post(path, data=fields | RESEND) for _ in range(DAILY_LIMIT)]
    assert len(await signup_app.pending_mails()) == DAILY_LIMIT
    assert len({answer.text for answer in answers}) == 1, "beyond the limit the page is the same"
    assert 'role="status"' in answers[0].text and 'role="status"' not in page


@pytest.mark.parametrize("name", ["", "Nguyễn Văn An"])
async def test_success_names_the_address_the_name_and_the_topics_once(signup_app, browser, name):
    await browser.post("/dang-ky", data=signup_form(topics=["viec-lam"], name=name))
    page = main_part(await browser.post((await signup_app.last_mail()).path))
    said = [ADDRESS, DEFAULT.topics["viec-lam"].name, *([name] if name else [])]
    assert [page.count(one) for one in said] == [1] * len(said)
    assert page.count("<dt>") == len(said) + 3, "the frequency, the units and for whom"


async def test_who_stops_sees_at_which_address_and_nobody_else_learns_it(signup_app, browser):
    one = await signup_app.subscribed()
    path = f"/huy/{signup_app.signer.token(one.id)}"
    for answer in (await browser.get(path), await browser.post(path)):
        assert mask_address(ADDRESS) in main_part(answer)
        assert ADDRESS not in answer.text
        assert "không ảnh hưởng đến hồ sơ, chế độ" in main_part(answer)
        assert "3 năm" in main_part(answer), "how long the rest is kept, before and after"
    again = await browser.post(path)
    assert mask_address(ADDRESS) not in again.text


async def test_the_erasure_stands_apart_and_only_while_something_is_kept(signup_app, browser):
    one = await signup_app.subscribed()
    path = f"/huy/{signup_app.signer.token(one.id)}"
    for answer in (await browser.post(path), await browser.get(path)):
        ways, _, apart = main_part(answer).partition("<section")
        assert f"{path}/xoa" in apart and f"{path}/xoa" not in ways
        assert "3 năm" in apart, "how long it is kept"
        assert RETURNED in apart
    await browser.post(f"{path}/xoa")
    assert "<section" not in main_part(await browser.get(path))


async def test_an_erasure_says_whose_data_and_what_else_goes_and_what_stays(signup_app):
    await signup_app.subscribed()
    async with signup_app.signed_in() as browser:
        options = main_part(await browser.get("/dang-ky/tuy-chon"))
        assert "3 năm" in options[: options.index("/tuy-chon/ngung")], "how long the rest is kept"
        assert options.index("/dang-ky/tuy-chon/du-lieu") < options.index('id="ngung"')
        assert options.index('id="ngung"') < options.index("/dang-ky/tuy-chon/xoa")
        page = main_part(await browser.get("/dang-ky/tuy-chon/xoa"))
        assert ADDRESS in page
        said = [line for line in page.splitlines() if "Không bị xóa" in line or "Bị xóa" in line]
        assert [word in line for word, line in zip(("bằng chứng", "hồ sơ"), said, strict=True)]
        assert RETURNED in page[: page.index("<button")]
        left = main_part(await press_button(browser, "/ngung"))
    assert ADDRESS in left and "không ảnh hưởng đến hồ sơ, chế độ" in left


@pytest.mark.parametrize(
    ("days", "said"), [(1095, "3 năm"), (365, "1 năm"), (400, "400 ngày"), (30, "30 ngày")]
)
def test_the_span_is_that_of_the_ministry(days, said):
    pages = Renderer("", DEFAULT, facts=PageFacts(kept_days=days))
    page = pages.message_page("left_before", kept=RetainedData.CONSENT).body.decode()
    assert "sau " + said.replace(" ", "\N{NO-BREAK SPACE}") in page


@pytest.mark.parametrize("own", [True, False])
def test_menu_and_foot_have_the_portals_corrections_and_say_that_nobody_is_followed(own):
    topics = {id: topic for id, topic in DEFAULT.topics.items() if own or not topic.own}
    pages = Renderer("https://tin.vn/loa", DEFAULT.model_copy(update={"topics": topics}))
    page = pages.message_page("away").body.decode()
    assert page.count('href="/loa/muc/dinh-chinh/"') == (2 if own else 0)
    assert "không dùng công cụ theo dõi người đọc" in page.partition("</main>")[2]
