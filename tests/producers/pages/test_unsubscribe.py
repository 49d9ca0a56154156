"""The link in every mail (RFC 8058): one click ends it, fetching it ends nothing."""

from pathlib import Path

import pytest

from consumers.subscribers.csv_import import import_csv
from contracts.vocabulary import DEFAULT
from producers.pages.rendering import page_texts
from tests.support.signup_app import KEYS, KNOWN, browser, heading, main_part, press_button

__all__ = ["browser"]

ROOT = Path(__file__).parents[3]
KEPT = {name: text.format(span="3 năm") for name, text in page_texts()["kept"].items()}


@pytest.mark.promise("14.3")
async def test_one_click_ends_it_at_once_and_again_says_the_same(signup_app, browser):
    said = {"List-Unsubscribe": "One-Click"}
    bodies = [{"data": said}, {"files": {"List-Unsubscribe": (None, "One-Click")}}, {}]
    for number, body in enumerate(bodies):
        one = await signup_app.subscribed(f"nguoi{number}@example.com")
        path = f"/huy/{signup_app.signer.token(one.id)}"
        answers = [await browser.post(path, **body) for _ in range(2)]
        for answer in answers:
            assert (answer.status_code, heading(answer)) == (200, "Quý vị đã ngừng nhận tin")
            assert "set-cookie" not in answer.headers
    assert [reader.active for reader in await signup_app.subscribers()] == [False] * 3


@pytest.mark.promise("14.3")
async def test_a_scanner_that_fetches_the_link_ends_nothing(signup_app, browser):
    one = await signup_app.subscribed()
    path = f"/huy/{signup_app.signer.token(one.id)}"
    assert (await browser.get(path)).status_code == (await browser.head(path)).status_code == 200
    assert await signup_app.subscriber() == one


@pytest.mark.promise("14.3")
async def test_who_has_left_is_told_so_and_offered_no_button_again(signup_app, browser):
    gone, erased, back = [await signup_app.subscribed(f"nguoi{n}@example.com") for n in range(3)]
    paths = {one.id: f"/huy/{signup_app.signer.token(one.id)}" for one in (gone, erased, back)}
    for one in (gone, back):
        await browser.post(paths[one.id])
    await signup_app.unsubscribe.erase(erased, erased.email, reason="test")
    signup_app.clock.advance(86400)
    await signup_app.subscribed(back.email)
    for one in (gone, erased):
        page = await browser.get(paths[one.id])
        assert (page.status_code, heading(page)) == (200, "Quý vị đã ngừng nhận tin")
        assert "<button" not in main_part(page)
        assert one.email not in page.text
        assert (await browser.post(paths[one.id])).status_code == 200
    assert "<button" in main_part(await browser.get(paths[back.id]))


@pytest.mark.parametrize("neighbours", [")", "):", ").", ".", "):%20không", ">"])
async def test_a_link_that_was_copied_with_its_neighbours_is_understood(
    signup_app, browser, neighbours
):
    one = await signup_app.subscribed()
    path = f"/huy/{signup_app.signer.token(one.id)}"
    answer = await browser.get(path + neighbours)
    assert answer.status_code == 303 and answer.headers["location"].endswith(path)


def promised(page):
    """Data that a page says is kept of a reader who has left."""
    return [name for name, text in KEPT.items() if text in main_part(page)]


async def a_reader(app, name, folder):
    """A reader who came by the pages, or by a list: their consent is not kept here."""
    if name == "consent":
        return await app.subscribed(KNOWN)
    (folder / "list.csv").write_text(f"email,name,topics,audiences,units,frequency\n{KNOWN},,,,,\n")
    await import_csv(app.bus, folder / "list.csv", DEFAULT, KEYS.derive("addresses"))
    return await app.subscriber(KNOWN)


@pytest.mark.parametrize("name", ["consent", "mark"])
async def test_who_leaves_by_a_mail_is_told_what_is_kept(signup_app, browser, tmp_path, name):
    one = await a_reader(signup_app, name, tmp_path)
    path = f"/huy/{signup_app.signer.token(one.id)}"
    for press in (browser.get, browser.post, browser.post):
        answer = await press(path)
        assert promised(answer) == [name]
        assert ("đồng ý" in answer.text) == (name == "consent")
    assert (await signup_app.subscribers())[0].consent == one.consent
    assert promised(await browser.get(f"{path}/xoa")) == [name]
    await browser.post(f"{path}/xoa")
    for answer in (await browser.post(path), await browser.get(f"{path}/xoa")):
        assert (answer.status_code, promised(answer)) == (200, [])
    assert await signup_app.subscribers() == []


@pytest.mark.parametrize("name", ["consent", "mark"])
async def test_who_leaves_on_their_page_is_told_what_is_kept(signup_app, tmp_path, name):
    await a_reader(signup_app, name, tmp_path)
    async with signup_app.signed_in(KNOWN) as browser:
        assert promised(await browser.get("/dang-ky/tuy-chon")) == [name]
        answer = await press_button(browser, "/ngung")
    assert (answer.status_code, promised(answer)) == (200, [name])
    assert ("đồng ý" in answer.text) == (name == "consent")


@pytest.mark.parametrize(
    "file", ["producers/pages/texts.toml", "channels/email/render/templates/transactional.toml"]
)
def test_what_everybody_is_told_claims_no_consent_that_may_never_have_been_given(file):
    everybody = (ROOT / file).read_text("utf-8").replace(page_texts()["kept"]["consent"], "")
    consent = page_texts()["consent"]
    short = (said for lines in consent["plain"].values() for _, said in lines)
    for theirs in (*consent["texts"].values(), *short):
        everybody = everybody.replace(theirs, "")
    proofs = [line for line in everybody.splitlines() if "bằng chứng" in line]
    assert proofs and all("sự đồng ý của Quý vị, nếu có." in line for line in proofs)


async def test_a_forged_link_ends_nothing_and_is_no_page(browser):
    for token in ("sai", "YW4.AAAA", "%C3%A1.b", "a" * 3000):
        for method in (browser.get, browser.post):
            assert (await method(f"/huy/{token}")).status_code == 404
