"""500 hostile uploads: refused by name or harmless, and nothing of them runs in a browser."""

import asyncio
import re
from functools import partial
from hashlib import sha256

import pytest

from channels.portal.http.file_app import portal_app
from channels.portal.storage.uploads import UploadFiles
from consumers.uploads import service
from consumers.uploads.file_checks import CheckedFile, check_file
from consumers.uploads.file_checks.kinds import check_content
from consumers.uploads.portal import PublicUploads
from contracts.desk.uploads import MEDIA_TYPES, parse_address
from tests.support.browser import allow_viewers
from tests.support.desk_app import served_desk
from tests.support.desk_uploads import JSON, OFFICER, send
from tests.support.hostile_uploads import hostile_files
from tests.support.served_desk import enter
from tests.support.signup_app import serve_app

SAFE_NAME = re.compile(r"[\w.-]{1,245}")
TABS = 6
_FRAME = "/khung"
"""The address, at the desk and on the portal, of a page that an attacker would have there."""


def check_here(source) -> CheckedFile:
    """The same check in this process: 500 processes would take minutes."""
    drawn = source.with_suffix(".drawn")
    ending = check_content(source.read_bytes(), drawn)
    return CheckedFile(drawn if drawn.exists() else source, ending)


@pytest.fixture
async def kept(desk, monkeypatch):
    """The addresses of the hostile files that were kept; bombs meet the limited process."""
    given = hostile_files()
    bombs, limited = {sha256(one.content).digest() for one in given if one.is_bomb}, []

    def check(source) -> CheckedFile:
        if sha256(source.read_bytes()).digest() not in bombs:
            return check_here(source)
        limited.append(source)
        return check_file(source)

    monkeypatch.setattr(service, "check_file", check)
    kept, refusals = {}, set()
    async with desk.signed_in("an", OFFICER) as browser:
        for number, one in enumerate(given):
            answer = await send(browser, one.content, one.name, JSON)
            assert answer.status_code in (201, 422), (number, one.name, answer.text)
            if answer.status_code == 201:
                kept[answer.json()["path"]] = answer.json()
            else:
                assert answer.json()["error"], number
                refusals.add(answer.json()["error"])
    assert len(refusals) > 15 and 10 < len(kept) < 300, (len(refusals), len(kept))
    assert len(limited) >= len(bombs) > 10
    return kept


async def test_500_hostile_files_are_refused_by_name_or_harmless(desk, kept, browser, tmp_path):
    addresses = []
    for told in kept.values():
        assert SAFE_NAME.fullmatch(told["name"]), told["name"]
        address = parse_address(told["path"].split("/")[2], told["name"])
        assert address and told["media_type"] in MEDIA_TYPES.values()
        addresses.append(address)
    await UploadFiles(tmp_path, PublicUploads(desk.bus)).place(addresses)
    served = [p for p in (tmp_path / "public").rglob("*") if p.is_file()]
    assert {p.parent.parent for p in served} == {tmp_path / "public" / "tep"}
    (tmp_path / "public" / "index.html").write_text("<!doctype html>\n")
    paths = [one.path for one in addresses]
    site, newsroom = serve_app(portal_app(tmp_path)), served_desk(desk.bus, desk.clock)
    async with site as portal, newsroom as own:
        with browser.tab() as tab:
            await tab.run(partial(enter, desk=own, token=await own.session_of("an")))
            for root in (portal, own.url):
                assert await tab.run(partial(included, root=root, paths=paths)) == []
                assert await tab.run(partial(visited, root=root, paths=paths)) == []


async def visited(page, root, paths) -> list[str]:
    """Scripts that ran of files that a person opens by address, PDFs in the browser's viewer."""
    await allow_viewers(page)
    tabs = [await page.context.new_page() for _ in range(TABS)]
    urls = [root + path for path in paths]
    found = await asyncio.gather(*(_opened(tab, urls[n::TABS]) for n, tab in enumerate(tabs)))
    for tab in tabs:
        await tab.close()
    return [one for part in found for one in part]


async def _opened(page, urls) -> list[str]:
    wrong = watch(page)
    for url in urls:
        try:
            answer = await page.goto(url)
        except Exception as error:  # noqa: BLE001 -- a file that is saved is no page
            assert "Download is starting" in str(error) or "ERR_ABORTED" in str(error)
            continue
        if answer.status != 200 or await page.title() == "PWNED":
            wrong.append(url)
    return wrong


async def included(page, root, paths) -> list[str]:
    """Scripts that ran of files that a page of their host, without a policy, has as its parts."""
    wrong = watch(page)
    await page.route(root + _FRAME, lambda route: route.fulfill(body="<!doctype html>"))
    await page.goto(root + _FRAME)
    wrong += await page.evaluate(
        """async urls => {
            const ran = [];
            const add = (name, key, url) => new Promise(done => {
                const one = document.createElement(name);
                if (name === 'link') one.rel = 'stylesheet';
                one.onload = () => { if (name !== 'iframe') ran.push(`${name} ${url}`); done(); };
                one.onerror = done;
                setTimeout(done, 3000);
                one[key] = url;
                document.documentElement.append(one);
            });
            await Promise.all(urls.flatMap(url => [
                add('script', 'src', url), add('link', 'href', url), add('iframe', 'src', url)]));
            return document.title === 'PWNED' ? [...ran, 'title'] : ran;
        }""",
        [root + path for path in paths],
    )
    return wrong + [one.url for one in page.frames if await one.title() == "PWNED"]


def watch(page) -> list[str]:
    """Dialogs, and requests that only a script of a hostile file makes, as they come."""
    wrong: list[str] = []

    async def dismissed(dialog) -> None:
        wrong.append(f"dialog {dialog.message}")
        await dialog.dismiss()

    page.on("dialog", dismissed)
    page.on("request", lambda one: wrong.append(one.url) if "/pwned" in one.url else None)
    return wrong
