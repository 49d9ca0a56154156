"""The settings for nginx that operators are given let everything of the desk through."""

import ssl
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
import trustme

from contracts.desk.uploads import FILE_MAX
from producers.desk.rendering import desk_texts
from tests.producers.desk.test_live import EDITOR, PAGE, rows
from tests.support import requirements
from tests.support import uploaded_files as files
from tests.support.desk_app import OWN_HEADERS, Browser, DeskApp, heading
from tests.support.desk_uploads import OFFICER, send
from tests.support.live_delivery import finish_delivery, send_some
from tests.support.nginx import nginx_before
from tests.support.ports import free_port
from tests.support.signup_app import serve_app


@asynccontextmanager
async def desk_behind_nginx(bus, clock, folder):
    """A desk, and a browser that knows nothing but nginx in front of it."""
    requirements.nginx()
    authority, port = trustme.CA(), free_port()
    pair = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    pair.write_to_path(folder / "pair.pem")
    desk = DeskApp(bus, clock, f"https://127.0.0.1:{port}")
    trust = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    async with serve_app(desk.app, "127.0.0.1") as url, desk.followed():
        with nginx_before(urlsplit(url).netloc, folder, port, folder / "pair.pem"):
            async with httpx2.AsyncClient(base_url=desk.url, verify=trust, timeout=60) as client:
                yield desk, Browser(client, OWN_HEADERS | {"Origin": desk.url})


async def test_a_person_signs_in_and_uploads(bus, clock, tmp_path):
    async with desk_behind_nginx(bus, clock, tmp_path) as (desk, browser):
        await desk.active("an", OFFICER)
        answer = await desk.press_sign_in(browser, "an")
        assert answer.status_code == 303 and browser.token
        assert (await send(browser, files.pdf())).status_code == 201
        refused = await send(browser, bytes(FILE_MAX + 1))
        assert (refused.status_code, heading(refused)) == (413, desk_texts()["upload"]["title"])


async def test_the_live_page_follows(bus, clock, tmp_path):
    sent = await send_some(bus, clock)
    async with desk_behind_nginx(bus, clock, tmp_path) as (desk, browser):
        await desk.active("an", EDITOR)
        await desk.press_sign_in(browser, "an")
        async with browser.client.stream("GET", f"{PAGE}/dong") as stream:
            events = (rows(part) async for part in stream.aiter_text() if rows(part))
            assert (await anext(events))["Đã gửi"] == 3
            await finish_delivery(sent)
            assert [one async for one in until_arrived(events)][-1]["Tổng trong kế hoạch"] == 500


async def until_arrived(events):
    """The events up to that which has all 500 readers."""
    async for event in events:
        yield event
        if event["Đã gửi"] == 500:
            return
