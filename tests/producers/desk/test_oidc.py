"""The desk's pages for the identity provider: the way in, the step-up, and the way out."""

import re

import pytest

from consumers.staff.accounts import OidcSubject
from consumers.staff.oidc.links import IdentityLinks
from producers.desk.web_session import ProviderCookie
from tests.support.desk_app import COOKIE, Browser, DeskApp, heading
from tests.support.oidc_provider import CODE, LEVEL, provider_double, query

MANAGER = "quan-tri-tai-khoan"
WAY_COOKIE = ProviderCookie(is_https=True).name


@pytest.fixture
async def provider(clock):
    async with provider_double(clock) as double:
        yield double


@pytest.fixture
def desk(bus, clock, provider) -> DeskApp:
    return DeskApp(bus, clock, oidc=provider.client)


@pytest.fixture
async def account(desk, provider):
    return await linked(desk, provider, "an", "nguoi-gui-tin")


async def linked(desk, provider, login, *roles, subject="7c9e6679"):
    account = await desk.active(login, *roles)
    identity = OidcSubject(issuer=provider.url, subject=subject)
    return await IdentityLinks(desk.accounts).link(account.id, identity)


async def come_back(browser: Browser, provider, start="/oidc/vao") -> str:
    """From the link to the desk's own finishing request, whose address is returned."""
    gone = await browser.get(start)
    assert gone.status_code == 303, gone.text
    request = query(gone.headers["location"])
    provider.nonce = request["nonce"]
    back = {"code": CODE, "state": request["state"], "iss": provider.url}
    page = await browser.get("/oidc/ve", params=back)
    assert page.status_code == 200
    path = page.headers["refresh"].removeprefix("0; url=")
    assert path.replace("&", "&amp;") in page.text
    return path


async def test_a_person_signs_in_by_the_link_of_the_page(desk, provider, account):
    async with desk.browser() as browser:
        assert '<a href="/oidc/vao">' in (await browser.get("/dang-nhap")).text
        done = await browser.get(await come_back(browser, provider))
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert account.name in (await browser.get("/")).text
        assert WAY_COOKIE not in browser.client.cookies
        [session] = await desk.sessions.of_account(account)
        assert session.session.network == "198.51.100.0/24"


async def test_both_cookies_are_for_the_desks_own_requests(desk, provider, account):
    """The callback, which the provider's page causes, sends none and needs none."""
    async with desk.browser() as browser:
        gone = await browser.get("/oidc/vao")
        [cookie] = gone.headers.get_list("set-cookie")
        for part in ("SameSite=strict", "Secure", "HttpOnly", "Path=/", "Max-Age=600"):
            assert part in cookie
        path = await come_back(browser, provider)
    async with desk.browser() as stranger:
        refused = await stranger.get(path)
        assert refused.status_code == 403 and "transaction" in refused.text
        assert COOKIE not in stranger.client.cookies


async def test_another_site_can_not_start_a_sign_in(desk, provider):
    async with desk.browser() as browser:
        for site in ("cross-site", "same-site"):
            refused = await browser.get("/oidc/vao", headers={"Sec-Fetch-Site": site})
            assert refused.status_code == 403 and not refused.headers.get_list("set-cookie")
        assert "/vao" not in provider.asked


async def test_the_callback_repeats_nothing_but_the_answers_own_parts(desk):
    async with desk.browser() as browser:
        given = [
            ("code", "a&b=c"),
            ("code", "d"),
            ("state", '"><script>'),
            ("x", "y"),
            ("iss", "z" * 5000),
        ]
        page = await browser.get("/oidc/ve", params=given)
        assert page.headers["refresh"] == "0; url=/oidc/xong?state=%22%3E%3Cscript%3E"
        assert "<script>" not in page.text


async def test_one_network_can_not_make_loa_ask_the_provider_without_end(
    bus, clock, provider, monkeypatch
):
    monkeypatch.setattr("producers.desk.visit._ARRIVALS_BURST", 3.0)
    monkeypatch.setattr("producers.desk.visit._ARRIVALS_PER_MINUTE", 0.001)
    desk = DeskApp(bus, clock, oidc=provider.client)
    provider.status, provider.answer = 400, {"error": "invalid_grant"}
    statuses = []
    for number in range(5):
        async with desk.browser(ip=f"198.51.100.{number}") as browser:
            statuses.append((await browser.get(await come_back(browser, provider))).status_code)
    assert statuses == [403, 403, 403, 429, 429] and provider.asked.count("/token") == 3
    async with desk.browser(ip="203.0.113.9") as elsewhere:
        assert (await elsewhere.get(await come_back(elsewhere, provider))).status_code == 403


@pytest.mark.promise("15.5")
async def test_a_stranger_is_told_to_wait_and_managers_link_them(desk, provider):
    async with desk.browser() as stranger:
        told = await stranger.get(await come_back(stranger, provider))
        assert told.status_code == 403 and "quản trị tài khoản" in told.text
    officer = await desk.active("chi", "nguoi-gui-tin")
    async with desk.signed_in("an", MANAGER) as one, desk.signed_in("binh", MANAGER) as two:
        page = await one.get("/dinh-danh")
        assert "Lê Văn Tám" in page.text and "le-van-tam" in page.text
        await one.submit(page, "/dinh-danh", account=officer.id)
        assert (await desk.accounts.find(officer.id)).oidc is None
        await two.submit(await two.get("/dinh-danh"), "/dinh-danh", account=officer.id)
        assert (await desk.accounts.find(officer.id)).oidc.subject == "7c9e6679"
        assert "le-van-tam" not in (await one.get("/dinh-danh")).text
        path = f"/nhan-su/{officer.id}"
        for manager in (one, two):
            await manager.press(path, f"{path}/go-lien-ket")
        assert (await desk.accounts.find(officer.id)).oidc is None


async def test_a_step_up_leads_over_the_provider_and_back(desk, provider, clock):
    account = await linked(desk, provider, "an", MANAGER)
    other = await desk.active("binh", "nguoi-gui-tin")
    provider.claims = {"acr": LEVEL, "auth_time": int(clock())}
    async with desk.browser() as browser:
        await browser.get(await come_back(browser, provider))
        clock.advance(600)
        page = f"/nhan-su/{other.id}"
        browser.headers |= {"Referer": f"{desk.url}{page}"}
        asked = await browser.press(page, f"{page}/cap-lai")
        [start] = re.findall(r'href="(/oidc/vao\?[^"]*)"', asked.text)
        start = start.replace("&amp;", "&")
        stale = await browser.get(await come_back(browser, provider, start))
        assert stale.status_code == 403 and "auth_time" in stale.text
        provider.claims = {"acr": LEVEL, "auth_time": int(clock())}
        old = browser.token
        done = await browser.get(await come_back(browser, provider, start))
        assert done.headers["location"] == page and browser.token != old
        assert await desk.sessions.find(old) is None
        done = await browser.press(page, f"{page}/cap-lai")
        assert done.status_code == 200 and "/oidc/vao" not in done.text
    assert len(await desk.sessions.of_account(account)) == 1


async def test_without_a_session_there_is_no_step_up(desk, provider):
    async with desk.browser() as browser:
        answer = await browser.get("/oidc/vao?buoc=1")
        assert answer.status_code == 403 and provider.asked == []


async def test_signing_out_offers_the_providers_way_out_and_steals_no_session_back(
    desk, provider, account
):
    async with desk.browser() as browser:
        await browser.get(await come_back(browser, provider))
        stolen = browser.token
        out = await browser.press("/", "/dang-xuat")
        assert f'href="{provider.url}/ra?client_id=loa' in out.text
        assert heading(out) == "Đã đăng xuất"
    async with desk.browser(stolen) as thief:
        assert (await thief.get("/")).headers["location"] == "/dang-nhap"
    async with desk.signed_in("binh", "nguoi-gui-tin") as local:
        assert provider.url not in (await local.press("/", "/dang-xuat")).text


@pytest.mark.promise("15.5")
async def test_the_provider_ends_sessions_without_cookie_or_seal(desk, provider, account):
    async with desk.browser() as browser, desk.browser() as server:
        await browser.get(await come_back(browser, provider))
        token = provider.logout_token()
        for wrong in ("", "x", provider.id_token(), token[:-8]):
            answer = await server.client.post("/oidc/dang-xuat", data={"logout_token": wrong})
            assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
        assert (await browser.get("/")).status_code == 200
        done = await server.client.post("/oidc/dang-xuat", data={"logout_token": token})
        assert (done.status_code, done.headers["cache-control"]) == (200, "no-store")
        assert (await browser.get("/")).headers["location"] == "/dang-nhap"
        again = await server.client.post("/oidc/dang-xuat", data={"logout_token": token})
        assert again.status_code == 400


async def test_without_a_provider_there_are_no_such_pages(bus, clock):
    desk = DeskApp(bus, clock)
    async with desk.browser() as browser:
        for path in ("/oidc/vao", "/oidc/ve", "/oidc/xong"):
            assert (await browser.get(path)).status_code == 404
        assert (await browser.client.post("/oidc/dang-xuat", data={"a": "b"})).status_code == 404
        assert "/oidc/" not in (await browser.get("/dang-nhap")).text
