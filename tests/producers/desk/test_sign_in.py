"""Signing in and out over HTTP: one answer for every failure, a new session, and its end."""

import base64
import html
import re

import pytest

from consumers.staff import totp
from producers.desk.rendering import HEADERS, desk_texts
from tests.support.desk_app import COOKIE, DeskApp, heading
from tests.support.staff import PASSWORD

SIGN_IN, ACTIVATE = "/dang-nhap", "/kich-hoat"
TITLES = {name: page["title"] for name, page in desk_texts()["page"].items()}


async def test_password_and_code_open_a_session_and_the_start_page_says_who_one_is(desk):
    await desk.active("an", "lanh-dao-duyet")
    async with desk.browser() as browser:
        assert (await browser.get("/")).headers["location"] == SIGN_IN
        answer = await desk.press_sign_in(browser, "an")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        start = (await browser.get("/")).text + (await browser.get("/quyen")).text
        assert (await browser.get(SIGN_IN)).headers["location"] == "/"
    for told in ("Lê Văn Tám", "Văn phòng Bộ", "Lãnh đạo duyệt", "cần hai người"):
        assert told in start
    assert 'href="/nhan-su"' not in start


async def test_every_failure_has_the_same_page_and_opens_nothing(desk):
    await desk.active("an")
    await desk.invited("chua-kich-hoat")
    disabled = await desk.active("da-khoa")
    await desk.accounts.set_state(disabled.id, "disabled")
    pages = set()
    for login, changes in (
        ("an", {"password": "sai"}),
        ("an", {"code": "000000"}),
        ("an", {"code": ""}),
        ("khong-co", {}),
        ("chua-kich-hoat", {}),
        ("da-khoa", {}),
    ):
        async with desk.browser() as browser:
            answer = await desk.press_sign_in(browser, login, **changes)
            assert answer.status_code == 403
            pages.add(re.sub(r'value="[^"]*"', "", answer.text))
            assert (await browser.get("/")).headers["location"] == SIGN_IN
    assert len(pages) == 1 and PASSWORD not in str(pages)


async def test_failures_slow_down_and_lock_nobody_out(desk, clock):
    await desk.active("an")
    async with desk.browser() as browser:
        for _ in range(5):
            await desk.press_sign_in(browser, "an", password="sai")
        slowed = await desk.press_sign_in(browser, "an")
        assert slowed.status_code == 429 and int(slowed.headers["retry-after"]) > 0
        clock.advance(121)
        assert (await desk.press_sign_in(browser, "an")).status_code == 303


@pytest.mark.promise("15.2")
async def test_a_sign_in_never_takes_over_the_token_that_the_browser_brought(desk):
    """Session fixation: what a browser had before is no session, and none afterwards."""
    await desk.active("an")
    planted = "p" * 43
    async with desk.browser(planted) as browser, desk.browser(planted) as attacker:
        assert (await desk.press_sign_in(browser, "an")).status_code == 303
        assert browser.token != planted
        assert (await attacker.get("/")).headers["location"] == SIGN_IN
        first = browser.token
        desk.clock.advance(30)
        again = await browser.post(SIGN_IN, login="an", password=PASSWORD, code=desk.code())
        assert again.status_code == 303 and browser.token != first
    async with desk.browser(first) as old:
        assert (await old.get("/")).headers["location"] == SIGN_IN


@pytest.mark.promise("15.2")
async def test_signing_out_ends_the_session_on_the_server(desk):
    async with desk.signed_in("an") as browser:
        token = browser.token
        answer = await browser.press("/", "/dang-xuat")
        assert heading(answer) == TITLES["out"]
        assert f'{COOKIE}=""; ' in answer.headers["set-cookie"]
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert answer.headers["clear-site-data"] == '"cache", "storage"'
    await assert_dead(desk, token)


@pytest.mark.promise("15.2")
@pytest.mark.parametrize("change", ["disabled", "roles", "reset", "15 minutes", "10 hours"])
async def test_a_session_that_has_ended_neither_reads_nor_acts(desk, clock, change):
    account = await desk.active("an")
    token = await desk.session_of("an")
    if change == "disabled":
        await desk.accounts.set_state(account.id, "disabled")
    elif change == "roles":
        await desk.accounts.set_grants(account.id, ())
    elif change == "reset":
        await desk.accounts.reset(account.id)
    elif change == "15 minutes":
        clock.advance(15 * 60)
    else:
        for _ in range(60):
            clock.advance(600)
            await desk.sessions.find(token)
    await assert_dead(desk, token)


async def assert_dead(desk: DeskApp, token: str) -> None:
    async with desk.browser(token) as browser:
        assert (await browser.get("/")).headers["location"] == SIGN_IN
        answer = await browser.post("/tai-khoan/moi-phien")
        assert (answer.status_code, heading(answer)) == (403, TITLES["signed_out"])


@pytest.mark.parametrize(
    ("url", "name", "secure"),
    [("https://desk.example", COOKIE, True), ("http://127.0.0.1:8100", "loa-desk", False)],
)
async def test_the_cookie_fits_the_desks_address(bus, clock, url, name, secure):
    desk = DeskApp(bus, clock, url)
    await desk.active("an")
    async with desk.browser() as browser:
        page = await browser.get(SIGN_IN)
        given = {"login": "an", "password": PASSWORD, "code": desk.code()}
        answer = await browser.submit(page, SIGN_IN, **given)
        assert answer.status_code == 303
        parts = answer.headers["set-cookie"].split("; ")
    assert parts[0].startswith(f"{name}=") and ("Secure" in parts) is secure
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(parts)
    assert not any(part.startswith(("Domain", "Max-Age", "expires")) for part in parts)


async def test_an_invitation_sets_password_and_app_at_the_desk(desk):
    _, invitation = await desk.invited("an", "lanh-dao-duyet")
    async with desk.browser() as browser:
        page = await browser.get(ACTIVATE)
        secret = shown_secret(page.text)
        wanted = {"login": "an", "invitation": invitation, "new": PASSWORD, "again": PASSWORD}
        code = totp.one_time_code(secret, totp.current_step(desk.clock()))
        for changes in (
            {"invitation": "sai"},
            {"again": "khác"},
            {"new": "ngắn", "again": "ngắn"},
            {"new_code": "000000"},
            {"without_app": "1"},
        ):
            given = wanted | {"new_code": code} | changes
            refused = await browser.submit(page, ACTIVATE, **given)
            assert refused.status_code in (403, 422), changes
            assert shown_secret(refused.text) == secret, "the app need not be set up again"
        assert (await desk.accounts.require("an")).state == "invited"
        done = await browser.submit(page, ACTIVATE, **wanted, new_code=code)
        assert done.status_code == 303
        assert "Lê Văn Tám" in (await browser.get("/")).text
    desk.clock.advance(30)
    async with desk.browser() as other:
        assert shown_secret((await other.get(ACTIVATE)).text) != secret
        again = await other.press(ACTIVATE, ACTIVATE, **wanted, new_code=code)
        assert again.status_code == 403
        code = totp.one_time_code(secret, totp.current_step(desk.clock()))
        assert (await desk.press_sign_in(other, "an", code=code)).status_code == 303


def shown_secret(page: str) -> bytes:
    """The secret that a page shows for an authenticator app, as text and as a link."""
    [key] = re.findall(r"<code>([A-Z2-7 ]+)</code>", page)
    [link] = re.findall(r'href="otpauth:[^"]*[?&;]secret=([A-Z2-7]+)', html.unescape(page))
    assert key.replace(" ", "") == link
    return base64.b32decode(link)


async def test_every_answer_is_guarded_and_needs_no_script(desk):
    async with desk.browser() as browser, desk.signed_in("an", "quan-tri-tai-khoan") as manager:
        answers = [await browser.get(path) for path in (SIGN_IN, ACTIVATE, "/khong-co", "/")]
        pages = ("/", "/tai-khoan", "/tai-khoan/ung-dung", "/nhan-su", "/nhan-su/them", "/don-vi")
        answers += [await manager.get(path) for path in (*pages, "/don-vi/them", "/de-nghi")]
        answers += [await manager.client.post("/nhan-su/them"), await manager.client.put("/")]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS, answer.url
        assert "script" not in answer.text and " style=" not in answer.text, answer.url
        assert not re.search(r" on\w+=", answer.text), answer.url
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy and "unsafe" not in policy
    assert HEADERS["Cache-Control"] == "no-store"


async def test_the_styles_are_those_of_the_readers_pages(desk):
    async with desk.browser() as browser:
        page = await browser.get(SIGN_IN)
        [path] = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
        styles = await browser.get(path)
    assert styles.status_code == 200 and "--ground" in styles.text
