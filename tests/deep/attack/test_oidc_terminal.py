"""`loa login` for a person of a real identity provider: the desk confirms the terminal's code."""

import asyncio
import os
import re

import pytest

from tests.support.identity_provider import (
    CLIENT_ID,
    SECRET,
    identity_provider,
    plain_browser,
    provider_folder,
)
from tests.support.loa_process import LoaProcess
from tests.support.ports import free_port

__all__ = ["provider_folder"]
ROLE = "quan-tri-kenh"
CODE = re.compile(r"\b([A-Z]{4}-[A-Z]{4})\b")
SEAL = re.compile(r'action="([^"]*)"[^>]*>\s*<input type="hidden" name="seal" value="([^"]*)">')
SETTINGS = {
    "OIDC_CLIENT_ID": CLIENT_ID,
    "OIDC_CLIENT_SECRET": SECRET,
    "OIDC_SECOND_FACTOR_ACR": "mfa",
    "CANARY_EVERY_S": 0,
}


@pytest.fixture
async def provider(provider_folder, tmp_path):
    port = free_port()
    async with identity_provider(provider_folder, f"http://127.0.0.1:{port}") as provider:
        provider.desk_port = port
        yield provider


@pytest.fixture
async def loa(provider, tmp_path):
    """A Loa whose desk knows the provider, and the account `tam` of its person `an`."""
    settings = SETTINGS | {"DESK_HTTP_PORT": provider.desk_port, "OIDC_ISSUER": provider.url}
    loa = LoaProcess(tmp_path, **settings)
    loa.environ["XDG_STATE_HOME"] = str(tmp_path / "state")
    await asyncio.to_thread(loa.start)
    for words in (
        ("add", "tam", "--name", "Lê Văn Tám", "--unit", "van-phong-bo", "--role", ROLE),
        ("link", "tam", "an"),
    ):
        said = await asyncio.to_thread(loa.cli, "staff", *words)
        assert said.exit_code == 0, said.err
    yield loa
    await asyncio.to_thread(loa.stop)


class Person:
    """A person with a browser of their own, at the desk."""

    def __init__(self, browser, desk: str) -> None:
        self.browser, self.desk = browser, desk

    async def response(self, **who) -> dict[str, str]:
        """The provider's answer to a sign-in that begins at the desk."""
        return await self.browser.sign_in(f"{self.desk}/oidc/vao", f"{self.desk}/oidc/ve", **who)

    async def arrive(self, response: dict[str, str]) -> int:
        """The status of the desk's answer: 303 with a session."""
        address = f"{self.desk}/oidc/xong"
        async with self.browser.http.get(address, params=response, allow_redirects=False) as page:
            return page.status

    async def post(self, page: str, path: str, **form: str) -> tuple[int, str]:
        """Send the form of *page* that goes to *path*."""
        seals = dict(SEAL.findall(page))
        headers = {"Origin": self.desk, "Sec-Fetch-Site": "same-origin"}
        data = {"seal": seals.get(path, "x")} | form
        async with self.browser.http.post(self.desk + path, data=data, headers=headers) as answer:
            return answer.status, await answer.text()

    async def confirm(self, code: str) -> int:
        """Let the terminal of *code* in; the status of the last answer."""
        async with self.browser.http.get(f"{self.desk}/dong-lenh") as form:
            page = await form.text()
        status, page = await self.post(page, "/dong-lenh", terminal_code=code)
        if status != 200:
            return status
        status, _ = await self.post(page, "/dong-lenh/dong-y", terminal_code=code)
        return status


@pytest.fixture
def terminal():
    """A terminal of a person, who keeps it open."""
    person, terminal = os.openpty()
    yield terminal
    for end in (person, terminal):
        os.close(end)


async def login(loa: LoaProcess, *words: str, terminal: int):
    """Start `loa login`; the process, and the code that it shows."""
    process = await asyncio.create_subprocess_exec(
        *map(str, loa.command), "login", *words, env=loa.environ, cwd=loa.folder, stdin=terminal,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        line = (await process.stderr.readline()).decode()
    found = CODE.search(line)
    assert found, line
    return process, found[1]


async def command(loa: LoaProcess, *words: str):
    return await asyncio.to_thread(loa.cli, *words)


@pytest.mark.promise("15.5")
async def test_a_terminal_is_signed_in_by_the_providers_person_and_out_with_them(
    loa, provider, terminal
):
    desk = f"http://127.0.0.1:{provider.desk_port}"
    async with plain_browser(provider) as browser:
        person = Person(browser, desk)
        assert await person.arrive(await person.response(acr="mfa")) == 303
        process, code = await login(loa, "tam", terminal=terminal)
        assert await person.confirm(code) == 200
        async with asyncio.timeout(60):
            assert await process.wait() == 0
        assert await person.confirm(code) == 422, "a code works once"
        own = await command(loa, "whoami", "--json")
        assert (own.exit_code, own.json["login"]) == (0, "tam")
        assert (await command(loa, "pause", "email")).exit_code == 0
        async with browser.http.get(f"{provider.url}/session/end") as page:
            secret = re.findall(r'name="xsrf" value="([^"]*)"', await page.text())[0]
        form = {"xsrf": secret, "logout": "yes"}
        async with browser.http.post(f"{provider.url}/session/end/confirm", data=form) as page:
            assert page.status == 200
        assert (await command(loa, "whoami")).exit_code == 2
    text = loa.log()
    assert code not in text and code.replace("-", "") not in text


async def test_without_a_sign_in_at_the_provider_no_code_is_confirmed(loa, provider, terminal):
    """A changed state, code or token gives the browser no session, and so no terminal."""
    desk = f"http://127.0.0.1:{provider.desk_port}"
    process, code = await login(loa, terminal=terminal)
    async with plain_browser(provider) as browser:
        person = Person(browser, desk)
        response = await person.response()
        for changes in ({"state": "x"}, {"code": "x"}, {"iss": "https://ke-gian.example"}):
            assert await person.arrive(response | changes) == 403, changes
        provider.change_claims(nonce="another")
        assert await person.arrive(await person.response()) == 403
        provider.leave()
        assert await person.confirm(code) == 403
        async with plain_browser(provider) as other:
            stranger = Person(other, desk)
            assert await stranger.arrive(await stranger.response(person="binh")) == 403
            assert await stranger.confirm(code) == 403
        response = await person.response()
        assert await person.arrive(response) == 303
        assert await person.arrive(response) == 403, "an answer of the provider works once"
    assert process.returncode is None
    process.terminate()
    await process.wait()
    assert (await command(loa, "whoami")).exit_code == 2
