"""One's own account over HTTP: password, authenticator app, sessions; never another's."""

import base64
import re

import pytest

from consumers.staff import totp
from consumers.staff.policy import Grant
from consumers.staff.sessions import token_key
from producers.desk.rendering import desk_texts
from tests.support.desk_app import DeskApp, heading
from tests.support.staff import PASSWORD

ACCOUNT, APP = "/tai-khoan", "/tai-khoan/ung-dung"
NEW_PASSWORD = "gió lùa qua khe cửa"
SESSION_ID = re.compile(r'name="session" value="([0-9a-f]{64})"')
DONE = desk_texts()["done"]


def wanted_password(**changes: str) -> dict[str, str]:
    return {"password": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD} | changes


async def test_a_new_password_ends_every_other_session(desk):
    async with desk.signed_in("an") as browser:
        other, before = await desk.session_of("an"), browser.token
        done = await browser.press(ACCOUNT, f"{ACCOUNT}/mat-khau", **wanted_password())
        assert DONE["mat-khau"] in (await browser.get(done.headers["location"])).text
        assert browser.token != before
    assert [await desk.sessions.find(token) for token in (other, before)] == [None, None]
    async with desk.browser() as browser:
        assert (await desk.press_sign_in(browser, "an")).status_code == 403
        desk.clock.advance(30)
        answer = await desk.press_sign_in(browser, "an", password=NEW_PASSWORD)
        assert answer.status_code == 303


async def test_a_new_password_is_no_second_factor(desk):
    async with desk.signed_in("an") as browser:
        desk.clock.advance(301)
        await browser.press(ACCOUNT, f"{ACCOUNT}/mat-khau", **wanted_password())
        assert not (await desk.desk.find(browser.token)).is_stepped_up


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password": "sai"}, "password"),
        ({"new": "ngắn", "again": "ngắn"}, "password"),
        ({"again": "khác"}, "again"),
    ],
)
async def test_a_wrong_or_weak_password_changes_nothing(desk, changes, field):
    async with desk.signed_in("an") as browser:
        before = await desk.accounts.require("an")
        answer = await browser.press(ACCOUNT, f"{ACCOUNT}/mat-khau", **wanted_password(**changes))
        assert answer.status_code in (403, 422) and f'id="{field}-loi"' in answer.text
        assert (await desk.accounts.require("an")).local == before.local


async def test_the_password_is_not_guessed_from_an_open_session(desk):
    async with desk.signed_in("an") as browser:
        for _ in range(5):
            await browser.press(ACCOUNT, f"{ACCOUNT}/mat-khau", **wanted_password(password="sai"))
        slowed = await browser.press(ACCOUNT, f"{ACCOUNT}/mat-khau", **wanted_password())
        assert slowed.status_code == 429


def shown_secret(page: str) -> bytes:
    [key] = re.findall(r"<code>([A-Z2-7 ]+)</code>", page)
    return base64.b32decode(key.replace(" ", ""))


async def new_app(desk: DeskApp, browser, **changes: str):
    """Set a new authenticator app up; returns its secret and the answer."""
    page = await browser.get(APP)
    secret = shown_secret(page.text)
    code = totp.one_time_code(secret, totp.current_step(desk.clock()))
    given = {"password": PASSWORD, "new_code": code} | changes
    return secret, await browser.submit(page, APP, **given)


async def test_a_new_app_replaces_the_old_one_and_ends_every_other_session(desk):
    async with desk.signed_in("an") as browser:
        other = await desk.session_of("an")
        secret, done = await new_app(desk, browser)
        assert done.status_code == 303
        assert (await browser.get(ACCOUNT)).status_code == 200
        assert shown_secret((await browser.get(APP)).text) != secret
    assert await desk.sessions.find(other) is None
    desk.clock.advance(30)
    async with desk.browser() as browser:
        assert (await desk.press_sign_in(browser, "an")).status_code == 403
        code = totp.one_time_code(secret, totp.current_step(desk.clock()))
        assert (await desk.press_sign_in(browser, "an", code=code)).status_code == 303


async def test_a_new_app_takes_password_new_code_and_a_fresh_old_one(desk):
    async with desk.signed_in("an") as browser:
        before = (await desk.accounts.require("an")).local
        assert (await new_app(desk, browser, password="sai"))[1].status_code == 403
        assert (await new_app(desk, browser, new_code="000000"))[1].status_code == 422
        desk.clock.advance(301)
        for code in ("", "000000"):
            assert (await new_app(desk, browser, code=code))[1].status_code == 403
        assert (await desk.accounts.require("an")).local.totp == before.totp
        assert (await new_app(desk, browser, code=desk.code()))[1].status_code == 303


async def test_ones_sessions_are_shown_and_each_can_be_ended(desk):
    async with desk.signed_in("an") as browser:
        other = await desk.session_of("an")
        page = await browser.get(ACCOUNT)
        ids = SESSION_ID.findall(page.text)
        assert len(ids) == 2 and "198.51.100.0/24" in page.text
        assert browser.token not in page.text and other not in page.text
        ended = await browser.post(f"{ACCOUNT}/phien", session=id_of(other))
        assert ended.status_code == 303 and await desk.sessions.find(other) is None
        assert (await browser.get(ACCOUNT)).status_code == 200


@pytest.mark.promise("15.3")
async def test_no_session_of_another_account_is_shown_or_ended(desk):
    async with desk.signed_in("an") as browser, desk.signed_in("binh") as victim:
        page = await browser.get(ACCOUNT)
        assert id_of(victim.token) not in page.text
        for wanted in (id_of(victim.token), victim.token, "0" * 64, "../x", "", "*", ">"):
            answer = await browser.post(f"{ACCOUNT}/phien", session=wanted, account="binh")
            assert answer.status_code == 404, wanted
        await browser.post(f"{ACCOUNT}/moi-phien", account="binh", id="binh")
        assert heading(await victim.get("/"))
        assert (await victim.get("/")).status_code == 200
        assert (await browser.get("/")).status_code == 303, "one's own sessions have ended"


def id_of(token: str) -> str:
    return token_key(token).removeprefix("session.")


async def test_a_role_that_asks_for_an_app_is_not_taken_over_with_a_password(desk):
    """Without an app, a person who is given such a role gets one from an account manager alone."""
    account = await desk.active("an", "bien-tap-vien")
    local = account.local.model_copy(update={"totp": None})
    await desk.accounts.change(account.id, lambda a: a.model_copy(update={"local": local}))
    async with desk.browser(await desk.session_of("an")) as browser:
        assert (await new_app(desk, browser))[1].status_code == 303
    await desk.accounts.change(account.id, lambda a: a.model_copy(update={"local": local}))
    await desk.accounts.set_grants(account.id, (Grant(role="lanh-dao-duyet"),))
    async with desk.browser(await desk.session_of("an")) as browser:
        assert (await new_app(desk, browser))[1].status_code == 422
    assert (await desk.accounts.require("an")).local.totp is None


async def test_the_mail_address_is_kept_encrypted_and_the_wishes_with_it(desk, bus):
    async with desk.signed_in("an") as browser:
        before = browser.token
        wanted = {"email": "an@example.gov.vn", "kinds": ["approved", "published"]}
        done = await browser.press(ACCOUNT, f"{ACCOUNT}/thu", **wanted)
        page = await browser.get(done.headers["location"])
        assert DONE["thu"] in page.text
        assert 'value="an@example.gov.vn"' in page.text
        assert browser.token == before
    account = await desk.accounts.require("an")
    assert account.mail.wanted == ("approved", "published")
    stored = (await bus.stored_bucket("staff").get(f"account.{account.id}")).data
    assert b"an@example" not in stored


async def test_what_is_no_address_is_refused_and_an_empty_one_erases(desk):
    async with desk.signed_in("an") as browser:
        await browser.press(ACCOUNT, f"{ACCOUNT}/thu", email="an@example.gov.vn")
        answer = await browser.press(ACCOUNT, f"{ACCOUNT}/thu", email="an@@example")
        assert answer.status_code == 422
        assert 'id="email-loi"' in answer.text
        await browser.press(ACCOUNT, f"{ACCOUNT}/thu", email="")
    assert (await desk.accounts.require("an")).address == ""


async def test_mail_comes_at_once_unless_a_person_wants_it_in_the_morning(desk):
    async with desk.signed_in("an") as browser:
        for chosen, in_morning in (("morning", True), ("now", False), ("", False)):
            await browser.press(ACCOUNT, f"{ACCOUNT}/thu", email="", when=chosen)
            assert (await desk.accounts.require("an")).mail.in_morning is in_morning
