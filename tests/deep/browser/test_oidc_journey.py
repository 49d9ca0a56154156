"""Signing in and out through a real identity provider, in a real browser, at a real desk.

Provider and desk are two sites for the browser (`localhost` and `127.0.0.1`), as they are in a
ministry: so cookies that are sent with the desk's own requests alone are seen to work.
"""

import asyncio
import re
from functools import partial

import aiohttp
import pytest

from consumers.staff.accounts import OidcSubject
from consumers.staff.oidc.id_token import Identity
from consumers.staff.oidc.links import IdentityLinks
from consumers.staff.oidc.people import PendingPeople
from tests.deep.browser.test_desk import MANAGER, judged, signs_in
from tests.support.browser import axe, overflow_px
from tests.support.desk_app import DeskApp
from tests.support.identity_provider import (
    CLIENT_ID,
    SECRET,
    identity_provider,
    provider_folder,
)
from tests.support.loa_process import LoaProcess
from tests.support.oidc_provider import provider_double
from tests.support.oidc_tokens import NOW
from tests.support.ports import free_port
from tests.support.signup_app import serve_app

__all__ = ["provider_folder"]
NAME = "Lê Văn Tám"
SETTINGS = {
    "OIDC_CLIENT_ID": CLIENT_ID,
    "OIDC_CLIENT_SECRET": SECRET,
    "OIDC_SECOND_FACTOR_ACR": "mfa",
}


@pytest.fixture
async def desk(tmp_path, provider_folder):
    """A desk with its provider: addresses of both, and the Loa that runs it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with identity_provider(provider_folder, url) as provider:
        loa = LoaProcess(tmp_path, DESK_HTTP_PORT=port, OIDC_ISSUER=provider.url, **SETTINGS)
        await asyncio.to_thread(loa.start)
        try:
            yield Desk(loa, url, provider.url)
        finally:
            await asyncio.to_thread(loa.stop)


class Desk:
    """View of a person on the desk and on the provider."""

    def __init__(self, loa: LoaProcess, url: str, provider: str) -> None:
        self.loa, self.url, self.provider = loa, url, provider

    async def command(self, *words: str) -> None:
        said = await asyncio.to_thread(self.loa.cli, *words)
        assert said.exit_code == 0, said.err

    async def sign_in(self, page) -> None:
        """By the link of the sign-in page; the provider asks who it is the first time only."""
        await page.goto(f"{self.url}/dang-nhap")
        assert await axe(page) == [] and await overflow_px(page) == 0
        await page.get_by_role("link", name="Đăng nhập bằng hệ thống định danh của Bộ").click()
        await page.wait_for_load_state()
        if page.url.startswith(self.provider):
            await page.get_by_role("button").click()
        await page.wait_for_url(re.compile(rf"{re.escape(self.url)}/(oidc/xong.*)?$"))

    async def heading(self, page) -> str:
        return await page.locator("h1").inner_text()

    async def opens(self, cookie: str) -> bool:
        """Whether a thief's copy of the cookie opens the start page."""
        own = {"loa-desk": cookie}
        async with (
            aiohttp.ClientSession(cookies=own, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
            http.get(f"{self.url}/", cookies=own, allow_redirects=False) as answer,
        ):
            return answer.status == 200


async def cookie_of(page) -> str:
    [value] = [one["value"] for one in await page.context.cookies() if one["name"] == "loa-desk"]
    return str(value)


@pytest.mark.promise("15.5")
async def test_a_person_waits_is_linked_signs_in_and_is_signed_out_by_the_provider(desk, browser):
    with browser.tab(width=390) as tab:
        await tab.run(desk.sign_in)
        assert await tab.run(desk.heading) == "Chưa thực hiện được"
        await desk.command(
            *("staff", "add", "tam", "--name", NAME, "--unit", "van-phong-bo"),
            *("--role", "nguoi-gui-tin"),
        )
        await desk.command("staff", "link", "tam", "an")
        await tab.run(desk.sign_in)
        assert NAME in await tab.run(lambda page: page.locator("body").inner_text())
        cookie = await tab.run(cookie_of)
        assert await desk.opens(cookie)
        await tab.run(lambda page: page.goto(f"{desk.provider}/session/end"))
        await tab.run(lambda page: page.get_by_role("button", name="Yes").click())
        await tab.run(lambda page: page.wait_for_url(f"{desk.provider}/session/end/success"))
        assert not await desk.opens(cookie)
        assert desk.loa.logged("oidc_sessions_ended")[0]["sessions"] == 1
        await tab.run(lambda page: page.goto(f"{desk.url}/"))
        assert await tab.run(desk.heading) == "Đăng nhập"


async def test_signing_out_ends_the_session_and_leads_out_of_the_provider_too(desk, browser):
    await desk.command(
        *("staff", "add", "tam", "--name", NAME, "--unit", "van-phong-bo"),
        *("--role", "nguoi-gui-tin"),
    )
    await desk.command("staff", "link", "tam", "an")
    with browser.tab() as tab:
        await tab.run(desk.sign_in)
        cookie = await tab.run(cookie_of)
        await tab.run(lambda page: page.get_by_role("button", name="Đăng xuất").click())
        await tab.run(lambda page: page.wait_for_url(f"{desk.url}/dang-xuat"))
        assert await tab.run(desk.heading) == "Đã đăng xuất"
        assert not await desk.opens(cookie)
        way_out = "Đăng xuất cả ở hệ thống định danh của Bộ"
        await tab.run(lambda page: page.get_by_role("link", name=way_out).click())
        await tab.run(lambda page: page.get_by_role("button", name="Yes").click())
        await tab.run(lambda page: page.wait_for_url(f"{desk.url}/dang-nhap"))
        await tab.run(
            lambda page: page.get_by_role("link", name=re.compile("hệ thống định danh")).click()
        )
        await tab.run(lambda page: page.wait_for_url(re.compile(f"{desk.provider}/interaction/")))


async def looked_at(page, app, account):
    """Faults of the pages that know the provider."""
    wrong = await judged(page, app, "/dang-nhap")
    await signs_in(page, app, account.login)
    for path in ("/nhan-su", "/dinh-danh", f"/nhan-su/{account.id}"):
        wrong += await judged(page, app, path)
    return wrong


async def linked_manager(app, issuer):
    account = await app.active("an", MANAGER)
    for subject in ("m" * 255, "7c9e6679"):
        await PendingPeople(app.bus, app.clock).add(Identity(issuer, subject, NOW, name=NAME))
    identity = OidcSubject(issuer=issuer, subject="x")
    return await IdentityLinks(app.accounts).link(account.id, identity)


async def test_its_pages_are_clean_for_everyone(bus, clock, browser):
    async def late(scope, receive, send):
        await app.app(scope, receive, send)

    async with provider_double(clock) as double, serve_app(late) as url:
        app = DeskApp(bus, clock, url, oidc=double.client)
        account = await linked_manager(app, double.url)
        with browser.tab() as tab:
            assert await tab.run(partial(looked_at, app=app, account=account)) == []
